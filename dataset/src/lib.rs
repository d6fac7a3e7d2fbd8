//! Images in: simulated SAR chips, class folders, pre-processing to the network's int8 input.

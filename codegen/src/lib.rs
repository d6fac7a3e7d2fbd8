//! Lowers a quantized network to the accelerator's program and ROM images.

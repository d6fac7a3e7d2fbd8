//! Networks that others made, from the bytes of a file to the outputs of the reference.

mod published;

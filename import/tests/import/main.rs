//! Networks that others made, from the bytes of a file to the outputs of the reference.

mod builder;
mod hostile;
mod interpreter;
mod published;
mod random;
mod tflite;

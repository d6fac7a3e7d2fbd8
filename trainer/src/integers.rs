//! From floating point to the integers of [`spec::QuantNetwork`], and these integers on images.

pub mod compare;
pub mod fake_quantize;
mod fold;
pub mod integer;
pub mod quantize;

//! What hardware and software agree on: types, arithmetic, ISA, integer reference.

//! Every file that is read or written: regular ones alone, and none of somebody else's replaced. With them networks and
//! programs on disk.
//!
//! Who reads goes through [`read_regular`] and its kin; who writes a file that the user named, through [`Outputs`]; who
//! writes in a folder that is the program's own, through [`write_atomically`] and its kin.

mod error;
mod networks;
mod ours;
mod programs;
mod read;
mod write;

pub use error::{FileError, Refusal};
pub use networks::{
    network_files, read_network, write_network, write_network_by, write_own_network,
};
pub use ours::{Kind, finish_wave};
pub use programs::{ProgramTarget, read_program, write_program};
pub use read::{Limit, check_readable, open_regular, read_inside, read_regular, read_text};
pub use write::{
    Outputs, Target, make_folder, open_append, open_new_log, remove, write_atomically, write_with,
};

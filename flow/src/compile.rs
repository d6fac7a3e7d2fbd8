//! A network's program and ROM images.

use codegen::{Options, Schedule};
use spec::Program;
use spec::files::read_program;

use crate::choice::{ArraySizes, Chosen, NetworkChoice};
use crate::error::FlowError;
use crate::workload::{compiled, fitted};

/// What is compiled.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// The network.
    pub network: NetworkChoice,
    /// The array.
    pub array: ArraySizes,
    /// Which passes of a tile are run.
    pub schedule: Schedule,
    /// Make every memory just as deep as this program needs, as [`crate::VerilogOptions`] does for the same schedule.
    pub fit: bool,
}

/// Compiles the network; the program says for which array.
///
/// # Errors
/// A network that cannot be read, or every reason why it does not fit.
pub fn compile(options: &CompileOptions) -> Result<Program, FlowError> {
    let Chosen { network, config, .. } = options.network.read(None)?;
    let compile_options = Options { schedule: options.schedule };
    let mut config = options.array.config(&config)?;
    if options.fit {
        config = fitted(&network, &config, &compile_options)?;
    }
    compiled(&network, &config, &compile_options)
}

/// The program in a folder that was compiled to, if the network's path is one, else the network compiled.
///
/// # Errors
/// As [`compile`].
pub fn compile_or_read(options: &CompileOptions) -> Result<Program, FlowError> {
    match &options.network {
        NetworkChoice::Path(folder) if folder.join("program.json").is_file() => {
            Ok(read_program(folder)?)
        }
        _ => compile(options),
    }
}

/// Bytes of all ROM images of a program, as its files hold them: two hexadecimal digits each.
pub fn rom_bytes(program: &Program) -> u64 {
    let files = program.to_files();
    let roms = files.iter().filter(|(name, _)| name.ends_with(".hex"));
    let n_digits: usize =
        roms.map(|(_, text)| text.bytes().filter(u8::is_ascii_hexdigit).count()).sum();
    n_digits as u64 / 2
}

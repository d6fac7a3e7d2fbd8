//! What the shim shares with this crate and with [`spec`], as C preprocessor definitions.

use spec::status;

use super::ffi::ABI;
use super::job::Ending;

/// The text that goes before the shim: interface number, status registers and endings.
pub(super) fn definitions() -> String {
    let mut text = format!("#define TWOFOLD_ABI {ABI}\n");
    text += &format!("#define TWOFOLD_N_REGISTERS {}\n", status::REGISTERS.len());
    for status::Register { address, name, .. } in status::REGISTERS {
        text += &format!("#define TWOFOLD_STATUS_{} {address}\n", name.to_uppercase());
    }
    text += &format!("#define TWOFOLD_STATUS_ADDRESS_BITS {}\n", status::ADDRESS_BITS);
    for ending in Ending::ALL {
        text += &format!("#define TWOFOLD_{} {}\n", ending.name(), ending as u32);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shim_uses_definitions_that_are_there() {
        let text = definitions();
        let own =
            ["TWOFOLD_EXPORT", "TWOFOLD_EDGE", "TWOFOLD_EVAL", "TWOFOLD_MODEL", "TWOFOLD_TRACE"];
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let shim = include_str!("shim.cpp");
        let names = shim.split(|c| !is_word(c)).filter(|word| word.starts_with("TWOFOLD_"));
        let mut n_shared = 0;
        for name in names.filter(|name| !own.contains(name) && !name.starts_with("TWOFOLD_MEMOR")) {
            assert!(text.contains(&format!("#define {name} ")), "{name}");
            n_shared += 1;
        }
        assert!(n_shared >= 10, "the shim names what it shares");
    }
}

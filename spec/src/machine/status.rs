//! The status registers of the accelerator: addresses, names and meanings, as in docs/memory_map.md.

/// A 32-bit register behind the status port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Value of `status_address`.
    pub address: usize,
    /// Name in reports.
    pub name: &'static str,
    /// What it holds.
    pub meaning: &'static str,
}

/// Bits of a register's address.
pub const ADDRESS_BITS: usize = 5;

/// Bit of [`STATE`]: an image is being computed.
pub const BUSY_BIT: usize = 0;
/// Bit of [`STATE`]: the last image is finished and no other has started.
pub const DONE_BIT: usize = 1;
/// Bit of [`STATE`]: an unknown instruction was fetched; only reset clears it.
pub const ERROR_BIT: usize = 2;
/// Bit of [`STATE`]: the newest image was bad and has been dropped.
pub const BAD_IMAGE_BIT: usize = 3;

/// Address of the state bits.
pub const STATE: usize = 0;
/// Address of the number of finished images.
pub const IMAGES: usize = 1;
/// Address of the cycles of an image.
pub const CYCLES: usize = 2;
/// Address of the cycles in which every PE did useful work.
pub const USEFUL: usize = 3;
/// Addresses of the lost cycles, one a cause, in the order of [`LOST_CAUSES`].
pub const LOST: [usize; 6] = [4, 5, 6, 7, 8, 9];
/// Address of the idle PE-cycles that do not yet make a cycle.
pub const IDLE_REMAINDER: usize = 10;
/// Address of the cycles of loading.
pub const LOAD_CYCLES: usize = 11;
/// Address of the cycles of sending logits.
pub const OUTPUT_CYCLES: usize = 12;
/// Address of the program counter.
pub const PROGRAM_COUNTER: usize = 13;
/// Address of the array's sizes.
pub const SIZES: usize = 14;
/// Address of the number of bad images.
pub const BAD_IMAGES: usize = 15;

/// Why a cycle was not useful, in the order of the registers.
pub const LOST_CAUSES: [&str; 6] =
    ["idle_pes", "fetch", "weight_load", "dependency", "accumulator", "drain"];

const fn register(address: usize, name: &'static str, meaning: &'static str) -> Register {
    Register { address, name, meaning }
}

/// Every register, in the order of addresses; beyond the last all read as zero.
pub const REGISTERS: &[Register] = &[
    register(
        STATE,
        "state",
        "bit 0 busy, bit 1 done, bit 2 error, bit 3 bad image: the newest image ended early or late and was dropped",
    ),
    register(IMAGES, "images", "images finished since reset"),
    register(
        CYCLES,
        "cycles",
        "cycles of the current or last image, from its packed image in bank 0 to its last result written",
    ),
    register(USEFUL, "useful", "cycles of useful work of all PEs together"),
    register(
        LOST[0],
        "idle_pes",
        "cycles lost to PEs without a kept weight or a valid pixel while others worked",
    ),
    register(LOST[1], "fetch", "cycles lost to fetching instructions and starting blocks"),
    register(LOST[2], "weight_load", "cycles lost waiting for the next tile's weights"),
    register(LOST[3], "dependency", "cycles lost waiting for the map that a tile reads"),
    register(LOST[4], "accumulator", "cycles lost waiting for a free accumulator bank"),
    register(
        LOST[5],
        "drain",
        "cycles lost at the end of the image, until the last result is written",
    ),
    register(
        IDLE_REMAINDER,
        "idle_remainder",
        "idle PE-cycles that do not yet make a whole cycle, below rows * cols",
    ),
    register(LOAD_CYCLES, "load_cycles", "cycles of receiving and packing the last image"),
    register(OUTPUT_CYCLES, "output_cycles", "cycles of sending the last image's logits and class"),
    register(PROGRAM_COUNTER, "program_counter", "address of the next instruction"),
    register(SIZES, "sizes", "rows + cols * 2^8 + lanes * 2^16 + port_bytes * 2^24"),
    register(BAD_IMAGES, "bad_images", "bad images since reset"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_positions() {
        for (index, register) in REGISTERS.iter().enumerate() {
            assert_eq!(register.address, index, "{}", register.name);
        }
        assert!(REGISTERS.len() <= 1 << ADDRESS_BITS);
        for (address, name) in LOST.iter().zip(LOST_CAUSES) {
            assert_eq!(REGISTERS[*address].name, name);
        }
    }
}

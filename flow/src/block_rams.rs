//! What the memories of a design take on an ECP5.

use spec::{AccumulatorMemory, ArrayConfig, Memory, Program};

use crate::fpga::{DEVICES, MemoryShape};
use crate::report::{BlockRams, Device, MemoryUse};

/// The memories of `program`, whose design has just as much as it needs, and of the same with the depths of `config`. ROMs count
/// without the bits that are the same in every row, as those of `contents`.
pub(crate) fn block_rams(
    program: &Program,
    config: &ArrayConfig,
    contents: &Program,
    accumulators: AccumulatorMemory,
) -> BlockRams {
    let of = |memory, config: &ArrayConfig, contents: &Program| match (memory, accumulators) {
        (Memory::Accumulator, AccumulatorMemory::LookUpTables) => 0,
        _ => n_block_rams(memory, config, contents),
    };
    let needed = |memory| of(memory, &program.config, program);
    let available = |memory| of(memory, config, contents);
    let memories = Memory::ALL.map(|memory| MemoryUse {
        memory,
        n_bits: n_bits(memory, &program.config),
        n_block_rams: needed(memory),
        n_bits_available: n_bits(memory, config),
        n_block_rams_available: available(memory),
    });
    BlockRams {
        n_bits: memories.iter().map(|memory| memory.n_bits).sum(),
        n_block_rams: memories.iter().map(|memory| memory.n_block_rams).sum(),
        n_bits_available: memories.iter().map(|memory| memory.n_bits_available).sum(),
        n_block_rams_available: memories.iter().map(|memory| memory.n_block_rams_available).sum(),
        memories: memories.into(),
        devices: DEVICES
            .map(|(name, n_block_rams)| Device { name: name.to_owned(), n_block_rams })
            .into(),
    }
}

/// The memories that are one in the documentation: how many there are, and what each is. Accumulators have a copy for the drain.
fn shape(memory: Memory, config: &ArrayConfig) -> (usize, MemoryShape) {
    let (depth, width) = (memory.depth(config.memories()), memory.bits(config));
    let shape = MemoryShape { depth, width, n_enables: 1, n_readers: 1 };
    match memory {
        Memory::Program | Memory::Tile | Memory::Weight | Memory::Parameter | Memory::Lane => {
            (1, MemoryShape { n_enables: 0, ..shape })
        }
        Memory::Image => {
            let n_banks = config.port_bytes();
            (n_banks, MemoryShape { depth: depth.div_ceil(n_banks), ..shape })
        }
        Memory::Input => (1, shape),
        Memory::Bank1 | Memory::Bank2 | Memory::Bank3 => {
            (1, MemoryShape { n_enables: config.granules(), ..shape })
        }
        Memory::Accumulator => {
            let depth = 2 * depth.next_power_of_two();
            (config.cols(), MemoryShape { depth, n_readers: 2, ..shape })
        }
        Memory::Logit => {
            let lanes = config.lanes();
            (1, MemoryShape { depth: depth.div_ceil(lanes), width: lanes * width, ..shape })
        }
    }
}

fn n_bits(memory: Memory, config: &ArrayConfig) -> u64 {
    let (n, MemoryShape { depth, width, .. }) = shape(memory, config);
    (n * depth * width) as u64
}

fn n_block_rams(memory: Memory, config: &ArrayConfig, contents: &Program) -> u64 {
    let (n, mut shape) = shape(memory, config);
    if shape.n_enables == 0 {
        shape.width = n_varying_bits(&contents.rom(memory));
    }
    n as u64 * shape.n_block_rams()
}

/// Bits that are not the same in all rows.
fn n_varying_bits(rows: &[Vec<u8>]) -> usize {
    let Some(first) = rows.first() else { return 0 };
    let mut varying = vec![0; first.len()];
    for row in rows {
        for (varying, (byte, first)) in varying.iter_mut().zip(row.iter().zip(first)) {
            *varying |= byte ^ first;
        }
    }
    varying.into_iter().map(|byte: u8| byte.count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_never_change_take_no_memory() {
        assert_eq!(n_varying_bits(&[]), 0);
        assert_eq!(n_varying_bits(&[vec![0xff, 3]]), 0);
        assert_eq!(n_varying_bits(&[vec![0xff, 3], vec![0xf0, 3], vec![0xff, 2]]), 5);
    }

    #[test]
    fn every_memory_has_its_instances() {
        let config = ArrayConfig::default();
        let (n, accumulator) = shape(Memory::Accumulator, &config);
        assert_eq!((n, accumulator.depth, accumulator.n_readers), (16, 512, 2));
        let (n, image) = shape(Memory::Image, &config);
        assert_eq!((n, image.depth, image.width), (4, 4096, 8));
        let (_, logits) = shape(Memory::Logit, &config);
        assert_eq!((logits.depth, logits.width), (256, 64));
    }
}

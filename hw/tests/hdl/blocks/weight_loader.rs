//! Weight loader: the tiles of blocks in order, each with its weights, none before the one before is taken.

use super::program::{Pass, Program, Tile, program};
use super::{ARRAYS, Bench, Stalls, config, sized, stalls};
use proptest::prelude::*;
use rust_hdl_core::prelude::*;
use twofold_hw::context::{BlockContext, DrainContext, StreamContext, TileContext};
use twofold_hw::control::weight_loader::WeightLoader;

/// Cycles from the offer of a block to its first weight row, if nothing else is being loaded: the address of its first
/// record, the record, the copy of its context.
const BLOCK: usize = 3;

/// What is offered to the streamer.
#[derive(Clone, Debug, PartialEq)]
struct Offer {
    tile: TileContext,
    unit_first: bool,
    group_first: bool,
    group_last: bool,
    block: BlockContext,
    stream: StreamContext,
    drain: DrainContext,
}

impl Offer {
    fn of(pass: Pass<'_>) -> Self {
        Self {
            tile: pass.tile.context(pass.last),
            unit_first: pass.first,
            group_first: pass.group == 0,
            group_last: pass.group + 1 == pass.layer.tiles.len(),
            block: pass.block.context(),
            stream: pass.layer.stream.context(),
            drain: pass.layer.drain.context(),
        }
    }
}

/// What has to be seen in a cycle; a weight address only where a row is loaded.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    block_taken: bool,
    load: bool,
    ready: bool,
    offer: Option<Offer>,
    weight_address: Option<u64>,
    /// With it, the column that the row keeps, if it keeps one.
    column: Option<Option<u64>>,
}

/// What the surroundings do in a cycle.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    block_valid: bool,
    take: bool,
}

/// Lists what has to be seen, from when blocks were offered and tiles taken.
fn model(program: &Program, rows: usize, cycles: &[Surroundings]) -> Vec<Seen> {
    let n = cycles.len();
    let mut seen = vec![Seen::default(); n];
    let first = |from: usize, condition: &dyn Fn(&Surroundings) -> bool| {
        (from..n).find(|t| condition(&cycles[*t])).unwrap_or(n)
    };
    // The cycles in which the tile before was begun and taken.
    let mut before: Option<(usize, usize)> = None;
    let mut weight_row = 0;
    for pass in program.passes() {
        let earliest = before.map_or(0, |(_, taken)| taken + 1);
        let start = if pass.first && pass.group == 0 {
            weight_row = 0;
            // The next block is looked at as soon as the last tile of this one is begun.
            let looking = before.map_or(0, |(start, _)| start);
            let offered = first(looking, &|cycle| cycle.block_valid);
            let start = earliest.max(offered + BLOCK);
            if let Some(seen) = seen.get_mut(start - 1) {
                seen.block_taken = true;
            }
            start
        } else {
            earliest
        };
        let ready = start + rows - 1;
        let taken = first(ready, &|cycle| cycle.take);
        let here = seen.iter_mut().enumerate().take(taken + 1).skip(start);
        for (row, (t, seen)) in here.enumerate() {
            let stream = &pass.layer.stream;
            let (tile, row) = (pass.tile, row as u64);
            let address = stream.weight_base + weight_row + if tile.diagonal { 0 } else { row };
            seen.load = row == 0;
            seen.ready = t >= ready;
            seen.offer = Some(Offer::of(pass));
            if row < rows as u64 {
                let pair = (tile.diagonal_column + row) % (1 << 5);
                let column = 2 * pair + (tile.mask >> row & 1);
                seen.weight_address = Some(address % (1 << 16));
                seen.column = Some(tile.diagonal.then_some(column));
            }
        }
        if taken >= n {
            break;
        }
        before = Some((start, taken));
        weight_row += match pass.tile {
            Tile { diagonal: false, .. } => rows as u64,
            Tile { keep_row, .. } => u64::from(!keep_row),
        };
    }
    seen
}

fn seen(block: &WeightLoader) -> Seen {
    let offer = block.tile_valid.val().then(|| Offer {
        tile: block.tile.val(),
        unit_first: block.unit_first.val(),
        group_first: block.group_first.val(),
        group_last: block.group_last.val(),
        block: block.tile_block.val(),
        stream: block.tile_stream.val(),
        drain: block.tile_drain.val(),
    });
    Seen {
        block_taken: block.block_taken.val(),
        load: block.load.val(),
        ready: block.tile_ready.val(),
        offer,
        weight_address: Some(block.weight_address.val().to_u64()),
        column: Some(
            block
                .diagonal
                .val()
                .then(|| 2 * block.position.val().to_u64() + u64::from(block.odd.val())),
        ),
    }
}

/// Runs the blocks of a program from reset on, for so many cycles, and compares every cycle with the model. Returns
/// the cycles in which tiles were taken.
fn check(
    bench: &mut Bench<WeightLoader>,
    rows: usize,
    program: &Program,
    (offers, takes): (&mut Stalls, &mut Stalls),
    n: usize,
) -> Result<Vec<usize>, TestCaseError> {
    let memory = program.tile_memory();
    let mut blocks = program
        .layers
        .iter()
        .flat_map(|layer| layer.blocks.iter().map(move |block| (layer, block)));
    let mut up = blocks.next();
    let (mut offer_in, mut take_in) = (offers.next(), takes.next());
    bench.set(|loader| loader.reset.next = true);
    bench.edge();
    let mut read = [u32::MAX; 2];
    let (mut cycles, mut states) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let block_valid = up.is_some() && offer_in == 0;
        bench.set(|loader| {
            loader.reset.next = false;
            loader.take.next = false;
            loader.block_valid.next = block_valid;
            if let Some((layer, block)) = up {
                loader.block.next = block.context();
                loader.stream.next = layer.stream.context();
                loader.drain.next = layer.drain.context();
            }
            loader.word_0.next = bits(read[0].into());
            loader.word_1.next = bits(read[1].into());
        });
        let ready = bench.block.tile_ready.val();
        let take = ready && take_in == 0;
        bench.set(|loader| loader.take.next = take);
        states.push(seen(&bench.block));
        cycles.push(Surroundings { block_valid, take });
        read = (memory.get(&bench.block.tile_address.val().to_u64()))
            .copied()
            .unwrap_or([u32::MAX; 2]);
        if bench.block.block_taken.val() {
            up = blocks.next();
            offer_in = offers.next();
        } else {
            offer_in = offer_in.saturating_sub(1);
        }
        if take {
            take_in = takes.next();
        } else if ready {
            take_in -= 1;
        }
        bench.edge();
    }
    for (t, (expected, mut seen)) in model(program, rows, &cycles).iter().zip(states).enumerate() {
        seen.weight_address = expected.weight_address.and(seen.weight_address);
        seen.column = seen.column.filter(|_| expected.column.is_some());
        prop_assert_eq!(&seen, expected, "cycle {}", t);
    }
    Ok((0..n).filter(|t| cycles[*t].take).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn offers_tiles_in_order_with_their_weights(
        array in prop::sample::select(&ARRAYS[..]), program in program(),
        mut offers in stalls(), mut takes in stalls(), before in 1..200usize,
    ) {
        let (config, name) = (config(array), sized("weight_loader", array));
        let rows = config.tile_rows();
        let mut bench = Bench::new(WeightLoader::new(&config), |loader| &mut loader.clock);
        let stalls = (&mut offers, &mut takes);
        // A reset begins anew, wherever it comes.
        check(&mut bench, rows, &program, (stalls.0, stalls.1), before)?;
        check(&mut bench, rows, &program, stalls, 700)?;
        bench.check_verilog(&name);
    }

    /// What the array needs in order not to idle: `tile_rows` cycles a tile, also from block to block.
    #[test]
    fn loads_without_a_gap_if_nothing_stalls(
        array in prop::sample::select(&ARRAYS[..]), program in program(),
    ) {
        let config = config(array);
        let rows = config.tile_rows();
        let mut bench = Bench::new(WeightLoader::new(&config), |loader| &mut loader.clock);
        let [mut offers, mut takes] = [(); 2].map(|()| Stalls { waits: vec![0], next: 0 });
        let n_tiles = program.passes().len();
        let n = BLOCK + rows * n_tiles;
        let taken = check(&mut bench, rows, &program, (&mut offers, &mut takes), n)?;
        let expected: Vec<usize> = (1..=n_tiles).map(|tile| BLOCK + tile * rows - 1).collect();
        prop_assert_eq!(taken, expected);
    }
}

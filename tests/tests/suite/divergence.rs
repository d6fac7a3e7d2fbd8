//! The first divergence of a program that was damaged on purpose, against the interpreter, which knows nothing of it.

use flow::cases::random_image;
use ndarray::Array3;
use sim::{Divergence, Machine, RunOptions, run_and_compare};
use spec::isa::Tile;
use spec::{ArrayConfig, LayerOutput, Memories, Program, QuantNetwork, TensorRef, run_reference};
use twofold_tests::interpreter::interpret;
use twofold_tests::sketch::Sketch;

use crate::support::{case, machine};

/// The first difference by the interpreter: layer, channel, pixel, expected and seen.
type Difference = (String, usize, [usize; 2], i64, i64);

fn first_difference(network: &QuantNetwork, program: &Program, image: &[i8]) -> Option<Difference> {
    let reference = run_reference(network, image).expect("the image fits");
    let execution = interpret(program, image).expect("the program breaks no rule");
    for (info, result) in program.layers.iter().zip(&execution.layers) {
        let Some(LayerOutput::Map(map)) = info.network_layer.map(|layer| &reference.layers[layer])
        else {
            continue;
        };
        let seen = result.output.clone().expect("the layer has a map");
        let seen = Array3::from_shape_vec(map.dim(), seen).expect("the shapes agree");
        let found = map.indexed_iter().find(|(index, expected)| seen[*index] != **expected);
        if let Some(((y, x, channel), expected)) = found {
            return Some((
                info.name.clone(),
                channel,
                [y, x],
                (*expected).into(),
                seen[[y, x, channel]].into(),
            ));
        }
    }
    let mut logits = reference.logits.values.iter().zip(&execution.logits).enumerate();
    let (channel, (expected, seen)) = logits.find(|(_, (expected, seen))| expected != seen)?;
    Some((program.layers.last()?.name.clone(), channel, [0, 0], (*expected).into(), (*seen).into()))
}

struct Toy {
    network: QuantNetwork,
    config: ArrayConfig,
    program: Program,
    machine: Machine,
}

impl Toy {
    fn new(name: &str) -> Self {
        let config = case(name).config().expect("the case has an array");
        Self::on(name, config)
    }

    /// With a mask for each so many columns.
    fn sectioned(name: &str, mask_columns: usize) -> Self {
        let config = case(name).config().expect("the case has an array");
        Self::on(name, config.with_mask_columns(mask_columns).expect("there are more columns"))
    }

    fn on(name: &str, config: ArrayConfig) -> Self {
        let case = case(name);
        let network = case.build();
        let program =
            codegen::compile(&network, &config, &case.options()).expect("the case compiles");
        let machine = machine(&config);
        Self { network, config, program, machine }
    }

    /// Runs the damaged program; what is found has to be what the interpreter finds.
    fn divergence(&mut self, image: &[i8]) -> Option<Divergence> {
        let expected = first_difference(&self.network, &self.program, image);
        self.machine.load(&self.program).expect("the program still fits");
        let checked =
            run_and_compare(&mut self.machine, &self.network, &[image], &RunOptions::default())
                .expect("the accelerator runs");
        let found = checked.divergences.into_iter().next().expect("one image was run");
        let values = found.as_ref().map(|found| {
            (found.layer.clone(), found.channel, found.pixel, found.expected, found.seen)
        });
        assert_eq!(values, expected);
        if let Some(found) = &found {
            let layer = self
                .program
                .layers
                .iter()
                .position(|layer| layer.name == found.layer)
                .expect("it is named");
            let results = &checked.run.images[0].layers;
            let before: u64 = results[..layer].iter().map(|layer| layer.counters.n_cycles).sum();
            let end = results[layer].written_at;
            assert!(
                (before..=end).contains(&found.cycle),
                "cycle {} of {before} to {end}",
                found.cycle
            );
            let text = found.to_string();
            let values = format!("expected {}, seen {}", found.expected, found.seen);
            assert!(
                text.contains(&values) && text.contains(&format!("layer {:?}", found.layer)),
                "{text}"
            );
        }
        found
    }

    /// Index of the layer's `nth` tile record.
    fn tile(&self, layer: usize, nth: usize) -> usize {
        self.program.layers[..layer].iter().map(|layer| layer.n_tiles).sum::<usize>() + nth
    }
}

#[test]
fn an_undamaged_program_diverges_nowhere() {
    for name in ["toy-uhp", "toy-dense", "toy-small-array"] {
        let mut toy = Toy::new(name);
        let image = random_image(&toy.network, 1);
        assert_eq!(toy.divergence(&image), None, "{name}");
    }
}

#[test]
fn a_wrong_bias_is_found_at_its_channel() {
    let mut toy = Toy::new("toy-uhp");
    let image = random_image(&toy.network, 2);
    let lanes = toy.config.lanes();
    for channel in [0, 3, 7] {
        let whole = toy.program.clone();
        // The first layer's parameters come first, `lanes` channels a row.
        toy.program.parameters[channel / lanes][channel % lanes].bias += 100_000;
        let found = toy.divergence(&image).unwrap();
        assert_eq!(
            (&found.layer, found.channel, found.pixel),
            (&toy.network.layers[0].name, channel, [0, 0])
        );
        assert_eq!(found.unit.unwrap().block, 0);
        assert_eq!(found.seen, 127);
        toy.program = whole;
    }
}

#[test]
fn a_wrong_weight_is_found_in_the_unit_of_its_tile() {
    for name in ["toy-uhp", "toy-small-array"] {
        let mut toy = Toy::new(name);
        let image = random_image(&toy.network, 3);
        let mut n_found = 0;
        for layer in 0..toy.program.layers.len() {
            let n_tiles = toy.program.layers[layer].n_tiles;
            for nth in [0, n_tiles.saturating_sub(1)] {
                let tile = toy.tile(layer, nth);
                // The row of a diagonal tile may be that of others, too.
                let record = toy.program.tiles.get(tile).map(Tile::decode);
                if n_tiles == 0 || record.is_none_or(|record| record.diagonal) {
                    continue;
                }
                let whole = toy.program.clone();
                let row = weight_row(&toy, tile);
                toy.program.weights[row].weights[1] ^= 0x7f;
                if let Some(found) = toy.divergence(&image) {
                    n_found += 1;
                    assert_eq!(found.layer, toy.program.layers[layer].name, "{name}, tile {tile}");
                    if let Some(unit) = found.unit {
                        assert!(
                            (unit.first_tile..=unit.last_tile).contains(&tile),
                            "{name}, tile {tile}: {unit:?}"
                        );
                        assert_eq!(unit.group, found.channel / toy.config.group_channels());
                        assert_eq!(
                            found.channel % toy.config.group_channels(),
                            1,
                            "the column of the weight"
                        );
                    }
                }
                toy.program = whole;
            }
        }
        assert!(n_found >= 6, "{name}: {n_found} damaged weights were seen");
    }
}

#[test]
fn a_wrong_mask_is_found_in_the_unit_of_its_tile() {
    let mut toy = Toy::new("toy-uhp");
    let image = random_image(&toy.network, 4);
    let layer = 1;
    let tile = toy.tile(layer, 2);
    let mut record = Tile::decode(&toy.program.tiles[tile]);
    record.mask ^= 0b11;
    toy.program.tiles[tile] = record.encode().unwrap();
    let found = toy.divergence(&image).unwrap();
    assert_eq!(found.layer, toy.program.layers[layer].name);
    let unit = found.unit.unwrap();
    assert!((unit.first_tile..=unit.last_tile).contains(&tile), "{unit:?}");
}

#[test]
fn a_wrong_crossing_is_found_behind_it_in_the_unit_of_its_tile() {
    let mut toy = Toy::sectioned("toy-uhp-free", 1);
    let image = random_image(&toy.network, 4);
    assert_eq!(toy.divergence(&image), None);
    let layer = 1;
    let tile = toy.tile(layer, 2);
    let row = weight_row(&toy, tile);
    toy.program.weights[row].crossings ^= 0b100;
    let found = toy.divergence(&image).unwrap();
    assert_eq!(found.layer, toy.program.layers[layer].name);
    assert!(found.channel % toy.config.group_channels() >= 3, "sections 3 and on: {found}");
    let unit = found.unit.unwrap();
    assert!((unit.first_tile..=unit.last_tile).contains(&tile), "{unit:?}");
}

#[test]
fn the_block_is_that_of_the_pixel() {
    let mut toy = Toy::new("toy-uhp");
    let input = &toy.network.input;
    let mut image = vec![0; input.n_bytes()];
    // All pixels are zero but those of the last corner, where alone a weight shows.
    let n = image.len();
    image[n - input.channels..].fill(100);
    let last_block = toy.program.layers[0].n_blocks - 1;
    assert!(last_block > 0, "the map is cut into blocks");
    let rows = ..toy.program.layers[0].n_tiles * toy.config.tile_rows();
    // Rows beyond the last channel hold zeros and stay so.
    let weights = toy.program.weights[rows].iter_mut().flat_map(|row| &mut row.weights);
    weights.filter(|weight| **weight != 0).for_each(|weight| *weight = weight.wrapping_add(90));
    let found = toy.divergence(&image).unwrap();
    assert_eq!(found.layer, toy.network.layers[0].name);
    assert_eq!(found.unit.unwrap().block, last_block, "{found}");
}

#[test]
fn what_a_copy_sends_is_compared_too() {
    let mut sketch = Sketch::new("joined", [4, 4, 3], 8);
    let first = sketch.conv(TensorRef::Input, 5, [1, 1], |_| {});
    let second = sketch.conv(TensorRef::Input, 6, [1, 1], |_| {});
    sketch.concat(&[first, second]);
    let network = sketch.finish_with(&[2]);
    let config = ArrayConfig::new(4, 4, Memories::default()).unwrap();
    let program = codegen::compile(&network, &config, &codegen::Options::default()).unwrap();
    let image = random_image(&network, 1);
    let mut machine = machine(&config);
    let mut divergence = |program: &Program| {
        machine.load(program).unwrap();
        let options = RunOptions::default();
        run_and_compare(&mut machine, &network, &[&image], &options).unwrap().divergences.remove(0)
    };
    assert_eq!(divergence(&program), None);

    // No layer of the network sends, but a copy whose parameters come last.
    let mut wrong = program.clone();
    wrong.parameters.last_mut().unwrap()[1].bias += 100_000;
    let found = divergence(&wrong).unwrap();
    let concat = network.layers[2].name.as_str();
    assert_eq!((found.layer.as_str(), found.bank, found.seen), (concat, None, 127));
    assert_eq!((found.channel, found.pixel), (9, [0, 0]), "the first one that is not 127 already");

    // A part is written behind other channels of a word.
    let mut wrong = program;
    let rows_of_first = 5usize.div_ceil(config.lanes());
    wrong.parameters[rows_of_first][2].bias += 100_000;
    let found = divergence(&wrong).unwrap();
    assert_eq!((found.layer.as_str(), found.channel), (network.layers[1].name.as_str(), 2));
    assert!(found.bank.is_some() && found.unit.is_some(), "{found}");
}

#[test]
fn the_first_of_several_layers_is_named() {
    let mut toy = Toy::new("toy-uhp");
    let image = random_image(&toy.network, 5);
    for row in &mut toy.program.parameters {
        row.iter_mut().for_each(|parameter| parameter.bias = 50_000);
    }
    assert_eq!(toy.divergence(&image).unwrap().layer, toy.network.layers[0].name);
}

/// The first weight row of a tile: those before it have `tile_rows` each, diagonal ones one or that of the next.
fn weight_row(toy: &Toy, tile: usize) -> usize {
    let before = toy.program.tiles[..tile].iter().map(Tile::decode);
    let n_rows = |tile: Tile| match (tile.diagonal, tile.keep_row) {
        (false, _) => toy.config.tile_rows(),
        (true, keep_row) => usize::from(!keep_row),
    };
    before.map(n_rows).sum()
}

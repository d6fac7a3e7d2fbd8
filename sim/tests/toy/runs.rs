//! Bits, counters, divergences and reports of runs.

use std::fs;

use ndarray::Array3;
use sim::{RunOptions, Tally, first_divergence};
use spec::{Inference, LayerOutput};
use twofold_sim as sim;

use crate::support::{
    LAYER_CYCLES, LOGIT_CYCLES, N_LOAD_CYCLES, alone, expected, image, machine, network, program,
};

#[test]
fn bits_and_counters_are_those_of_the_verilog() {
    let mut machine = machine(&program());
    let image = image(9);
    let output = machine.run(&[&image], &alone()).unwrap();
    let [result] = &output.images[..] else { panic!("one image") };
    assert_eq!(first_divergence(&mut machine, &image, result, &expected(&image)).unwrap(), None);

    assert_eq!(result.counters.n_cycles, 3 * LAYER_CYCLES + LOGIT_CYCLES);
    assert_eq!(result.counters.sum(), result.counters.n_cycles);
    assert_eq!(result.counters.lost.fetch, 4 * 2);
    // Register 10 is then 5 for the last layer and 1 for the lane table; an array has four PEs.
    assert_eq!(result.counters.n_useful_macs, 4 * (3 * 8 + 4) - 6);
    assert_eq!(result.n_load_cycles, N_LOAD_CYCLES);
    for (index, layer) in result.layers.iter().enumerate() {
        let own = if index < 3 { LAYER_CYCLES } else { LOGIT_CYCLES };
        assert_eq!(layer.counters.n_cycles, own);
        assert_eq!(layer.written_at, index as u64 * LAYER_CYCLES + own);
    }
}

#[test]
fn images_back_to_back_give_the_same_as_alone_in_fewer_cycles() {
    let mut machine = machine(&program());
    let images: Vec<_> = (0..5).map(image).collect();
    let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
    let mut single = Vec::new();
    for image in &images {
        single.extend(machine.run(&[image], &alone()).unwrap().images);
    }
    let one_by_one = machine.run(&images, &alone()).unwrap();
    let streamed = machine.run(&images, &RunOptions::default()).unwrap();
    assert!(
        streamed.n_cycles < one_by_one.n_cycles,
        "{} {}",
        streamed.n_cycles,
        one_by_one.n_cycles
    );
    for stall_seed in [0, 1, 77] {
        let output =
            machine.run(&images, &RunOptions { stall_seed, ..RunOptions::default() }).unwrap();
        for (single, result) in single.iter().zip(&output.images) {
            assert_eq!((&single.logits, &single.layers), (&result.logits, &result.layers));
        }
    }
}

#[test]
fn the_first_divergence_has_its_unit_and_its_cycle() {
    let mut machine = machine(&program());
    let image = image(1);
    let output = machine.run(&[&image], &alone()).unwrap();
    let mut reference = expected(&image);
    let LayerOutput::Map(map) = &mut reference.layers[1] else { panic!("a map") };
    let seen = map[[1, 2, 3]];
    map[[1, 2, 3]] = seen.wrapping_add(1);
    map[[1, 3, 0]] = map[[1, 3, 0]].wrapping_add(1);
    let divergence =
        first_divergence(&mut machine, &image, &output.images[0], &reference).unwrap().unwrap();
    // Word 6 of the second layer, in the second half: block 1. It is stored in the cycle after its read.
    let cycle = LAYER_CYCLES + 2 + 6 + 1;
    let text = format!(
        "layer \"add1\", channel 3, pixel (1, 2), bank 2, block 1, group 1, tiles 6 to 6, cycle {cycle}: expected {}, seen {seen}",
        seen.wrapping_add(1)
    );
    // Channel 3 is in group 1 (two channels a group), whose tiles do not exist: only one group was encoded.
    assert_eq!(divergence.to_string(), text.replace(", block 1, group 1, tiles 6 to 6", ""));

    map_of(&mut reference, 1)[[1, 2, 3]] = seen;
    let divergence =
        first_divergence(&mut machine, &image, &output.images[0], &reference).unwrap().unwrap();
    assert!(
        divergence.to_string().starts_with(
            "layer \"add1\", channel 0, pixel (1, 3), bank 2, block 1, group 0, tiles 2 to 5,"
        ),
        "{divergence}"
    );
}

fn map_of(reference: &mut Inference, layer: usize) -> &mut Array3<i8> {
    let LayerOutput::Map(map) = &mut reference.layers[layer] else { panic!("a map") };
    map
}

#[test]
fn a_tally_makes_a_report_that_survives_json() {
    let program = program();
    let mut machine = machine(&program);
    let images: Vec<_> = (0..4).map(image).collect();
    let mut tallies = Vec::new();
    for (half, images) in images.chunks(2).enumerate() {
        let mut tally = Tally::default();
        let images: Vec<_> = images.iter().map(Vec::as_slice).collect();
        let run = machine.run(&images, &RunOptions::default()).unwrap();
        tally.add_run(&run);
        for (index, (image, result)) in images.iter().zip(&run.images).enumerate() {
            let class = expected(image).logits.class;
            let divergence =
                first_divergence(&mut machine, image, result, &expected(image)).unwrap();
            let label = if half == 0 { class } else { class + 1 };
            tally.add_image(2 * half + index, result, class, Some(label), divergence);
        }
        tallies.push(tally);
    }
    let tally = tallies.pop().unwrap().merge(tallies.pop().unwrap());
    let network = network();
    let input = sim::ReportInput {
        network: &network,
        program: &program,
        data: "toys".to_owned(),
        n_trained_images: Some(1),
        clock_mhz: 50.0,
        dense: None,
    };
    let report = tally.report(&input).unwrap();
    assert!(report.bit_exact && report.same_cycles_for_all_images);
    assert_eq!(
        (report.n_images, report.accuracy_rtl, report.accuracy_reference),
        (4, Some(0.5), Some(0.5))
    );
    let lost: u64 = report.lost_cycles.by_cause().iter().map(|(_, n_cycles)| n_cycles).sum();
    assert_eq!(lost, 8);
    assert_eq!(
        report.layers.iter().map(|layer| layer.n_cycles).sum::<u64>(),
        report.schedule.n_compute_cycles_per_image
    );
    let schedule = report.schedule;
    assert_eq!(schedule.n_compute_cycles_per_image, 3 * LAYER_CYCLES + LOGIT_CYCLES);
    assert_eq!(schedule.n_load_cycles_per_image, N_LOAD_CYCLES);
    let between = schedule.n_cycles_between_images.unwrap();
    assert_eq!(report.images_per_second, Some(50e6 / between as f64));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, report.to_json()).unwrap();
    assert_eq!(sim::Report::read(&path).unwrap(), report);
    fs::write(&path, report.to_json().replace("\"format_version\": 3", "\"format_version\": 1"))
        .unwrap();
    let error = sim::Report::read(&path).unwrap_err().to_string();
    assert!(error.ends_with("report version 1 is not 3; help: run `twofold sim` again"), "{error}");
}

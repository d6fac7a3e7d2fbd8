//! The library as whoever embeds it uses it: a network and images in memory, nothing on stderr, typed results.

use spec::{Pattern, run_reference};
use twofold_flow::cases::{Shortcut, Topology, random_image};
use twofold_flow::report::CheckReport;
use twofold_flow::{
    ArraySizes, CheckOptions, CompileOptions, FlowError, ImageChoice, Log, NetworkChoice,
    RunOptions, WorkloadOptions, check, compile, rom_bytes, run,
};

#[test]
fn a_network_in_memory_is_checked_compiled_and_run() {
    let tiny = Topology::Tiny.network(Pattern::UhpShared, 2, Shortcut::Identity, 1);
    let images: Vec<_> = (0..3).map(|seed| random_image(&tiny, seed)).collect();
    let expected: Vec<_> = images
        .iter()
        .map(|image| run_reference(&tiny, image).expect("the image has the right size").logits)
        .collect();
    let network = NetworkChoice::Given(Box::new(tiny));
    let array = ArraySizes { rows: Some(2), cols: Some(2), ..ArraySizes::default() };

    let options =
        CheckOptions { network: network.clone(), array, fit: true, ..CheckOptions::default() };
    let report = check(&options).expect("the network is valid");
    assert!(report.fits, "{:?}", report.problems);
    let program = compile(&CompileOptions {
        network: network.clone(),
        array,
        fit: true,
        ..CompileOptions::default()
    })
    .expect("it fits");
    let digits = |name: &str| {
        let files = program.to_files();
        let (_, text) = files.iter().find(|(file, _)| *file == name).expect("it is a ROM");
        text.bytes().filter(u8::is_ascii_hexdigit).count() as u64
    };
    let roms = ["program.hex", "tile.hex", "weight.hex", "parameter.hex", "lane.hex"];
    assert_eq!(2 * rom_bytes(&program), roms.into_iter().map(digits).sum::<u64>());

    let workload =
        WorkloadOptions { network, images: ImageChoice::Given(images), array, fit: true };
    let options = RunOptions { workload, log: Log::Silent, ..RunOptions::default() };
    let result = run(&options).expect("the tools are set up");
    assert_eq!(result.failure(), None);
    assert_eq!(result.logits, expected);
    assert!(result.report.bit_exact && result.report.n_images == 3);
    assert!(result.report.schedule.n_cycles_between_images.is_some());

    let fewer = run(&RunOptions { n_images: Some(1), ..options }).expect("one image is enough");
    assert_eq!(fewer.logits, expected[..1]);
    assert_eq!(fewer.report.schedule.n_cycles_between_images, None);
}

#[test]
fn what_cannot_be_done_is_a_variant_with_its_facts() {
    let network = NetworkChoice::Case("tiny-uhp".to_owned());
    let images = ImageChoice::Given(vec![vec![0; 5]]);
    let workload = WorkloadOptions { network, images, ..WorkloadOptions::default() };
    let error = run(&RunOptions { workload, log: Log::Silent, ..RunOptions::default() });
    let error = error.expect_err("an image of five bytes is none of this network's");
    assert!(error.to_string().contains("image 0: 5 bytes"), "{error}");

    let large = NetworkChoice::Case("resnet20-uhp".to_owned());
    let array = ArraySizes { rows: Some(2), cols: Some(2), ..ArraySizes::default() };
    let options = CompileOptions { network: large, array, ..CompileOptions::default() };
    match compile(&options) {
        Err(FlowError::DoesNotRun { network, rows: 2, cols: 2, reason }) => {
            assert_eq!(network, "resnet20-uhp");
            assert!(reason.problems.len() > 1, "{reason}");
        }
        other => panic!("{other:?}"),
    }

    let options = CheckOptions {
        network: NetworkChoice::Path("no-such-folder".into()),
        ..CheckOptions::default()
    };
    let error = check(&options).expect_err("it is not there");
    let report = CheckReport::unreadable(&options, &error).expect("the default array is valid");
    assert!(!report.fits && report.problems == [error.to_string()]);
}

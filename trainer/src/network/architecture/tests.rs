//! Shapes, published sizes, and definitions that break a rule.

use super::*;
use crate::network::model::Model;

const CHIP: Shape = Shape { height: 64, width: 64, channels: 1 };
const COLOR: Shape = Shape { height: 32, width: 32, channels: 3 };

/// Side and channels of what each layer gives.
fn outputs(name: &str, image: Shape) -> Vec<(usize, usize)> {
    let flow = Architecture::named(name).unwrap().flow(image, 10).unwrap();
    flow.outputs.iter().map(|shape| (shape.height, shape.channels)).collect()
}

#[test]
fn shapes_follow_kernels_and_pools() {
    let chips: [(&str, &[(usize, usize)]); 6] = [
        ("a-convnet", &[(30, 16), (13, 32), (4, 64), (2, 128), (2, 128), (1, 10)]),
        ("linear", &[(1, 10)]),
        ("s2d", &[(16, 32), (8, 32), (8, 64), (4, 64), (4, 64), (1, 64), (1, 10)]),
        ("s2d_narrow", &[(16, 16), (8, 32), (8, 32), (4, 64), (4, 64), (1, 64), (1, 10)]),
        ("s2d_s", &[(8, 16), (4, 32), (4, 32), (1, 32), (1, 10)]),
        ("s2d_s_narrow", &[(7, 16), (2, 16), (2, 32), (1, 32), (1, 10)]),
    ];
    let color: [(&str, &[(usize, usize)]); 4] = [
        ("wide", &[(16, 32), (8, 32), (8, 64), (4, 64), (4, 128), (1, 128), (1, 10)]),
        ("narrow", &[(16, 16), (8, 32), (8, 32), (4, 64), (4, 80), (1, 80), (1, 10)]),
        ("wide2x", &[(16, 64), (8, 64), (8, 128), (4, 128), (4, 256), (1, 256), (1, 10)]),
        ("vgg8", &[(16, 64), (8, 128), (4, 256), (4, 512), (4, 512), (1, 512), (1, 10)]),
    ];
    for (name, expected) in chips {
        assert_eq!(outputs(name, CHIP), expected, "{name}");
    }
    for (name, expected) in color {
        assert_eq!(outputs(name, COLOR), expected, "{name}");
    }
    let mut residual = outputs("resnet20", COLOR);
    residual.dedup();
    assert_eq!(residual, [(32, 16), (16, 32), (8, 64), (1, 64), (1, 10)]);
    let mut wide_residual = outputs("wrn-16-2", COLOR);
    wide_residual.dedup();
    // The batch-norm in front of a stage still has the shape of the stage before.
    assert_eq!(wide_residual, [(32, 16), (32, 32), (16, 64), (8, 128), (1, 128), (1, 10)]);
}

#[test]
fn blocks_stand_for_the_layers_of_the_paper() {
    let names = |name: &str, image: Shape| {
        let architecture = Architecture::named(name).unwrap();
        let flow = architecture.flow(image, 10).unwrap();
        let layers: Vec<_> = architecture.layers.iter().map(|l| l.name.clone()).collect();
        (layers, flow.residual_strides)
    };
    let (layers, strides) = names("resnet20", COLOR);
    assert_eq!(layers.len(), 1 + 18 + 2);
    assert_eq!(&layers[7..9], ["stage2.1.conv1", "stage2.1.conv2"]);
    assert_eq!((strides[6], strides[8], strides[10]), (1, 2, 1));
    let (layers, strides) = names("wrn-16-2", COLOR);
    let first = ["conv1", "stage1.1.norm", "stage1.1.conv1", "stage1.1.shortcut", "stage1.1.conv2"];
    assert_eq!(&layers[..5], first);
    assert_eq!(&layers[5..8], ["stage1.2.norm", "stage1.2.conv1", "stage1.2.conv2"]);
    assert!(strides.iter().all(|&stride| stride == 1), "projections take the steps");
}

/// Of published implementations; ours lack the few biases that batch-norm makes idle, and WRN has some more.
#[test]
fn sizes_are_the_published_ones() {
    let size = |name: &str, n_classes: usize| {
        let architecture = Architecture::named(name).unwrap();
        let model =
            Model::new(architecture, COLOR, 1.0 / 127.0, n_classes, 1, tch::Device::Cpu).unwrap();
        (model.n_parameters() as f64, model.n_macs() as f64)
    };
    let cases = [
        ("resnet20", 10, 269_722.0, 40.55e6),
        ("resnet32", 10, 464_154.0, 68.9e6),
        ("resnet56", 10, 853_018.0, 125.5e6),
        ("wrn-16-2", 100, 703_284.0, 101.1e6),
        ("wrn-40-2", 100, 2_255_156.0, 328.0e6),
        ("vgg8", 100, 3_965_028.0, 96.2e6),
        ("vgg13", 100, 9_462_180.0, 285.0e6),
    ];
    for (name, n_classes, n_parameters, n_macs) in cases {
        let (parameters, macs) = size(name, n_classes);
        assert!((parameters / n_parameters - 1.0).abs() < 1.5e-3, "{name}: {parameters}");
        assert!((macs / n_macs - 1.0).abs() < 5e-3, "{name}: {macs} multiply-accumulates");
    }
    assert_eq!(size("resnet20", 10), (269_722.0, 40_551_040.0));
}

#[test]
fn weights_to_prune_leave_batch_norm_out() {
    let architecture = Architecture::named("wrn-16-2").unwrap();
    let flow = architecture.flow(COLOR, 10).unwrap();
    let taps: Vec<_> =
        architecture.layers.iter().zip(&flow.inputs).map(|(l, i)| l.n_weight_taps(*i)).collect();
    assert_eq!(taps[..5], [Some(9), None, Some(9), Some(1), Some(9)]);
    assert_eq!(taps[taps.len() - 3..], [None, None, Some(1)]);
}

#[test]
fn an_input_and_a_residual_by_name() {
    let text = r#"
        name = "branches"
        layers = [
            { op = "conv", name = "stem", channels = 8, kernel = 3, padding = 1, relu = false, norm = false },
            { op = "basic_blocks", name = "blocks", blocks = 2, channels = 16, stride = 2, projection = true },
            { op = "conv", name = "side", input = "stem", channels = 16, kernel = 1, stride = 2, residual = "blocks" },
            { op = "conv", name = "join", channels = 16, kernel = 1, residual = "input", max_pool = true },
            { op = "fully_connected", name = "fc" },
        ]"#;
    let architecture = Architecture::parse(text).unwrap();
    let layer = |name: &str| architecture.layers.iter().position(|l| l.name == name).unwrap();
    let side = &architecture.layers[layer("side")];
    assert_eq!(side.input, TensorRef::Layer(0));
    assert_eq!(side.residual(), Some(TensorRef::Layer(layer("blocks.2.conv2"))));
    let first = &architecture.layers[layer("blocks.1.conv2")];
    assert_eq!(first.residual(), Some(TensorRef::Layer(layer("blocks.1.shortcut"))));
    assert!(architecture.layers.iter().all(|l| l.name != "blocks.2.shortcut"));
    let flow = architecture.flow(Shape { height: 13, width: 10, channels: 3 }, 10).unwrap();
    assert_eq!(flow.residual_strides[layer("join")], 2);
    assert_eq!(flow.outputs[layer("join")], Shape { height: 3, width: 2, channels: 16 });
    assert_eq!(flow.sums[layer("join")], Shape { height: 7, width: 5, channels: 16 });
}

#[test]
fn mistakes_are_named() {
    let conv =
        |rest: &str| format!("{{ op = 'conv', name = 'c', kernel = 3, padding = 1, {rest} }}");
    let (plain, fc) = (conv("channels = 4"), "{ op = 'fully_connected', name = 'fc' }".to_owned());
    let pool = |name: &str| format!("{{ op = 'global_average_pool', name = '{name}' }}");
    let blocks =
        |rest: &str| format!("{{ op = 'basic_blocks', name = 'b', channels = 8, {rest} }}");
    let cases: [(&[String], &str); 20] = [
        (&[], "there are no layers"),
        (std::slice::from_ref(&plain), "the last layer has to be `fully_connected`"),
        (&[fc.clone(), fc.clone()], "two layers are called `fc`"),
        (&[fc.clone(), pool("p")], "the last layer has to be"),
        (
            &[fc.clone(), "{ op = 'fully_connected', name = 'two' }".to_owned()],
            "layer `fc`: `fully_connected` gives the logits",
        ),
        (&[plain.clone(), plain.clone(), fc.clone()], "two layers are called `c`"),
        (&[conv("channels = 0"), fc.clone()], "layer `c` has no channels"),
        (
            &[conv("channels = 65536"), fc.clone()],
            "layer `c` has 65536 channels; there can be 65535",
        ),
        (&[conv("channels = 4, stride = 5"), fc.clone()], "layer `c`: stride 5 is not 1 to 4"),
        (&[conv("channels = 4, input = 'x'"), fc.clone()], "layer `c`: input `x` is not"),
        (&[conv("channels = 4, input = 'fc'"), fc.clone()], "layer `c`: input `fc` is not"),
        (&[conv("channels = 4, residual = 'c'"), fc.clone()], "layer `c`: residual `c` is not"),
        (&[conv("channels = 4, color = 1"), fc.clone()], "unknown field `color`"),
        (&[plain.replace("conv", "deconv"), fc.clone()], "unknown variant `deconv`"),
        (&[plain.replace("'c'", "'input'"), fc.clone()], "layer `input`: a name has"),
        (&[plain.replace("'c'", "'a.norm'"), fc.clone()], "layer `a.norm`: a name has"),
        (&[blocks("blocks = 0"), fc.clone()], "layer `b` has no blocks"),
        (&[blocks("blocks = 1000000000"), fc.clone()], "layer `b` has 1000000000 blocks"),
        (
            &["{ op = 'dropout', name = 'd', rate = 1.0 }".to_owned(), fc.clone()],
            "layer `d`: rate 1",
        ),
        (
            &[plain.clone(), pool("p").replace(" }", ", input = 'input' }"), fc.clone()],
            "layer `c` is read by no later layer",
        ),
    ];
    for (layers, expected) in cases {
        let text = format!("name = 'x'\nlayers = [{}]", layers.join(", "));
        let message = format!("{:#}", Architecture::parse(&text).unwrap_err());
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    let message = format!("{:#}", Architecture::named("vgg").unwrap_err());
    assert!(message.contains("no network is called `vgg`"), "{message}");
}

#[test]
fn maps_that_do_not_fit_are_named() {
    let conv = |name: &str, rest: &str| {
        format!("{{ op = 'conv', name = '{name}', kernel = 3, padding = 1, {rest} }}")
    };
    let cases = [
        (
            [conv("a", "channels = 8"), conv("b", "channels = 4, residual = 'a'")],
            "layer `b`: its residual has 8 channels, more than its own 4",
        ),
        (
            [
                conv("a", "channels = 4, stride = 2"),
                conv("b", "channels = 4, input = 'input', residual = 'a'"),
            ],
            "layer `b`: its residual of 8x8 does not become 16x16",
        ),
        (
            [
                conv("a", "channels = 4, stride = 4, max_pool = true"),
                conv("b", "channels = 4, residual = 'input', stride = 3"),
            ],
            "layer `b`: its residual of 16x16 does not become 1x1",
        ),
        (
            [
                conv("a", "channels = 4, stride = 4"),
                conv("b", "channels = 4, stride = 4, max_pool = true"),
            ],
            "layer `b`: 1x1 is too small for a 2x2 max-pool",
        ),
    ];
    for (layers, expected) in cases {
        let text = format!(
            "name = 'x'\nlayers = [{}, {{ op = 'fully_connected', name = 'fc' }}]",
            layers.join(", ")
        );
        let architecture = Architecture::parse(&text).unwrap();
        let image = Shape { height: 16, width: 16, channels: 3 };
        let message = format!("{:#}", architecture.flow(image, 10).unwrap_err());
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    let small = Architecture::named("a-convnet").unwrap();
    let small = small.flow(Shape { height: 8, width: 8, channels: 1 }, 10).unwrap_err();
    assert!(
        small.to_string().contains("layer `conv2` is too large for its input of 2x2"),
        "{small}"
    );
    let odd = Architecture::named("s2d").unwrap();
    let odd = odd.flow(Shape { height: 62, width: 64, channels: 1 }, 10).unwrap_err();
    assert!(odd.to_string().contains("do not divide into blocks of 4x4"), "{odd}");
}

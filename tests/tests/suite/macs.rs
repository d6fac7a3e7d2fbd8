//! What the report calls useful MACs and real pixels, counted one multiplication at a time.
//!
//! Nothing of the count is taken from the program: maps are walked pixel by pixel, patterns are spelled out again.

use flow::cases::{Case, Size, random_network};
use spec::{Conv, Op, Pattern, QuantNetwork, Shape, TensorRef};

use crate::support::{Checkout, array, case, root};

/// Useful MACs of a layer, and those of them that meet a pixel.
fn count(network: &QuantNetwork, index: usize) -> (u64, u64) {
    let layer = &network.layers[index];
    let map = shape(network, layer.input);
    let (weight, sparsity, stride, dilation, padding, pool) = match &layer.op {
        Op::Conv(conv) => {
            let Conv { weight, sparsity, stride, dilation, padding, max_pool, .. } = conv;
            (weight, *sparsity, *stride, *dilation, *padding, *max_pool)
        }
        Op::FullyConnected(fc) => (&fc.weight, fc.sparsity, [1; 2], [1; 2], [0; 4], false),
        _ => return (0, 0),
    };
    let (n_outputs, kernel_height, kernel_width, n_inputs) = weight.dim();
    let kept = |output: usize, ky: usize, kx: usize, channel: usize| {
        let at = |output: usize, channel: usize| weight[[output, ky, kx, channel]];
        let (even, odd) = (channel / 2 * 2, channel / 2 * 2 + 1);
        let odd_is_used = |mut outputs: std::ops::Range<usize>| {
            outputs.any(|output| odd < n_inputs && at(output, odd) != 0)
        };
        match sparsity.pattern {
            Pattern::Dense => true,
            Pattern::Unstructured => at(output, channel) != 0,
            Pattern::UhpFixed => (channel / 2 + ky * kernel_width + kx) % 2 == channel - even,
            Pattern::UhpFree => odd_is_used(output..output + 1) == (channel == odd),
            Pattern::UhpShared => {
                let first = output - output % sparsity.group;
                let end = n_outputs.min(first + sparsity.group);
                odd_is_used(first..end) == (channel == odd)
            }
        }
    };
    // The map with its padding, `true` where there is a pixel.
    let [top, bottom, left, right] = padding;
    let mut padded = vec![vec![false; left + map.width + right]; top + map.height + bottom];
    for y in 0..map.height {
        for x in 0..map.width {
            padded[top + y][left + x] = true;
        }
    }
    let n_rows = n_positions(padded.len(), kernel_height, stride[0], dilation[0]);
    let n_cols = n_positions(padded[0].len(), kernel_width, stride[1], dilation[1]);
    let (n_rows, n_cols) = if pool { (n_rows / 2 * 2, n_cols / 2 * 2) } else { (n_rows, n_cols) };
    let (mut n_useful, mut n_real) = (0, 0);
    for output in 0..n_outputs {
        for (y, x) in (0..n_rows).flat_map(|y| (0..n_cols).map(move |x| (y, x))) {
            for (ky, kx) in
                (0..kernel_height).flat_map(|ky| (0..kernel_width).map(move |kx| (ky, kx)))
            {
                let n_kept =
                    (0..n_inputs).filter(|channel| kept(output, ky, kx, *channel)).count() as u64;
                n_useful += n_kept;
                let at = (y * stride[0] + ky * dilation[0], x * stride[1] + kx * dilation[1]);
                n_real += if padded[at.0][at.1] { n_kept } else { 0 };
            }
        }
    }
    (n_useful, n_real)
}

/// Positions of a kernel along `n` pixels.
fn n_positions(n: usize, kernel: usize, stride: usize, dilation: usize) -> usize {
    (0..n).filter(|at| at % stride == 0 && at + (kernel - 1) * dilation < n).count()
}

/// Not `QuantNetwork::shape`, which the count under test uses.
fn shape(network: &QuantNetwork, tensor: TensorRef) -> Shape {
    let TensorRef::Layer(index) = tensor else {
        let input = &network.input;
        let block = input.space_to_depth;
        let (height, width) = (input.height / block, input.width / block);
        return Shape { height, width, channels: input.channels * block * block };
    };
    let layer = &network.layers[index];
    let map = shape(network, layer.input);
    match &layer.op {
        Op::Conv(conv) => {
            let (channels, kernel_height, kernel_width, _) = conv.weight.dim();
            let [top, bottom, left, right] = conv.padding;
            let side = |axis: usize, n: usize, kernel: usize| {
                let n = n_positions(n, kernel, conv.stride[axis], conv.dilation[axis]);
                if conv.max_pool { n / 2 } else { n }
            };
            Shape {
                height: side(0, map.height + top + bottom, kernel_height),
                width: side(1, map.width + left + right, kernel_width),
                channels,
            }
        }
        Op::AveragePool(window) | Op::MaxPool(window) => {
            let ([top, bottom, left, right], [kernel_height, kernel_width]) =
                (window.padding, window.kernel);
            Shape {
                height: n_positions(map.height + top + bottom, kernel_height, window.stride[0], 1),
                width: n_positions(map.width + left + right, kernel_width, window.stride[1], 1),
                channels: map.channels,
            }
        }
        Op::Add(_) | Op::Requantize => map,
        Op::Concat(others) => {
            let n_others =
                others.iter().map(|other| shape(network, *other).channels).sum::<usize>();
            Shape { channels: map.channels + n_others, ..map }
        }
        Op::GlobalAveragePool => Shape { height: 1, width: 1, channels: map.channels },
        Op::FullyConnected(fc) => Shape { height: 1, width: 1, channels: fc.weight.dim().0 },
    }
}

#[test]
fn the_report_gives_the_share_of_useful_macs_that_meet_real_pixels() {
    for name in ["toy-uhp", "toy-unstructured", "toy-uhp-free", "tiny-dense"] {
        let network = case(name).build();
        let text =
            Checkout::new().run(&["sim", "--case", name, "--images", "1", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let layers = report["layers"].as_array().unwrap();
        assert_eq!(layers.len(), network.layers.len());
        let share = |value: &serde_json::Value, (n_useful, n_real): (u64, u64)| {
            let seen = value["real_pixel_share"].as_f64();
            let expected = (n_useful > 0).then(|| n_real as f64 / n_useful as f64);
            assert_eq!(seen, expected, "{name}: {n_real} of {n_useful}, {value}");
        };
        let (mut n_useful, mut n_real) = (0, 0);
        for (index, layer) in layers.iter().enumerate() {
            let counted = count(&network, index);
            assert_eq!(layer["n_useful_macs"], counted.0, "{name}: {layer}");
            share(layer, counted);
            n_useful += counted.0;
            n_real += counted.1;
        }
        assert_eq!(report["n_useful_macs_per_image"], n_useful);
        assert!(n_real < n_useful, "{name} has padding");
        share(&report, (n_useful, n_real));
    }
}

#[test]
fn macs_are_those_of_a_count_one_by_one() {
    let folder = root().join("tests/cases");
    let of_cases =
        Case::names(&folder).unwrap().into_iter().filter(|name| !name.starts_with("resnet20"));
    let mut networks: Vec<_> = of_cases.map(|name| case(&name).build()).collect();
    let size = Size { n_layers: 5, side: 13, channels: 12 };
    networks.extend((0..60).map(|seed| random_network(seed, size, &array(3, 5))));
    let mut n_padded = 0;
    for network in networks {
        for index in 0..network.layers.len() {
            let macs = network.macs(index);
            let (n_useful, n_real) = count(&network, index);
            let place = format!("{}, {}", network.name, network.layers[index].name);
            assert_eq!((macs.n_useful, macs.n_real_pixel), (n_useful, n_real), "{place}");
            n_padded += usize::from(n_real < n_useful);
        }
    }
    assert!(n_padded > 30, "{n_padded} layers have padding");
}

//! Executes a model as the operators' definitions say, one image at a time: those that the writer uses, on binary64 and int64
//! numbers. It knows nothing of networks.

use std::collections::HashMap;

use super::super::proto::{Graph, Node, Tensor, data_type};

/// Numbers of a type.
#[derive(Clone, Debug)]
enum Numbers {
    Ints(Vec<i64>),
    Reals(Vec<f64>),
}

#[derive(Clone, Debug)]
struct Array {
    dims: Vec<usize>,
    numbers: Numbers,
}

impl Array {
    fn ints(&self) -> &[i64] {
        match &self.numbers {
            Numbers::Ints(ints) => ints,
            Numbers::Reals(_) => panic!("integers are needed"),
        }
    }

    fn load(tensor: &Tensor) -> Self {
        let dims = tensor.dims.iter().map(|dim| *dim as usize).collect();
        let raw = &tensor.raw_data;
        let numbers = match tensor.data_type {
            data_type::INT8 => {
                Numbers::Ints(raw.iter().map(|byte| i64::from(*byte as i8)).collect())
            }
            data_type::INT32 => {
                let (values, _) = raw.as_chunks();
                Numbers::Ints(
                    values.iter().map(|value| i32::from_le_bytes(*value).into()).collect(),
                )
            }
            data_type::INT64 => {
                let (values, _) = raw.as_chunks();
                Numbers::Ints(values.iter().map(|value| i64::from_le_bytes(*value)).collect())
            }
            data_type::DOUBLE => {
                let (values, _) = raw.as_chunks();
                Numbers::Reals(values.iter().map(|value| f64::from_le_bytes(*value)).collect())
            }
            other => panic!("no constants of {}", data_type::name(other)),
        };
        Self { dims, numbers }
    }

    /// With the numbers at these indices of the old ones; `None` where there is none, which is 0.
    fn picked(&self, dims: Vec<usize>, at: impl Fn(&[usize]) -> Option<usize>) -> Self {
        let indices: Vec<Option<usize>> = positions(&dims).map(|position| at(&position)).collect();
        let numbers = match &self.numbers {
            Numbers::Ints(ints) => {
                Numbers::Ints(indices.iter().map(|at| at.map_or(0, |at| ints[at])).collect())
            }
            Numbers::Reals(reals) => {
                Numbers::Reals(indices.iter().map(|at| at.map_or(0.0, |at| reals[at])).collect())
            }
        };
        Self { dims, numbers }
    }

    fn index(&self, position: &[usize]) -> usize {
        position.iter().zip(&self.dims).fold(0, |index, (at, size)| index * size + at)
    }

    /// Where an element of a larger array is found in this one, whose axes of 1 are repeated.
    fn repeated(&self, position: &[usize]) -> usize {
        let start = position.len() - self.dims.len();
        let own: Vec<usize> = position[start..]
            .iter()
            .zip(&self.dims)
            .map(|(at, size)| if *size == 1 { 0 } else { *at })
            .collect();
        self.index(&own)
    }
}

/// All positions of an array, the last axis fastest.
fn positions(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let dims = dims.to_vec();
    (0..dims.iter().product()).map(move |mut index: usize| {
        let mut position = vec![0; dims.len()];
        for (at, size) in position.iter_mut().zip(&dims).rev() {
            *at = index % size;
            index /= size;
        }
        position
    })
}

/// The outputs of a model for one image, one after the other.
pub(super) fn evaluate(graph: &Graph, image: &[i8]) -> Vec<i16> {
    let mut arrays: HashMap<&str, Array> =
        graph.initializer.iter().map(|tensor| (&tensor.name[..], Array::load(tensor))).collect();
    let input = &graph.input[0];
    let r#type = input.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref());
    let shape = r#type.and_then(|r#type| r#type.shape.as_ref()).expect("the input has a shape");
    let dims = shape.dim.iter().map(|dim| dim.dim_value.unwrap_or(1) as usize).collect();
    let numbers = Numbers::Ints(image.iter().map(|byte| i64::from(*byte)).collect());
    arrays.insert(&input.name, Array { dims, numbers });
    for node in &graph.node {
        let inputs: Vec<&Array> = node.input.iter().map(|name| &arrays[&name[..]]).collect();
        let output = compute(node, &inputs);
        assert!(arrays.insert(&node.output[0], output).is_none(), "a name is given once");
    }
    let values = graph.output.iter().flat_map(|output| arrays[&output.name[..]].ints().to_vec());
    values.map(|value| i16::try_from(value).expect("an output has 16 bits")).collect()
}

fn compute(node: &Node, inputs: &[&Array]) -> Array {
    let attribute = |name: &str| node.attribute.iter().find(|found| found.name == name);
    let list = |name: &str, default: &[usize]| {
        let found =
            attribute(name).map(|found| found.ints.iter().map(|int| *int as usize).collect());
        found.unwrap_or_else(|| default.to_vec())
    };
    let sizes = |index: usize| -> Vec<i64> { inputs[index].ints().to_vec() };
    let x = inputs[0];
    match node.op_type.as_str() {
        "Transpose" => {
            let order = list("perm", &[]);
            let dims = order.iter().map(|axis| x.dims[*axis]).collect();
            x.picked(dims, |position| {
                let mut source = vec![0; position.len()];
                order.iter().zip(position).for_each(|(axis, at)| source[*axis] = *at);
                Some(x.index(&source))
            })
        }
        "Reshape" => {
            let n: usize = x.dims.iter().product();
            let known: usize =
                sizes(1).iter().filter(|size| **size > 0).map(|size| *size as usize).product();
            let size = |size: i64| if size < 0 { n / known } else { size as usize };
            Array { dims: sizes(1).into_iter().map(size).collect(), numbers: x.numbers.clone() }
        }
        "Flatten" => {
            let rest = x.dims[1..].iter().product();
            Array { dims: vec![x.dims[0], rest], numbers: x.numbers.clone() }
        }
        "Unsqueeze" => {
            let dims = [&x.dims[..], &[1, 1]].concat();
            assert_eq!(sizes(1), [2, 3]);
            Array { dims, numbers: x.numbers.clone() }
        }
        "Slice" => {
            assert_eq!(sizes(3), [1, 2, 3]);
            let (ends, steps) = (sizes(2), sizes(4));
            let dims = [x.dims[0]].into_iter().chain((0..3).map(|axis| {
                let end = (ends[axis] as usize).min(x.dims[axis + 1]);
                end.div_ceil(steps[axis] as usize)
            }));
            x.picked(dims.collect(), |position| {
                let source = [position[0]].into_iter();
                let source =
                    source.chain((0..3).map(|axis| position[axis + 1] * steps[axis] as usize));
                Some(x.index(&source.collect::<Vec<_>>()))
            })
        }
        "Pad" => {
            let n_more = sizes(1)[5] as usize;
            let dims = vec![x.dims[0], x.dims[1] + n_more, x.dims[2], x.dims[3]];
            x.picked(dims, |position| (position[1] < x.dims[1]).then(|| x.index(position)))
        }
        "Concat" => {
            let mut parts =
                inputs.iter().flat_map(|part| (0..part.dims[1]).map(move |c| (part, c)));
            let parts: Vec<_> = parts.by_ref().collect();
            let dims = vec![x.dims[0], parts.len(), x.dims[2], x.dims[3]];
            let at = |position: Vec<usize>| {
                let (part, c) = parts[position[1]];
                part.ints()[part.index(&[position[0], c, position[2], position[3]])]
            };
            let numbers = Numbers::Ints(positions(&dims).map(at).collect());
            Array { dims, numbers }
        }
        "Cast" => cast(x, attribute("to").expect("a type").i as i32),
        "ConvInteger" => {
            let zero_point = inputs.get(2).map_or(0, |zero_point| zero_point.ints()[0]);
            convolve(node, x, inputs[1], zero_point)
        }
        "MatMulInteger" => {
            let (w, zero_point) = (inputs[1], inputs[2].ints()[0]);
            let dims = vec![x.dims[0], w.dims[1]];
            let sum = |position: Vec<usize>| -> i64 {
                let product = |index: usize| {
                    let x = x.ints()[position[0] * x.dims[1] + index] - zero_point;
                    x * w.ints()[index * w.dims[1] + position[1]]
                };
                (0..x.dims[1]).map(product).sum()
            };
            Array { numbers: Numbers::Ints(positions(&dims).map(sum).collect()), dims }
        }
        "ReduceSum" => {
            let dims = vec![x.dims[0], x.dims[1], 1, 1];
            let n = x.dims[2] * x.dims[3];
            let sums = x.ints().chunks(n).map(|pixels| pixels.iter().sum()).collect();
            Array { dims, numbers: Numbers::Ints(sums) }
        }
        "MaxPool" => {
            let (kernel, stride) = (list("kernel_shape", &[]), list("strides", &[1, 1]));
            let pads = list("pads", &[0; 4]);
            let sides = [0, 1].map(|axis| {
                (x.dims[axis + 2] + pads[axis] + pads[axis + 2] - kernel[axis]) / stride[axis] + 1
            });
            let dims = vec![x.dims[0], x.dims[1], sides[0], sides[1]];
            let largest = |position: Vec<usize>| {
                let window = (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| [ky, kx]));
                let inside = window.filter_map(|tap| {
                    let at = |axis: usize| {
                        let at =
                            (position[axis + 2] * stride[axis] + tap[axis]).checked_sub(pads[axis]);
                        at.filter(|at| *at < x.dims[axis + 2])
                    };
                    Some(x.ints()[x.index(&[position[0], position[1], at(0)?, at(1)?])])
                });
                inside.max().expect("a window has a pixel")
            };
            Array { numbers: Numbers::Ints(positions(&dims).map(largest).collect()), dims }
        }
        "Clip" => {
            let low = elementwise(x, inputs[1], i64::max, f64::max);
            elementwise(&low, inputs[2], i64::min, f64::min)
        }
        "Add" => elementwise(x, inputs[1], |a, b| a + b, |a, b| a + b),
        "Sub" => elementwise(x, inputs[1], |a, b| a - b, |a, b| a - b),
        "Mul" => elementwise(x, inputs[1], |a, b| a * b, |a, b| a * b),
        "Div" => elementwise(x, inputs[1], |a, b| a / b, |a, b| a / b),
        "Mod" => elementwise(x, inputs[1], i64::rem_euclid, f64::rem_euclid),
        "Greater" => elementwise(x, inputs[1], |a, b| (a > b).into(), |_, _| panic!("of integers")),
        "Equal" => elementwise(x, inputs[1], |a, b| (a == b).into(), |_, _| panic!("of integers")),
        "Abs" => elementwise(x, x, |a, _| a.abs(), |a, _| a.abs()),
        "Sign" => {
            elementwise(x, x, |a, _| a.signum(), |a, _| if a == 0.0 { 0.0 } else { a.signum() })
        }
        "Round" => elementwise(x, x, |a, _| a, |a, _| a.round_ties_even()),
        "Floor" => elementwise(x, x, |a, _| a, |a, _| a.floor()),
        other => panic!("the writer has no {other}"),
    }
}

fn cast(x: &Array, to: i32) -> Array {
    let bounds = match to {
        data_type::INT8 => i64::from(i8::MIN)..=i64::from(i8::MAX),
        data_type::INT16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        data_type::INT32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        _ => i64::MIN..=i64::MAX,
    };
    let numbers = match &x.numbers {
        Numbers::Ints(ints) if to == data_type::DOUBLE => {
            Numbers::Reals(ints.iter().map(|value| *value as f64).collect())
        }
        Numbers::Ints(ints) => Numbers::Ints(ints.clone()),
        Numbers::Reals(reals) => Numbers::Ints(reals.iter().map(|value| *value as i64).collect()),
    };
    let array = Array { dims: x.dims.clone(), numbers };
    if to != data_type::DOUBLE {
        assert!(array.ints().iter().all(|value| bounds.contains(value)), "a value has its type");
    }
    array
}

fn convolve(node: &Node, x: &Array, w: &Array, zero_point: i64) -> Array {
    let list = |name: &str| -> Vec<usize> {
        let found = node.attribute.iter().find(|found| found.name == name);
        found.map_or_else(
            || vec![1, 1],
            |found| found.ints.iter().map(|int| *int as usize).collect(),
        )
    };
    let (stride, dilation, pads) = (list("strides"), list("dilations"), list("pads"));
    let groups =
        node.attribute.iter().find(|found| found.name == "group").map_or(1, |found| found.i);
    let per_group = w.dims[0] / groups as usize;
    let sides = [0, 1].map(|axis| {
        let extent = (w.dims[axis + 2] - 1) * dilation[axis] + 1;
        (x.dims[axis + 2] + pads[axis] + pads[axis + 2] - extent) / stride[axis] + 1
    });
    let dims = vec![x.dims[0], w.dims[0], sides[0], sides[1]];
    let sum = |position: Vec<usize>| -> i64 {
        let taps = positions(&w.dims[1..]).filter_map(|tap| {
            let at = |axis: usize| {
                let at = position[axis + 2] * stride[axis] + tap[axis + 1] * dilation[axis];
                at.checked_sub(pads[axis]).filter(|at| *at < x.dims[axis + 2])
            };
            let channel = position[1] / per_group * w.dims[1] + tap[0];
            let value = x.ints()[x.index(&[position[0], channel, at(0)?, at(1)?])] - zero_point;
            Some(value * w.ints()[w.index(&[position[1], tap[0], tap[1], tap[2]])])
        });
        taps.sum()
    };
    let sums: Vec<i64> = positions(&dims).map(sum).collect();
    Array { dims, numbers: Numbers::Ints(sums) }
}

/// A function of two arrays, the smaller of which is repeated.
fn elementwise(
    a: &Array,
    b: &Array,
    ints: impl Fn(i64, i64) -> i64,
    reals: impl Fn(f64, f64) -> f64,
) -> Array {
    let at = |position: &[usize]| (a.index(position), b.repeated(position));
    let indices = positions(&a.dims).map(|position| at(&position));
    let numbers = match (&a.numbers, &b.numbers) {
        (Numbers::Ints(a), Numbers::Ints(b)) => {
            Numbers::Ints(indices.map(|(i, j)| ints(a[i], b[j])).collect())
        }
        (Numbers::Reals(a), Numbers::Reals(b)) => {
            Numbers::Reals(indices.map(|(i, j)| reals(a[i], b[j])).collect())
        }
        _ => panic!("both operands have one type"),
    };
    Array { dims: a.dims.clone(), numbers }
}

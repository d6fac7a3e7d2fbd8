//! An executor written from docs/network.md alone: it shares no code with the crate and reads the two files itself.

use serde_json::Value;

/// A map of `[height, width, channels]`.
pub(crate) struct Map {
    height: i64,
    width: i64,
    channels: i64,
    values: Vec<i64>,
}

impl Map {
    fn has(&self, y: i64, x: i64) -> bool {
        (0..self.height).contains(&y) && (0..self.width).contains(&x)
    }

    fn at(&self, y: i64, x: i64, c: i64) -> i64 {
        assert!(self.has(y, x) && (0..self.channels).contains(&c));
        self.values[((y * self.width + x) * self.channels + c) as usize]
    }

    fn new(height: i64, width: i64, channels: i64, value: impl Fn(i64, i64, i64) -> i64) -> Self {
        let mut values = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for c in 0..channels {
                    values.push(value(y, x, c));
                }
            }
        }
        Self { height, width, channels, values }
    }

    pub(crate) fn values(&self) -> &[i64] {
        &self.values
    }
}

struct Tensors<'a> {
    header: Value,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        Self {
            header: serde_json::from_slice(&bytes[8..8 + length]).unwrap(),
            data: &bytes[8 + length..],
        }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        let offsets = &self.header[name]["data_offsets"];
        &self.data[offsets[0].as_u64().unwrap() as usize..offsets[1].as_u64().unwrap() as usize]
    }

    fn shape(&self, name: &str) -> Vec<i64> {
        self.header[name]["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|size| size.as_i64().unwrap())
            .collect()
    }

    fn vector(&self, name: &str) -> Vec<i64> {
        let words = self.bytes(name).chunks(4);
        words.map(|word| i64::from(i32::from_le_bytes(word.try_into().unwrap()))).collect()
    }
}

/// What an executor gives.
pub(crate) struct Run {
    /// Every layer's output.
    pub(crate) maps: Vec<Map>,
    /// All values that leave the network.
    pub(crate) outputs: Vec<i64>,
    /// The index of the largest of them.
    pub(crate) class: usize,
}

/// A map that a layer reads, and its zero point.
#[derive(Clone, Copy)]
struct Read<'a> {
    map: &'a Map,
    zero: i64,
}

impl Read<'_> {
    /// Less the zero point; 0 outside of the map.
    fn at(&self, y: i64, x: i64, c: i64) -> i64 {
        if self.map.has(y, x) { self.map.at(y, x, c) - self.zero } else { 0 }
    }
}

/// A layer with what its version says of it.
struct Layer<'a> {
    json: &'a Value,
    is_version_1: bool,
    is_last: bool,
}

impl Layer<'_> {
    fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap()
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        self.json.get(key).map_or(default, |value| value.as_i64().unwrap())
    }

    fn numbers(&self, key: &str, default: &[i64]) -> Vec<i64> {
        match self.json.get(key) {
            None => default.to_vec(),
            Some(Value::Array(list)) => list.iter().map(|n| n.as_i64().unwrap()).collect(),
            Some(both) => vec![both.as_i64().unwrap(); 2],
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.json.get(key) == Some(&Value::Bool(true))
    }

    fn bounds(&self) -> (i64, i64) {
        if !self.is_version_1 {
            return (self.number("low", -128), self.number("high", 127));
        }
        let (low, high) = if self.is_last { (-32768, 32767) } else { (-128, 127) };
        (if self.flag("relu") { 0 } else { low }, high)
    }

    fn clamp(&self, value: i64) -> i64 {
        let (low, high) = self.bounds();
        value.clamp(low, high)
    }
}

/// Runs the two files on an image.
pub(crate) fn run(json: &str, tensors: &[u8], image: &[i8]) -> Run {
    let network: Value = serde_json::from_str(json).unwrap();
    let is_version_1 = network["format_version"] == 1;
    let tensors = Tensors::new(tensors);
    let input = &network["input"];
    let size = |key: &str| input[key].as_i64().unwrap();
    let (b, channels) = (size("space_to_depth"), size("channels"));
    let raw = Map::new(size("height"), size("width"), channels, |y, x, c| {
        i64::from(image[((y * size("width") + x) * channels + c) as usize])
    });
    let packed = Map::new(size("height") / b, size("width") / b, channels * b * b, |y, x, k| {
        let (c, dx, dy) = (k % channels, k / channels % b, k / channels / b);
        raw.at(y * b + dy, x * b + dx, c)
    });
    let layers = network["layers"].as_array().unwrap();
    let mut names = vec!["input".to_owned()];
    let mut maps = vec![packed];
    let mut zeros = vec![input.get("zero_point").map_or(0, |zero| zero.as_i64().unwrap())];
    for (index, json) in layers.iter().enumerate() {
        let find = |name: &Value| {
            let name = name.as_str().unwrap();
            let at = names.iter().position(|known| known == name).unwrap();
            Read { map: &maps[at], zero: zeros[at] }
        };
        let layer = Layer { json, is_version_1, is_last: index + 1 == layers.len() };
        let map = run_layer(&layer, &tensors, find);
        names.push(layer.text("name").to_owned());
        zeros.push(layer.number("zero_point", 0));
        maps.push(map);
    }
    let last = Value::from(names.last().unwrap().as_str());
    let outputs = match network.get("outputs") {
        None => vec![&last],
        Some(outputs) => outputs.as_array().unwrap().iter().collect(),
    };
    let place = |name: &Value| names.iter().position(|known| Some(&known[..]) == name.as_str());
    let outputs: Vec<i64> = outputs
        .into_iter()
        .flat_map(|name| maps[place(name).unwrap()].values.iter().copied())
        .collect();
    let largest = outputs.iter().max().unwrap();
    let class = outputs.iter().position(|value| value == largest).unwrap();
    maps.remove(0);
    Run { maps, outputs, class }
}

fn run_layer<'a>(layer: &Layer, tensors: &Tensors, find: impl Fn(&Value) -> Read<'a>) -> Map {
    match layer.text("op") {
        "concat" => {
            let maps: Vec<_> = layer.json["inputs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| find(name).map)
                .collect();
            let channels = maps.iter().map(|map| map.channels).sum();
            return Map::new(maps[0].height, maps[0].width, channels, |y, x, k| {
                let mut k = k;
                let mut parts = maps.iter();
                loop {
                    let part = parts.next().unwrap();
                    if k < part.channels {
                        return part.at(y, x, k);
                    }
                    k -= part.channels;
                }
            });
        }
        "max_pool" => {
            return windows(layer, find(&layer.json["input"]).map, |pixels| {
                *pixels.iter().max().unwrap()
            });
        }
        "average_pool" => {
            return windows(layer, find(&layer.json["input"]).map, |pixels| {
                nearest(pixels.iter().sum(), pixels.len() as i64, false)
            });
        }
        _ => {}
    }
    let from = find(&layer.json["input"]);
    let sum = sums(layer, tensors, from);
    let tensor = |suffix: &str| tensors.vector(&format!("{}.{suffix}", layer.text("name")));
    let (bias, multiplier, shift) = (tensor("bias"), tensor("multiplier"), tensor("shift"));
    let residual = layer.json.get("residual").filter(|residual| !residual.is_null());
    let added = match (layer.json.get("other"), residual) {
        (Some(other), _) => Some((find(other), 1, true)),
        (None, Some(residual)) => {
            let after = residual.get("after") == Some(&Value::Bool(true));
            Some((find(&residual["from"]), residual["stride"].as_i64().unwrap(), after))
        }
        (None, None) => None,
    };
    let factor = added.map(|_| tensor("residual_multiplier"));
    let even = layer.json.get("rounding").is_none_or(|rounding| rounding == "half_even");
    let q = Map::new(sum.height, sum.width, sum.channels, |y, x, k| {
        let channel = k as usize;
        let (mut before, mut behind) = (0, 0);
        if let (Some((map, stride, after)), Some(factor)) = (added, &factor)
            && k < map.map.channels
        {
            let product = factor[channel] * map.at(y * stride, x * stride, k);
            if after { behind = product } else { before = product }
        }
        let t = sum.at(y, x, k) + bias[channel] + before;
        assert!(i32::try_from(t).is_ok());
        let v = t * multiplier[channel] + behind;
        layer.clamp(nearest(v, 1 << shift[channel], even) + layer.number("zero_point", 0))
    });
    if !layer.flag("max_pool") {
        return q;
    }
    Map::new(q.height / 2, q.width / 2, q.channels, |y, x, k| {
        let upper = q.at(2 * y, 2 * x, k).max(q.at(2 * y, 2 * x + 1, k));
        upper.max(q.at(2 * y + 1, 2 * x, k)).max(q.at(2 * y + 1, 2 * x + 1, k))
    })
}

fn windows(layer: &Layer, from: &Map, value: impl Fn(&[i64]) -> i64) -> Map {
    let (kernel, stride) = (layer.numbers("kernel", &[]), layer.numbers("stride", &[]));
    let padding = layer.numbers("padding", &[]);
    let rows = (from.height + padding[0] + padding[1] - kernel[0]) / stride[0] + 1;
    let columns = (from.width + padding[2] + padding[3] - kernel[1]) / stride[1] + 1;
    Map::new(rows, columns, from.channels, |y, x, k| {
        let mut pixels = Vec::new();
        for ky in 0..kernel[0] {
            for kx in 0..kernel[1] {
                let (y, x) = (y * stride[0] + ky - padding[0], x * stride[1] + kx - padding[2]);
                if from.has(y, x) {
                    pixels.push(from.at(y, x, k));
                }
            }
        }
        layer.clamp(value(&pixels))
    })
}

fn sums(layer: &Layer, tensors: &Tensors, from: Read) -> Map {
    let map = from.map;
    match layer.text("op") {
        "global_average_pool" => {
            return Map::new(1, 1, map.channels, |_, _, k| {
                (0..map.height).flat_map(|y| (0..map.width).map(move |x| from.at(y, x, k))).sum()
            });
        }
        "add" | "requantize" => {
            return Map::new(map.height, map.width, map.channels, |y, x, k| from.at(y, x, k));
        }
        _ => {}
    }
    let name = format!("{}.weight", layer.text("name"));
    let (shape, weights) = (tensors.shape(&name), tensors.bytes(&name));
    let (height, width, channels) = (shape[1], shape[2], shape[3]);
    let is_conv = layer.text("op") == "conv";
    let (stride, dilation) = (layer.numbers("stride", &[1, 1]), layer.numbers("dilation", &[1, 1]));
    let padding = layer.numbers("padding", &[0; 4]);
    let groups = layer.number("groups", 1);
    let extent = |axis: usize, kernel: i64| (kernel - 1) * dilation[axis] + 1;
    let rows = (map.height + padding[0] + padding[1] - extent(0, height)) / stride[0] + 1;
    let columns = (map.width + padding[2] + padding[3] - extent(1, width)) / stride[1] + 1;
    assert!(is_conv || (rows, columns) == (1, 1));
    Map::new(rows, columns, shape[0], |y, x, k| {
        let first = k / (shape[0] / groups) * channels;
        let mut acc = 0;
        for ky in 0..height {
            for kx in 0..width {
                for c in 0..channels {
                    let weight =
                        weights[(((k * height + ky) * width + kx) * channels + c) as usize] as i8;
                    let y = y * stride[0] + ky * dilation[0] - padding[0];
                    let x = x * stride[1] + kx * dilation[1] - padding[2];
                    acc += i64::from(weight) * from.at(y, x, first + c);
                }
            }
        }
        acc
    })
}

/// `value / unit` to the nearest integer, halves to the even one or away from zero.
fn nearest(value: i64, unit: i64, even: bool) -> i64 {
    let below = value.div_euclid(unit);
    match (2 * value.rem_euclid(unit)).cmp(&unit) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => below + 1,
        std::cmp::Ordering::Equal if even => below + below.rem_euclid(2),
        std::cmp::Ordering::Equal => below + i64::from(below >= 0),
    }
}

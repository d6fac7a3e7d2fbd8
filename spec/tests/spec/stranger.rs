//! An executor written from docs/network.md alone: it shares no code with the crate and reads the two files itself.

use serde_json::Value;

/// A map of `[height, width, channels]`, zero outside.
pub(crate) struct Map {
    height: i64,
    width: i64,
    channels: i64,
    values: Vec<i64>,
}

impl Map {
    fn at(&self, y: i64, x: i64, c: i64) -> i64 {
        let inside = (0..self.height).contains(&y)
            && (0..self.width).contains(&x)
            && (0..self.channels).contains(&c);
        if inside { self.values[((y * self.width + x) * self.channels + c) as usize] } else { 0 }
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

/// Every layer's output, the last being the logits, and the class.
pub(crate) fn run(json: &str, tensors: &[u8], image: &[i8]) -> (Vec<Map>, usize) {
    let network: Value = serde_json::from_str(json).unwrap();
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
    for (index, layer) in layers.iter().enumerate() {
        let find = |name: &Value| {
            &maps[names.iter().position(|known| known == name.as_str().unwrap()).unwrap()]
        };
        let from = find(&layer["input"]);
        let residual = layer.get("residual").filter(|residual| !residual.is_null());
        let residual = residual
            .map(|residual| (find(&residual["from"]), residual["stride"].as_i64().unwrap()));
        let map = run_layer(layer, &tensors, from, residual, index + 1 == layers.len());
        names.push(layer["name"].as_str().unwrap().to_owned());
        maps.push(map);
    }
    maps.remove(0);
    let logits = &maps.last().unwrap().values;
    let largest = logits.iter().max().unwrap();
    let class = logits.iter().position(|logit| logit == largest).unwrap();
    (maps, class)
}

fn run_layer(
    layer: &Value,
    tensors: &Tensors,
    from: &Map,
    residual: Option<(&Map, i64)>,
    is_last: bool,
) -> Map {
    let name = |suffix: &str| format!("{}.{suffix}", layer["name"].as_str().unwrap());
    let sum = sums(layer, tensors, from);
    let (bias, multiplier, shift) = (
        tensors.vector(&name("bias")),
        tensors.vector(&name("multiplier")),
        tensors.vector(&name("shift")),
    );
    let low = match (layer["relu"].as_bool().unwrap(), is_last) {
        (true, _) => 0,
        (false, true) => -32768,
        (false, false) => -128,
    };
    let high = if is_last { 32767 } else { 127 };
    let q = Map::new(sum.height, sum.width, sum.channels, |y, x, k| {
        let mut t = sum.at(y, x, k) + bias[k as usize];
        if let Some((map, stride)) = residual {
            t += tensors.vector(&name("residual_multiplier"))[k as usize]
                * map.at(y * stride, x * stride, k);
        }
        assert!(i32::try_from(t).is_ok());
        round(t * multiplier[k as usize], shift[k as usize]).clamp(low, high)
    });
    if layer.get("max_pool") != Some(&Value::Bool(true)) {
        return q;
    }
    Map::new(q.height / 2, q.width / 2, q.channels, |y, x, k| {
        let upper = q.at(2 * y, 2 * x, k).max(q.at(2 * y, 2 * x + 1, k));
        upper.max(q.at(2 * y + 1, 2 * x, k)).max(q.at(2 * y + 1, 2 * x + 1, k))
    })
}

fn sums(layer: &Value, tensors: &Tensors, from: &Map) -> Map {
    if layer["op"] == "global_average_pool" {
        return Map::new(1, 1, from.channels, |_, _, k| {
            (0..from.height).flat_map(|y| (0..from.width).map(move |x| from.at(y, x, k))).sum()
        });
    }
    let name = format!("{}.weight", layer["name"].as_str().unwrap());
    let (shape, weights) = (tensors.shape(&name), tensors.bytes(&name));
    let (height, width, channels) = (shape[1], shape[2], shape[3]);
    let is_conv = layer["op"] == "conv";
    let stride = if is_conv { layer["stride"].as_i64().unwrap() } else { 1 };
    let padding = |side: usize| if is_conv { layer["padding"][side].as_i64().unwrap() } else { 0 };
    let rows = (from.height + padding(0) + padding(1) - height) / stride + 1;
    let columns = (from.width + padding(2) + padding(3) - width) / stride + 1;
    Map::new(rows, columns, shape[0], |y, x, k| {
        let mut acc = 0;
        for ky in 0..height {
            for kx in 0..width {
                for c in 0..channels {
                    let weight =
                        weights[(((k * height + ky) * width + kx) * channels + c) as usize] as i8;
                    acc += i64::from(weight)
                        * from.at(y * stride + ky - padding(0), x * stride + kx - padding(2), c);
                }
            }
        }
        acc
    })
}

/// `product / 2^shift` to the nearest integer, halves to the even one.
fn round(product: i64, shift: i64) -> i64 {
    let unit = 1i64 << shift;
    let below = product.div_euclid(unit);
    match (2 * product.rem_euclid(unit)).cmp(&unit) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => below + 1,
        std::cmp::Ordering::Equal => below + below.rem_euclid(2),
    }
}

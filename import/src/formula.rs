//! The arithmetic of the runtimes that imported networks come from, for what is not a plain scaling of a sum.
//!
//! These are the formulas by which a lowered layer is checked, over all of its inputs. They share nothing with
//! [`spec::run_reference`]. XNNPACK's are those of `src/microparams-init.c` (`xnn_init_qs8_add_minmax_scalar_params`,
//! `xnn_init_qs8_cvt_scalar_params`) and of its micro-kernels `qs8-vadd` and `qs8-vcvt`, onnxruntime's that of
//! `MlasQLinearAdd`.

use spec::Bounds;

use crate::graph::Runtime;

/// Real value = `scale * (value - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantization {
    pub(crate) scale: f32,
    pub(crate) zero_point: i8,
}

impl Quantization {
    fn zero(self) -> i32 {
        self.zero_point.into()
    }
}

/// The integers of XNNPACK's addition: both ratios to 21 bits at a common shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddIntegers {
    pub(crate) multipliers: [i32; 2],
    pub(crate) shift: u32,
}

impl AddIntegers {
    /// `None` where XNNPACK does not take the addition: ratios outside of 2^-10 to 2^8.
    pub(crate) fn of(inputs: [Quantization; 2], output: Quantization) -> Option<Self> {
        let ratios = inputs.map(|input| input.scale / output.scale);
        if ratios.iter().any(|ratio| !(2f32.powi(-10)..2f32.powi(8)).contains(ratio)) {
            return None;
        }
        let shift = 20 - exponent(ratios[0].max(ratios[1]));
        let multipliers = ratios.map(|ratio| (ratio * 2f32.powi(shift)).round_ties_even() as i32);
        Some(Self { multipliers, shift: shift as u32 })
    }
}

/// `floor(log2(value))` of a normal number.
pub(crate) fn exponent(value: f32) -> i32 {
    (value.to_bits() >> 23) as i32 - 127
}

/// The sum of two maps.
pub(crate) fn add(
    runtime: Runtime,
    inputs: [Quantization; 2],
    output: Quantization,
    bounds: Bounds,
    values: [i8; 2],
) -> i8 {
    let differences = [0, 1].map(|index| i32::from(values[index]) - inputs[index].zero());
    let sum = match (runtime, AddIntegers::of(inputs, output)) {
        (Runtime::LiteRt, Some(AddIntegers { multipliers, shift })) => {
            let sum = differences[0] * multipliers[0] + differences[1] * multipliers[1];
            ((sum + (1 << (shift - 1))) >> shift) + output.zero()
        }
        // The built-in kernel, to the last bit but for its own two roundings.
        (Runtime::LiteRt, None) => {
            let real = |index: usize| {
                f64::from(inputs[index].scale) / f64::from(output.scale)
                    * f64::from(differences[index])
            };
            (real(0) + real(1)).round() as i32 + output.zero()
        }
        (Runtime::OnnxRuntime, _) => {
            let ratios = inputs.map(|input| input.scale / output.scale);
            let zeros = inputs.map(|input| f32::from(input.zero_point));
            let [first, second] = values.map(f32::from);
            // Fused, as its kernel for processors with AVX2 is compiled.
            let fixed =
                f32::from(output.zero_point) - ratios[0].mul_add(zeros[0], ratios[1] * zeros[1]);
            let value = first.mul_add(ratios[0], second.mul_add(ratios[1], fixed));
            value.round_ties_even() as i32
        }
        (Runtime::Onnx, _) => {
            let reals = [0, 1].map(|index| differences[index] as f32 * inputs[index].scale);
            let steps = ((reals[0] + reals[1]) / output.scale).round_ties_even();
            (steps as i32).saturating_add(output.zero())
        }
    };
    clamp(sum, bounds)
}

/// The same map at another scale.
pub(crate) fn requantize(
    runtime: Runtime,
    input: Quantization,
    output: Quantization,
    bounds: Bounds,
    value: i8,
) -> i8 {
    let difference = i32::from(value) - input.zero();
    let ratio = input.scale / output.scale;
    let scaled = match runtime {
        Runtime::LiteRt if (2f32.powi(-8)..=2f32.powi(7)).contains(&ratio) => {
            let multiplier = (256.0 * ratio).round_ties_even() as i32;
            (difference * multiplier + 128) >> 8
        }
        Runtime::LiteRt => (f64::from(difference) * f64::from(ratio)).round() as i32,
        Runtime::OnnxRuntime | Runtime::Onnx => {
            let real = input.scale * difference as f32;
            (real / output.scale).round_ties_even() as i32
        }
    };
    clamp(scaled.saturating_add(output.zero()), bounds)
}

fn clamp(value: i32, bounds: Bounds) -> i8 {
    value.clamp(bounds.low.into(), bounds.high.into()) as i8
}

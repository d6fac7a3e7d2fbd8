//! Operators that read and write integers, each with scales and zero points of its own: QOperator models.

use super::call::Call;
use super::emit::average;
use super::fault::{Fault, Outcome};
use super::linear::gemm_weight_is_transposed;
use super::proto::data_type;
use super::quantize::{constants, quant};
use super::reader::Reader;
use super::value::{Expr, ExprOp, RealConst, Value};
use super::view::View;

impl Reader<'_> {
    pub(super) fn qlinear_conv(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.map(call, 0, 1, 2)?;
        let weight = weight(call, 3)?;
        let bias = call.input(8)?.cloned();
        let value = self.convolution(call, &map, &weight, bias.as_ref())?;
        self.quantize_as(call, value, 6, 7)
    }

    pub(super) fn qlinear_mat_mul(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.map(call, 0, 1, 2)?;
        let weight = weight(call, 3)?;
        let value = self.product(call, &map, &weight, false, None)?;
        self.quantize_as(call, value, 6, 7)
    }

    pub(super) fn qgemm(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.map(call, 0, 1, 2)?;
        let is_transposed = gemm_weight_is_transposed(call)?;
        let alpha = call.node.float("alpha")?.unwrap_or(1.0);
        if alpha != 1.0 {
            return Err(Fault::attribute("alpha", &alpha.to_string()));
        }
        let mut weight = weight(call, 3)?;
        weight.axis = usize::from(!is_transposed);
        let bias = call.input(6)?.cloned();
        let value = self.product(call, &map, &weight, is_transposed, bias.as_ref())?;
        // Without a scale its output is in floating point.
        if call.input(7)?.is_none() { Ok(value) } else { self.quantize_as(call, value, 7, 8) }
    }

    pub(super) fn qlinear_add(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let is_constant =
            |index| -> Outcome<bool> { Ok(matches!(call.needed(index)?, Value::Const(_))) };
        let value = match (is_constant(0)?, is_constant(3)?) {
            (false, false) => {
                let (left, right) = (self.map(call, 0, 1, 2)?, self.map(call, 3, 4, 5)?);
                Self::sum(call, &left, &right)?
            }
            (false, true) => {
                let map = self.map(call, 0, 1, 2)?;
                self.map_plus(call, &map, &addend(call, 3)?)?
            }
            (true, false) => {
                let map = self.map(call, 3, 4, 5)?;
                self.map_plus(call, &map, &addend(call, 0)?)?
            }
            (true, true) => return Err(Fault::new("it adds constants", "fold constants: onnxsim")),
        };
        self.quantize_as(call, value, 6, 7)
    }

    pub(super) fn qlinear_average_pool(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.map(call, 0, 1, 2)?;
        let value = self.average(call, &map, call.node.flag("channels_last", false)?)?;
        self.quantize_as(call, value, 3, 4)
    }

    pub(super) fn qlinear_global_average_pool(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.map(call, 0, 1, 2)?;
        let value = self.global_average(call, &map, call.node.flag("channels_last", false)?)?;
        self.quantize_as(call, value, 3, 4)
    }

    pub(super) fn qlinear_reduce_mean(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.map(call, 0, 1, 2)?;
        let axes = call.node.ints("axes")?.map(<[i64]>::to_vec);
        let value = self.mean_over(call, &map, axes)?;
        self.quantize_as(call, value, 3, 4)
    }

    pub(super) fn qlinear_concat(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let mut parts = Vec::new();
        for index in (2..call.inputs.len()).step_by(3) {
            let map = self.map(call, index, index + 1, index + 2)?;
            let expr = Expr::new(&call.site, map.view.shape(), ExprOp::Map(map.id))?;
            parts.push((expr, map.view));
        }
        let value = self.joined(call, parts)?;
        self.quantize_as(call, value, 0, 1)
    }

    /// The integers of a value whose scale and zero point are inputs of the node.
    fn quantize_as(
        &mut self,
        call: &Call<'_>,
        value: Value,
        scale: usize,
        zero: usize,
    ) -> Outcome<Value> {
        let Value::Pending(expr, view) = value else { return Ok(value) };
        let quant = quant(call, scale, zero, data_type::UINT8)?;
        let name = call.node.output.first().map_or("", String::as_str);
        Ok(Value::Int(self.quantized(&expr, &view, quant, name)?))
    }

    /// The mean over all pixels of a map of this layout.
    pub(super) fn global_average(
        &mut self,
        call: &Call<'_>,
        map: &super::value::Map,
        is_channels_last: bool,
    ) -> Outcome<Value> {
        let view = &map.view;
        let fits =
            if is_channels_last { view.is_channels_last() } else { view.is_channels_first() };
        if !fits || view.rank() < 3 {
            return Err(super::linear::layout_fault(view));
        }
        let shape = spec::Shape { height: 1, width: 1, ..view.shape() };
        let layout = if is_channels_last { View::channels_last } else { View::channels_first };
        let expr = Expr::new(&call.site, shape, ExprOp::GlobalAveragePool(map.id))?;
        Ok(Value::Pending(expr, layout(shape, view.rank())))
    }

    /// The mean over windows of a map of this layout.
    pub(super) fn average(
        &mut self,
        call: &Call<'_>,
        map: &super::value::Map,
        is_channels_last: bool,
    ) -> Outcome<Value> {
        let (pool, view) = call.pool(&map.view, is_channels_last)?;
        let counts = call.node.flag("count_include_pad", false)?;
        let pool = average(pool, counts);
        let expr = Expr::new(&call.site, view.shape(), ExprOp::AveragePool(map.id, pool))?;
        Ok(Value::Pending(expr, view))
    }
}

/// A constant that is added, followed by its scale and zero point.
fn addend(call: &Call<'_>, index: usize) -> Outcome<RealConst> {
    let ints = call.constant(index)?.cloned();
    let ints = ints.ok_or_else(|| Fault::new("it adds nothing", "export the model again"))?;
    let (scales, zeros, _) = constants(call, index + 1, index + 2)?;
    Ok(RealConst { ints, scales: scales.into(), zero_points: zeros.into(), axis: 0 })
}

/// Weights that lie as integers in an input, followed by scale and zero point.
fn weight(call: &Call<'_>, index: usize) -> Outcome<RealConst> {
    let ints = call.constant(index)?.cloned();
    let ints = ints.ok_or_else(|| Fault::new("it has no weights", "export the model again"))?;
    let (scales, zeros, _) = constants(call, index + 1, index + 2)?;
    // Of a matrix the columns are the outputs, of a convolution's weights the first axis.
    let is_matrix = call.node.op_type != "QLinearConv";
    let axis = if is_matrix { ints.dims.len().saturating_sub(1) } else { 0 };
    if scales.len() != 1
        && ints.dims.get(axis) != Some(&scales.len())
        && call.node.op_type != "QGemm"
    {
        return Err(Fault::new(
            format!("its weights have {} scales", scales.len()),
            "quantize them per tensor, or per output channel",
        ));
    }
    Ok(RealConst { ints, scales: scales.into(), zero_points: zeros.into(), axis })
}

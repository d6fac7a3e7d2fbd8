//! Windows that move over maps: their padding and steps, pools, means and Pad.

use spec::Shape;

use super::attributes::MOST;
use super::call::Call;
use super::emit::ALL;
use super::fault::{Fault, Outcome};
use super::linear::{bounded, layout_fault};
use super::reader::Reader;
use super::value::{Expr, ExprOp, Map, Quant, Value};
use super::view::{Axis, View};
use crate::graph::{Pool, same_padding};

/// How a kernel moves over a map.
pub(super) struct Sweep {
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Top, bottom, left, right.
    pub(super) padding: [usize; 4],
    /// Rows and columns of the output.
    pub(super) pixels: [usize; 2],
}

impl Call<'_> {
    /// That of a kernel over `size` rows and columns; `rank` is 1 where there are columns alone.
    pub(super) fn sweep(
        &self,
        rank: usize,
        size: [usize; 2],
        kernel: [usize; 2],
    ) -> Outcome<Sweep> {
        let node = self.node;
        if node.ints("kernel_shape")?.is_some() && node.sizes("kernel_shape", rank, 1)? != kernel {
            return Err(Fault::attribute("kernel_shape", "not the shape of its weights"));
        }
        let stride = node.sizes("strides", rank, 1)?;
        let dilation = node.sizes("dilations", rank, 1)?;
        let extent =
            [0, 1].map(|axis| (kernel[axis] - 1).saturating_mul(dilation[axis]).saturating_add(1));
        let same = |axis: usize| same_padding(size[axis], extent[axis], stride[axis]);
        let [rows, columns] = match node.text("auto_pad")?.unwrap_or("NOTSET") {
            "NOTSET" => self.pads(rank)?,
            "VALID" => [[0; 2]; 2],
            "SAME_UPPER" => [same(0), same(1)],
            "SAME_LOWER" => [same(0), same(1)].map(|[less, more]| [more, less]),
            other => {
                return Err(Fault::attribute("auto_pad", &format!("{:?}", spec::shown(other))));
            }
        };
        let mut padding = [rows, columns];
        let rounds_up = node.flag("ceil_mode", false)?;
        let mut pixels = [0; 2];
        for axis in [0, 1] {
            let [before, after] = padding[axis];
            let room =
                (size[axis] + before + after).checked_sub(extent[axis]).ok_or_else(|| {
                    Fault::new(
                        format!(
                            "its kernel reaches over {} of {}",
                            extent[axis],
                            size[axis] + before + after
                        ),
                        "pad its input, or take a smaller kernel",
                    )
                })?;
            pixels[axis] = room / stride[axis] + 1;
            let starts_inside = pixels[axis] * stride[axis] < size[axis] + before;
            if rounds_up && room % stride[axis] != 0 && starts_inside {
                // One window more, which reaches beyond the padding.
                padding[axis][1] += stride[axis] - room % stride[axis];
                pixels[axis] += 1;
            }
        }
        let [[top, bottom], [left, right]] = padding;
        Ok(Sweep { stride, dilation, padding: [top, bottom, left, right], pixels })
    }

    /// A pool's window, and the view of what it gives.
    pub(super) fn pool(&self, view: &View, is_channels_last: bool) -> Outcome<(Pool, View)> {
        let fits =
            if is_channels_last { view.is_channels_last() } else { view.is_channels_first() };
        let rank = view.rank();
        if !fits || !(3..=4).contains(&rank) {
            return Err(layout_fault(view));
        }
        if self.node.ints("kernel_shape")?.is_none() {
            return Err(Fault::attribute("kernel_shape", "missing"));
        }
        let kernel = self.node.sizes("kernel_shape", rank - 2, 1)?;
        let Shape { height, width, .. } = view.shape();
        let declared = self.sweep_padding(rank, [height, width], kernel)?;
        let Sweep { stride, dilation, padding, pixels } =
            self.sweep(rank - 2, [height, width], kernel)?;
        if dilation != [1; 2] {
            return Err(Fault::new("its window has gaps", "use a pool without dilations"));
        }
        if self.node.flag("count_include_pad", false)? && padding != declared {
            return Err(Fault::new(
                "its last window counts padding and is cut off",
                "use ceil_mode = 0 with count_include_pad = 1",
            ));
        }
        let layout = if is_channels_last { View::channels_last } else { View::channels_first };
        let shape = bounded(Shape { height: pixels[0], width: pixels[1], ..view.shape() })?;
        Ok((Pool { kernel, stride, padding }, layout(shape, rank)))
    }

    /// The padding without what rounding up adds.
    fn sweep_padding(
        &self,
        rank: usize,
        size: [usize; 2],
        kernel: [usize; 2],
    ) -> Outcome<[usize; 4]> {
        if self.node.flag("ceil_mode", false)?
            && self.node.text("auto_pad")?.unwrap_or("NOTSET") == "NOTSET"
        {
            let [[top, bottom], [left, right]] = self.pads(rank - 2)?;
            return Ok([top, bottom, left, right]);
        }
        Ok(self.sweep(rank - 2, size, kernel)?.padding)
    }

    /// Before and after the rows, before and after the columns.
    fn pads(&self, rank: usize) -> Outcome<[[usize; 2]; 2]> {
        let Some(pads) = self.node.ints("pads")? else { return Ok([[0; 2]; 2]) };
        let sizes: Option<Vec<usize>> =
            pads.iter().map(|pad| usize::try_from(*pad).ok().filter(|pad| *pad <= MOST)).collect();
        match (rank, sizes.as_deref()) {
            (2, Some(&[top, left, bottom, right])) => Ok([[top, bottom], [left, right]]),
            (1, Some(&[left, right])) => Ok([[0; 2], [left, right]]),
            _ => Err(Fault::attribute("pads", &format!("{pads:?}"))),
        }
    }
}

impl Reader<'_> {
    pub(super) fn max_pool(&mut self, call: &Call<'_>) -> Outcome<Value> {
        if call.node.output.get(1).is_some_and(|name| !name.is_empty()) {
            return Err(Fault::new(
                "it gives where the largest values are",
                "use their values alone",
            ));
        }
        let is_global = call.node.op_type == "GlobalMaxPool";
        let pool = |view: &View| {
            if !is_global {
                return call.pool(view, false);
            }
            if !view.is_channels_first() || view.rank() < 3 {
                return Err(layout_fault(view));
            }
            let Shape { height, width, channels } = view.shape();
            let pool = Pool { kernel: [height, width], stride: [1; 2], padding: [0; 4] };
            let shape = Shape { height: 1, width: 1, channels };
            Ok((pool, View::channels_first(shape, view.rank())))
        };
        if let Value::Int(map) = call.needed(0)? {
            let (pool, view) = pool(&map.view)?;
            let map = map.clone();
            return self.on_integers(call, &map, view, |expr| ExprOp::MaxPool(expr, pool));
        }
        let (expr, view) = self.expr(call, 0)?;
        let (pool, view) = pool(&view)?;
        let expr = Expr::new(&call.site, view.shape(), ExprOp::MaxPool(expr, pool))?;
        Ok(Value::Pending(expr, view))
    }

    /// What moves or compares integers: their scale stays.
    pub(super) fn on_integers(
        &mut self,
        call: &Call<'_>,
        map: &Map,
        view: View,
        op: impl FnOnce(std::rc::Rc<Expr>) -> ExprOp,
    ) -> Outcome<Value> {
        let quant = self.quant_of(map);
        let inner = Expr::new(&call.site, map.view.shape(), ExprOp::Map(map.id))?;
        let expr = Expr::new(&call.site, view.shape(), op(inner))?;
        let name = call.node.output.first().map_or("", String::as_str);
        let id = self.emitter.quantized(&expr, quant, ALL, name)?;
        Ok(Value::Int(Map { id, view, ..map.clone() }))
    }

    pub(super) fn quant_of(&self, map: &Map) -> Quant {
        let tensor = self.emitter.graph.tensor(map.id);
        let (scale, zero_point) = (tensor.scale, tensor.zero_point);
        Quant { scale, zero_point, is_unsigned: map.is_unsigned }
    }

    pub(super) fn average_pool(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.real_map(call, 0)?;
        self.average(call, &map, false)
    }

    pub(super) fn global_average_pool(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.real_map(call, 0)?;
        self.global_average(call, &map, false)
    }

    pub(super) fn reduce_mean(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let map = self.real_map(call, 0)?;
        let axes = match call.node.ints("axes")? {
            Some(axes) => Some(axes.to_vec()),
            None => call.constant_ints(1)?,
        };
        self.mean_over(call, &map, axes)
    }

    /// The mean over axes, which have to be all of the rows and columns.
    pub(super) fn mean_over(
        &mut self,
        call: &Call<'_>,
        map: &Map,
        axes: Option<Vec<i64>>,
    ) -> Outcome<Value> {
        let view = &map.view;
        let rank = view.rank();
        let axes = axes.unwrap_or_default();
        let axes = axes.iter().map(|axis| call.axis(*axis, rank)).collect::<Outcome<Vec<_>>>()?;
        let reduced: Vec<Axis> = (0..rank)
            .filter(|axis| axes.contains(axis))
            .flat_map(|axis| view.axis(axis).to_vec())
            .collect();
        let kept: Vec<Axis> = (0..rank)
            .filter(|axis| !axes.contains(axis))
            .flat_map(|axis| view.axis(axis).to_vec())
            .collect();
        if axes.is_empty()
            || reduced.contains(&Axis::Channel)
            || kept.iter().any(|axis| *axis != Axis::Channel)
        {
            return Err(Fault::new(
                "it takes the mean of something else than all pixels of each channel",
                "reduce over rows and columns together",
            ));
        }
        let shape = Shape { height: 1, width: 1, ..view.shape() };
        let keeps = call.node.flag("keepdims", true)?;
        let left = (0..rank).filter(|axis| keeps || !axes.contains(axis));
        let channel =
            |axis: usize| view.axis(axis).contains(&Axis::Channel).then_some(Axis::Channel);
        let axes: Vec<_> = left.map(channel).collect();
        let expr = Expr::new(&call.site, shape, ExprOp::GlobalAveragePool(map.id))?;
        Ok(Value::Pending(expr, View::new(shape, &axes)))
    }

    pub(super) fn pad(&mut self, call: &Call<'_>) -> Outcome<Value> {
        let mode = call.node.text("mode")?.unwrap_or("constant");
        if mode != "constant" {
            return Err(Fault::new(
                format!("it pads by {:?}", spec::shown(mode)),
                "pad with zeros",
            ));
        }
        let (pads, value) = if self.opset < 11 {
            (call.node.ints("pads")?.map(<[i64]>::to_vec), call.node.float("value")?.map(f64::from))
        } else {
            (call.constant_ints(1)?, call.constant_float(2)?)
        };
        let (view, zero) = match call.needed(0)? {
            Value::Int(map) => {
                let zero = self.quant_of(map).zero_point;
                (map.view.clone(), f64::from(zero) + if map.is_unsigned { 128.0 } else { 0.0 })
            }
            _ => (self.expr(call, 0)?.1, 0.0),
        };
        if value.unwrap_or(0.0) != zero {
            return Err(Fault::new("it pads with something else than zero", "pad with zeros"));
        }
        let rank = view.rank();
        let axes = call.constant_ints(3)?.unwrap_or_else(|| (0..rank as i64).collect());
        let pads = pads.unwrap_or_default();
        if pads.len() != 2 * axes.len() {
            return Err(Fault::attribute("pads", &format!("{pads:?}")));
        }
        let is_last = !view.is_channels_first() && view.is_channels_last();
        if !(3..=4).contains(&rank) || !(is_last || view.is_channels_first()) {
            return Err(layout_fault(&view));
        }
        let columns = if is_last { rank - 2 } else { rank - 1 };
        let mut padding = [0; 4];
        for (index, axis) in axes.iter().enumerate() {
            let axis = call.axis(*axis, rank)?;
            let both = [pads[index], pads[index + axes.len()]];
            let both = both.map(|pad| usize::try_from(pad).ok().filter(|pad| *pad <= MOST));
            match (axis, both) {
                (_, [Some(0), Some(0)]) => {}
                (axis, [Some(before), Some(after)]) if axis == columns => {
                    padding[2] = before;
                    padding[3] = after;
                }
                (axis, [Some(before), Some(after)]) if rank == 4 && axis + 1 == columns => {
                    padding[0] = before;
                    padding[1] = after;
                }
                _ => {
                    return Err(Fault::new(
                        format!("it pads by {pads:?}"),
                        "pad rows and columns alone, and cut nothing off",
                    ));
                }
            }
        }
        let [top, bottom, left, right] = padding;
        let shape = view.shape();
        let (height, width) = (shape.height + top + bottom, shape.width + left + right);
        let shape = bounded(Shape { height, width, ..shape })?;
        let layout = if is_last { View::channels_last } else { View::channels_first };
        let view = layout(shape, rank);
        if let Value::Int(map) = call.needed(0)? {
            let map = map.clone();
            return self.on_integers(call, &map, view, |expr| ExprOp::Pad(expr, padding));
        }
        let (expr, _) = self.expr(call, 0)?;
        let expr = Expr::new(&call.site, shape, ExprOp::Pad(expr, padding))?;
        Ok(Value::Pending(expr, view))
    }
}

impl Call<'_> {
    /// An axis of a tensor of `rank` axes, which counts from the end if it is negative.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Outcome<usize> {
        let rank = rank as i64;
        let found = if axis < 0 { axis.saturating_add(rank) } else { axis };
        let found = usize::try_from(found).ok().filter(|found| (*found as i64) < rank);
        found.ok_or_else(|| Fault::new(format!("it has no axis {axis}"), "export the model again"))
    }
}

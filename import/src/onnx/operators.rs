//! Which operator is read by what, and what to do about those that are not read.

use super::call::Call;
use super::fault::{Fault, Outcome};
use super::reader::{Reader, host_op};
use super::value::{Host, Value};

const MICROSOFT: &str = "com.microsoft";

impl Reader<'_> {
    /// What a node gives.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Outcome<Vec<Value>> {
        let (domain, operator) = (call.node.domain.as_str(), call.node.op_type.as_str());
        if let Some(value) = self.behind_host(call)? {
            return Ok(vec![value]);
        }
        let value = match (domain, operator) {
            ("" | "ai.onnx" | MICROSOFT, "QuantizeLinear") => self.quantize_linear(call),
            ("" | "ai.onnx" | MICROSOFT, "DequantizeLinear") => self.dequantize_linear(call),
            ("" | "ai.onnx", operator) => match operator {
                "Constant" => self.constant(call),
                "Conv" => self.conv(call),
                "Gemm" => self.gemm(call),
                "MatMul" => self.mat_mul(call),
                "Add" => self.add(call),
                "Sub" | "Mul" | "Div" => self.arithmetic(call),
                "BatchNormalization" => self.batch_normalization(call),
                "Relu" | "Clip" => self.limit(call),
                "MaxPool" | "GlobalMaxPool" => self.max_pool(call),
                "AveragePool" => self.average_pool(call),
                "GlobalAveragePool" => self.global_average_pool(call),
                "ReduceMean" => self.reduce_mean(call),
                "Concat" => self.concat(call),
                "Pad" => self.pad(call),
                "Identity" | "Dropout" | "Cast" => self.identity(call),
                "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(call),
                "Transpose" => self.transpose(call),
                "Shape" | "Gather" | "Slice" | "ConstantOfShape" => self.shape_arithmetic(call),
                "QLinearConv" => self.qlinear_conv(call),
                "QLinearMatMul" => self.qlinear_mat_mul(call),
                _ => return self.other(call),
            },
            (MICROSOFT, operator) => match operator {
                "QGemm" => self.qgemm(call),
                "QLinearAdd" => self.qlinear_add(call),
                "QLinearAveragePool" => self.qlinear_average_pool(call),
                "QLinearGlobalAveragePool" => self.qlinear_global_average_pool(call),
                "QLinearReduceMean" => self.qlinear_reduce_mean(call),
                "QLinearConcat" => self.qlinear_concat(call),
                _ => return self.other(call),
            },
            _ => return self.other(call),
        };
        value.map(|value| vec![value])
    }

    /// Operators that the host computes, where nothing else follows them, and those that it does not.
    fn other(&mut self, call: &Call<'_>) -> Outcome<Vec<Value>> {
        let Some(op) = host_op(call) else {
            return Err(unsupported(call, self.is_function(call)));
        };
        let map = match call.needed(0)? {
            Value::Int(map) | Value::Real(map) => map.clone(),
            Value::Pending(..) => {
                return Err(Fault::new(
                    "what it reads leaves the accelerator and is not quantized",
                    "quantize what it reads: a QuantizeLinear and a DequantizeLinear before it",
                ));
            }
            _ => return Err(unsupported(call, false)),
        };
        let dims = (op != crate::graph::HostOp::ArgMax).then(|| map.view.dims());
        let steps = [(call.site.clone(), op)].into();
        Ok(vec![Value::Host(Host { map, dims, steps })])
    }

    /// What follows an operation of the host: more of them, and what changes no value.
    fn behind_host(&self, call: &Call<'_>) -> Outcome<Option<Value>> {
        let Some(Some(Value::Host(host))) = call.inputs.first() else { return Ok(None) };
        let (map, steps) = (host.map.clone(), std::rc::Rc::clone(&host.steps));
        Ok(match call.node.op_type.as_str() {
            "QuantizeLinear" | "DequantizeLinear" | "Identity" | "Cast" | "Dropout" => {
                Some(Value::Host(host.clone()))
            }
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Transpose" => {
                Some(Value::Host(Host { map, dims: None, steps }))
            }
            _ => host_op(call).map(|op| {
                let steps = steps.iter().cloned().chain([(call.site.clone(), op)]).collect();
                Value::Host(Host { map, dims: None, steps })
            }),
        })
    }

    fn is_function(&self, call: &Call<'_>) -> bool {
        let node = call.node;
        self.model
            .functions
            .iter()
            .any(|function| function.name == node.op_type && function.domain == node.domain)
    }
}

/// An operator that is not read.
pub(super) fn unsupported(call: &Call<'_>, is_function: bool) -> Fault {
    const NOT: &str = "this operation is not supported";
    if is_function {
        return Fault::new(
            "it is a function of the model",
            "replace functions by their nodes: onnx.inliner.inline_local_functions",
        );
    }
    let help = match call.node.op_type.as_str() {
        "Quant" | "BipolarQuant" | "MultiThreshold" | "Trunc" => {
            return Fault::new(
                "it quantizes as QONNX does, to a number of bits of its own",
                "int8 is read: quantize to 8 bits and export QuantizeLinear and DequantizeLinear, brevitas.export.export_onnx_qcdq or qonnx's QuantToQCDQ",
            );
        }
        "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear"
        | "DynamicQuantizeMatMul"
        | "MatMulIntegerToFloat" => {
            "scales that are found while it runs are not read: use onnxruntime.quantization.quantize_static"
        }
        "Sigmoid" | "HardSigmoid" | "HardSwish" | "Swish" | "LeakyRelu" | "PRelu" | "Elu"
        | "Selu" | "Gelu" | "Mish" | "Softplus" | "Erf" | "QLinearLeakyRelu" | "QLinearMul" => {
            "replace the activation by Relu, or Clip from 0 to 6, train again and quantize again"
        }
        "If" | "Loop" | "Scan" => "export the model by tracing it for one fixed input shape",
        "LSTM" | "GRU" | "RNN" | "Attention" | "MultiHeadAttention" => {
            "recurrent networks and attention do not run on the accelerator"
        }
        "ConvTranspose" | "Resize" | "Upsample" | "DepthToSpace" => {
            "maps become no larger on the accelerator: run this part on the host, from an output before it"
        }
        "Split" | "Slice" | "Gather" | "ChannelShuffle" => {
            "maps are not taken apart: compute the parts with convolutions of their own"
        }
        _ => {
            "what is read: Conv, Gemm, MatMul, Add, MaxPool, AveragePool, GlobalAveragePool, ReduceMean, Concat, Pad, Relu, Clip, what changes the shape alone, and their quantized forms; replace it, or cut the model before it"
        }
    };
    Fault::new(NOT, help)
}

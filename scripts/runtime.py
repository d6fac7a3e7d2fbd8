"""Runs a quantized model in the runtime that it comes from, and keeps every map: the other side of `twofold verify`.

The first line of standard input is a JSON object: `model`, a path; `format`, `tflite` or `onnx`; `scale` and `zero_point` of the input; `input`, the shape `[height, width, channels]`; `maps`, for each
map its `shape` and where it comes from: `node`, the position in the file, for TFLite, `name` for ONNX. The answer is the name and version
of the runtime. Every further line names a folder with `input.npy`, int8 `[n, height, width, channels]`; the maps are put beside it as
`0.npy`, `1.npy`, ..., int8 in the same order of axes, and the answer is a line.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

# LiteRT says that keeping all maps costs memory.
warnings.filterwarnings("ignore", category=UserWarning)


class LiteRt:
    """LiteRT as it is installed: XNNPACK on one thread."""

    def __init__(self, job):
        from ai_edge_litert import __version__
        from ai_edge_litert.interpreter import Interpreter

        self.name = f"LiteRT {__version__}"
        self.interpreter = Interpreter(
            model_path=job["model"], experimental_preserve_all_tensors=True, num_threads=1
        )
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        # The nodes of the file; what a delegate puts in their place follows them.
        outputs = {op["index"]: op["outputs"][0] for op in self.interpreter._get_ops_details()}
        self.tensors = [outputs[part["node"]] for part in job["maps"]]

    def maps(self, image):
        self.interpreter.set_tensor(self.input["index"], image.reshape(self.input["shape"]))
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(tensor) for tensor in self.tensors]

    def arrange(self, value, shape):
        return value.reshape(shape)


class OnnxRuntime:
    """onnxruntime on one thread, without its optimizer, which makes other arithmetic of a quantized model."""

    def __init__(self, job):
        import onnxruntime

        self.name = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        path = Path(job["model"])
        plain = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        known = [output.name for output in plain.get_outputs()]
        self.names = [part["name"] for part in job["maps"]]
        added = b"".join(field(12, field(1, name.encode())) for name in dict.fromkeys(self.names) if name not in known)
        # Serialized messages that follow each other are one: its lists are joined.
        model = path.read_bytes() + field(7, added)
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]
        self.scale, self.zero_point = job["scale"], job["zero_point"]

    def maps(self, image):
        value = image
        if self.input.type == "tensor(uint8)":
            value = (image.astype(np.int16) + 128).astype(np.uint8)
        elif self.input.type == "tensor(float)":
            value = (image.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
        shape = [size if isinstance(size, int) else 1 for size in self.input.shape]
        if is_channels_first(shape, image.shape):
            value = value.transpose(2, 0, 1)
        return self.session.run(self.names, {self.input.name: value.reshape(shape)})

    def arrange(self, value, shape):
        if value.dtype == np.uint8:
            value = (value.astype(np.int16) - 128).astype(np.int8)
        if is_channels_first(value.shape, shape):
            height, width, channels = shape
            value = value.reshape(channels, height, width).transpose(1, 2, 0)
        return value.reshape(shape)


def is_channels_first(shape, map_shape):
    """Whether a tensor of a batch and channels, then perhaps rows, then columns, is a map of rows, columns and channels. Where
    both orders of axes have the same sizes, it is ONNX's own."""
    height, width, channels = map_shape
    if len(shape) == 3 and 1 in (height, width):
        return tuple(shape[1:]) == (channels, height * width)
    return tuple(shape[1:]) == (channels, height, width)


def field(number, content):
    """A field of a protobuf message that has a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def main():
    job = json.loads(sys.stdin.readline())
    runtime = {"onnx": OnnxRuntime, "tflite": LiteRt}[job["format"]](job)
    print(runtime.name, flush=True)
    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        images = np.load(folder / "input.npy")
        maps = [np.empty((len(images), *part["shape"]), np.int8) for part in job["maps"]]
        for index, image in enumerate(images):
            for values, value, part in zip(maps, runtime.maps(image), job["maps"]):
                values[index] = runtime.arrange(value, part["shape"])
        for index, values in enumerate(maps):
            np.save(folder / f"{index}.npy", values)
        print("done", flush=True)


if __name__ == "__main__":
    main()

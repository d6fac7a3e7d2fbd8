"""Runs a model that `twofold export` wrote in onnxruntime, and compares it with the logits that `twofold sim --logits` wrote.

    python scripts/onnx_export.py net.onnx images.bin logits.json

`images.bin` is what `sim --int8` took: raw int8 bytes, one image after another. Needs numpy and onnxruntime.
"""

import json
import sys

import numpy
import onnxruntime


def main(model: str, images: str, logits: str) -> int:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape[1:]
    batch = numpy.fromfile(images, numpy.int8).reshape(-1, *shape)
    with open(logits, encoding="utf-8") as file:
        expected = numpy.array([image["logits"] for image in json.load(file)["images"]])
    n = min(len(batch), len(expected))
    outputs = session.run(None, {"input": batch[:n]})
    found = numpy.concatenate([output.reshape(n, -1).astype(int) for output in outputs], axis=1)
    differ = int((found != expected[:n]).sum())
    print(f"{n} images, {found.size} values, {differ} differ")
    return 1 if differ or n == 0 else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

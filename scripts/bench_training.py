"""Trains a network in Python PyTorch, one epoch whenever it is asked to: the other side of `trainer bench`.

The first line of standard input is a JSON object: the network's definition, batch, images, threads. The answer to it is a
line with PyTorch's version and the number of parameters; the answer to every further line is the seconds of one epoch,
of processor time if there is one thread.
"""

import json
import sys
import time
import warnings

# NumPy is not set up: nothing here needs it.
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

import torch  # noqa: E402
from torch import nn  # noqa: E402


class Input(nn.Module):
    """int8 images, rows of interleaved channels, to maps after space-to-depth."""

    def __init__(self, block, step):
        super().__init__()
        self.block, self.step = block, step

    def forward(self, images):
        maps = images.permute(0, 3, 1, 2).float() * self.step
        return maps if self.block == 1 else nn.functional.pixel_unshuffle(maps, self.block)


def layers_of(network, image, n_classes):
    """The modules of a definition, with the shapes that they need."""
    block = network["space_to_depth"]
    height, width, channels = image["height"] // block, image["width"] // block, image["channels"] * block * block
    for layer in network["layers"]:
        op = layer["op"]
        if op == "conv":
            kernel, stride, padding = layer["kernel"], layer.get("stride", 1), layer.get("padding", 0)
            yield nn.Conv2d(channels, layer["channels"], kernel, stride, padding, bias=False)
            channels = layer["channels"]
            yield nn.BatchNorm2d(channels)
            yield nn.ReLU()
            height, width = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
            if layer.get("max_pool"):
                yield nn.MaxPool2d(2)
                height, width = height // 2, width // 2
        elif op == "global_average_pool":
            yield nn.AdaptiveAvgPool2d(1)
            height, width = 1, 1
        elif op == "dropout":
            yield nn.Dropout(layer["rate"])
        elif op == "fully_connected":
            yield nn.Flatten()
            yield nn.Linear(height * width * channels, n_classes)
        else:
            raise SystemExit(f"network {network['name']}: this benchmark does not know `{op}`")


def main():
    task = json.loads(sys.stdin.readline())
    torch.set_num_threads(task["n_threads"])
    torch.manual_seed(1)
    network, image = task["network"], task["image"]
    model = nn.Sequential(
        Input(network["space_to_depth"], task["input_step"]), *layers_of(network, image, task["n_classes"])
    )
    if task["channels_last"]:
        model = model.to(memory_format=torch.channels_last)
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": task["weight_decay"]}, {"params": others}],
        lr=1e-5,
        momentum=0.9,
        nesterov=True,
    )
    loss_of = nn.CrossEntropyLoss()
    n_images, batch = task["n_images"], task["batch"]
    images = torch.randint(-128, 128, (n_images, image["height"], image["width"], image["channels"]), dtype=torch.int8)
    labels = torch.randint(0, task["n_classes"], (n_images,))

    def epoch(n_steps):
        total = torch.zeros(())
        for step in range(n_steps):
            part = slice(step * batch, (step + 1) * batch)
            optimizer.zero_grad()
            loss = loss_of(model(images[part]), labels[part])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item() / n_steps

    epoch(min(task["n_warm_up"], n_images // batch))
    n_parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"torch": torch.__version__, "n_parameters": n_parameters}), flush=True)
    clock = time.process_time if task["n_threads"] == 1 else time.perf_counter
    for _ in sys.stdin:
        started = clock()
        epoch(n_images // batch)
        print(json.dumps({"seconds": clock() - started}), flush=True)


if __name__ == "__main__":
    main()

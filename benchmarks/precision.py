"""A training step in float32 and bf16, with channels first and last in memory: what the choice of precision rests on.

python benchmarks/precision.py --model cifar_resnet20 --size 32 --batch-size 128
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from zorki.engine.device import autocast
from zorki.registry import build
from zorki.types import Label


def step_time(name: str, size: int, batch_size: int, precision: str, layout: torch.memory_format, steps: int) -> float:
    """The median time of a training step, in milliseconds."""
    model = build(name, 10, {"image_size": size}).train().to(memory_format=layout)
    rule = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    inputs = torch.randint(0, 256, (batch_size, 3, size, size), dtype=torch.uint8).contiguous(memory_format=layout)
    labels = [Label(i % 10) for i in range(batch_size)]
    times = []
    for _ in range(steps + 2):
        begun = time.perf_counter()
        with autocast("cpu", precision):
            loss = model.loss(model(inputs), labels)["cross_entropy"]
        rule.zero_grad()
        loss.backward()
        rule.step()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[2:]) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cifar_resnet20")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    for precision in ("32", "bf16"):
        for word, layout in (("first", torch.contiguous_format), ("last", torch.channels_last)):
            taken = step_time(options.model, options.size, options.batch_size, precision, layout, options.steps)
            print(f"{options.model}, {precision}, channels {word}: {taken:.0f} ms a step", flush=True)


if __name__ == "__main__":
    main()

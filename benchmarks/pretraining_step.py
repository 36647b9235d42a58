"""A step of SimCLR beside lightly's: one network, batch and kind of augmentation, loader included, in turn.

    pip install lightly --no-deps --target /tmp/lightly       # and what it imports
    PYTHONPATH=/tmp/lightly python benchmarks/pretraining_step.py DATA --size 32 --batch 64 --steps 12

DATA is a folder of images. Steps alternate, so that what else the machine does falls on both; the median counts.
Both read with `--workers` processes, in one precision, with the same backbone, head, optimizer and temperature. Without
workers the seconds are those of the processor that the process itself has used.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zorki import registry
from zorki.data.annotations.bare_images import read_images
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.samplers import ShuffledSampler
from zorki.engine.device import autocast, laid_out, on_device


def optimizer_of(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4, fused=True)


def ours(options: argparse.Namespace) -> Iterator[None]:
    """One step of zorki at each turn."""
    model: Any = registry.build(f"simclr_{options.backbone}", 1, {"image_size": options.size, "temperature": 0.5})
    if options.size <= 64:  # as lightly has it for CIFAR-10
        model.vary_views({"min_area": 0.08})
    model = on_device(model, "cpu").train()
    optimizer = optimizer_of(model)
    dataset = read_images(options.data)
    indices = list(range(len(dataset)))
    pipeline = Pipeline(dataset, model.preprocess, train=True)
    loader = Loader(pipeline, indices, batch_size=options.batch, sampler=ShuffledSampler(len(indices)),
                    drop_last=True, workers=options.workers)  # fmt: skip
    for epoch in range(10**6):
        loader.set_epoch(epoch)
        for batch in loader:
            with autocast("cpu", options.precision):
                loss = sum(model.loss(model(laid_out(batch.inputs, model)), batch.placed).values())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[union-attr]
            optimizer.step()
            yield


def theirs(options: argparse.Namespace) -> Iterator[None]:
    """One step of lightly at each turn."""
    from lightly.data import LightlyDataset  # type: ignore[import-not-found]
    from lightly.loss import NTXentLoss  # type: ignore[import-not-found]
    from lightly.models.modules import SimCLRProjectionHead  # type: ignore[import-not-found]
    from lightly.transforms import SimCLRTransform  # type: ignore[import-not-found]

    built: Any = registry.build(f"simclr_{options.backbone}", 1, {"image_size": options.size})
    width = built.backbone.channels[-1]
    hidden = built.head.blocks[0][0].out_features
    small = options.size <= 64
    transform = SimCLRTransform(
        input_size=options.size, cj_strength=0.5 if small else 1.0, gaussian_blur=0.0 if small else 0.5
    )
    network: Any = nn.ModuleDict({"backbone": built.backbone, "head": SimCLRProjectionHead(width, hidden, 128)})
    network = on_device(network, "cpu").train()
    optimizer, criterion = optimizer_of(network), NTXentLoss(temperature=0.5)
    dataset = LightlyDataset(str(options.data), transform=transform)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=options.batch, shuffle=True, drop_last=True, num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )  # fmt: skip
    while True:
        for views, *_ in loader:
            with autocast("cpu", options.precision):
                first, second = (
                    network["head"](network["backbone"](laid_out(view, network["backbone"]))[-1].mean((2, 3)))
                    for view in views
                )
                loss = criterion(first, second)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="cifar_resnet20")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sides: dict[str, Callable[[argparse.Namespace], Iterator[None]]] = {"zorki": ours, "lightly": theirs}
    running = {name: make(options) for name, make in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    clock = time.process_time if options.workers == 0 else time.perf_counter
    for step in range(options.steps + 2):
        for name, side in running.items():
            start = clock()
            next(side)
            if step >= 2:
                seconds[name].append(clock() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {1000 * median:.0f} ms a step, {options.batch / median:.0f} images/s")
    print(f"zorki is {medians['lightly'] / medians['zorki']:.2f} times as fast")


if __name__ == "__main__":
    main()

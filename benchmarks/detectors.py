"""Detectors and Mask R-CNN beside torchvision's: a training step, and a prediction from uint8 images to predictions.

    python benchmarks/detectors.py --size 320 --batch 2 --threads 1
    python benchmarks/detectors.py --models faster_rcnn_resnet50_fpn --device cuda --batch 4 --size 800

Both sides have the same random weights, images, boxes (and masks, for Mask R-CNN) and optimizer, all layers learn but
the statistics of the batch norms, and both are timed in one process, turn and turn about: what the machine does besides
hits both. A row is the median; the last column says how many times as fast as torchvision's ours is. On the CPU times
are of the processor. Ours has the memory format that some steps of each were quickest with, as in a training
(`--memory-format` says it).

A processor with AVX2 alone: ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python benchmarks/detectors.py ...
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zorki import registry
from zorki.engine.device import MEMORY_FORMATS, laid_out, on_device
from zorki.engine.speed_probe.ways import Way, fastest
from zorki.engine.speed_probe.ways import timed as timed_in_turn
from zorki.errors import RecipeError
from zorki.types import Boxes, Instances, Placement
from zorki.weights import Weights, load_into

NUM_CLASSES = 20

# Our name, torchvision's builder, and whether its labels count background.
PAIRS = {
    "faster_rcnn_resnet50_fpn": ("fasterrcnn_resnet50_fpn", True),
    "retinanet_resnet50_fpn": ("retinanet_resnet50_fpn", False),
    "fcos_resnet50_fpn": ("fcos_resnet50_fpn", False),
    "ssd300_vgg16": ("ssd300_vgg16", True),
    "mask_rcnn_resnet50_fpn": ("maskrcnn_resnet50_fpn", True),
}


def built(name: str, size: int) -> tuple[Any, nn.Module, bool]:
    """Ours and torchvision's with the same weights, and whether torchvision's labels count background."""
    from torchvision.models import detection
    from torchvision.ops import FrozenBatchNorm2d

    theirs_name, shifted = PAIRS[name]
    sizes = {} if name == "ssd300_vgg16" else {"min_size": size, "max_size": size}
    theirs = getattr(detection, theirs_name)(
        weights=None, weights_backbone=None, num_classes=NUM_CLASSES + shifted, **sizes
    )
    ours = registry.build(name, NUM_CLASSES)
    match = load_into(ours, Weights(theirs.state_dict(), {}, Path(__file__)), ours.weight_map)
    print(f"{name}: {len(match.matched)} tensors shared, {len(match.unused)} of torchvision's left over")
    freeze(theirs, FrozenBatchNorm2d)
    return ours, theirs, shifted


def freeze(network: nn.Module, kind: Callable[[int], nn.Module]) -> None:
    """Puts torchvision's frozen batch norms where it would put them for published weights."""
    for name, module in network.named_children():
        if isinstance(module, nn.BatchNorm2d):
            frozen = kind(module.num_features)
            frozen.load_state_dict(module.state_dict(), strict=False)
            setattr(network, name, frozen)
        else:
            freeze(module, kind)


def scene(size: int, count: int) -> tuple[Tensor, list[Boxes]]:
    """Random images, smooth enough to be images, with ten boxes each."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (count, 3, size // 16, size // 16), generator=generator).float()
    images = nn.functional.interpolate(coarse, (size, size), mode="bilinear").byte()
    targets = []
    for _ in range(count):
        low = torch.rand(10, 2, generator=generator) * size * 0.7
        high = low + size * 0.05 + torch.rand(10, 2, generator=generator) * size * 0.25
        targets.append(Boxes(torch.cat([low, high], 1), torch.randint(0, NUM_CLASSES, (10,), generator=generator)))
    return images, targets


def ellipses(boxes: Boxes, side: int) -> Instances:
    """An object of each box's size and place."""
    axis = torch.arange(side) + 0.5
    x1, y1, x2, y2 = boxes.xyxy[:, :, None, None].unbind(1)
    across = (axis - (x1 + x2) / 2) / ((x2 - x1) / 2)
    down = (axis[:, None] - (y1 + y2) / 2) / ((y2 - y1) / 2)
    return Instances(boxes.xyxy, boxes.labels, across.square() + down.square() <= 1)


def steps(
    name: str, size: int, batch: int, device: str
) -> tuple[nn.Module, dict[str, tuple[Callable[[], Any], Callable[[], Any]]]]:
    """Our network, and for each kind of work ours and torchvision's."""
    torch.manual_seed(0)
    ours, theirs, shifted = built(name, size)
    ours.to(device)
    theirs.to(device)
    images, targets = scene(300 if name == "ssd300_vgg16" else size, batch)
    side = images.shape[2]
    place = Placement(side, side, input_height=side, input_width=side)
    pixels = images.to(device)
    wanted = [{"boxes": t.xyxy.to(device), "labels": t.labels.to(device) + int(shifted)} for t in targets]
    if name.startswith("mask_rcnn"):
        targets = [ellipses(one, side) for one in targets]
        for one, words in zip(targets, wanted, strict=True):
            words["masks"] = one.masks.to(device, torch.uint8)
    ours_rule, theirs_rule = (torch.optim.SGD(network.parameters(), 1e-6) for network in (ours, theirs))

    def learn(loss: Callable[[], dict[str, Tensor]], rule: torch.optim.SGD) -> None:
        rule.zero_grad()
        torch.stack(list(loss().values())).sum().backward()
        rule.step()

    def floats() -> list[Tensor]:
        return list(images.to(device).float() / 255)

    def train_ours() -> None:
        ours.train()
        learn(lambda: ours.loss(ours(laid_out(pixels, ours)), targets), ours_rule)

    def train_theirs() -> None:
        theirs.train()
        learn(lambda: theirs(floats(), [dict(one) for one in wanted]), theirs_rule)

    @torch.inference_mode()
    def predict_ours() -> Any:
        return ours.eval().decode(ours(laid_out(pixels, ours)), [place] * batch)

    @torch.inference_mode()
    def predict_theirs() -> Any:
        return theirs.eval()(floats())

    return ours, {"training step": (train_ours, train_theirs), "prediction": (predict_ours, predict_theirs)}


def timed(work: Callable[[], Any], device: str) -> float:
    """Milliseconds of one call; on the CPU those of the processor, which other jobs lengthen less."""
    if device != "cuda":
        start = time.process_time()
        work()
        return (time.process_time() - start) * 1e3
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def lay_out(ours: nn.Module, work: Callable[[], Any], memory_format: str, options: argparse.Namespace) -> str:
    """Gives our network the memory format of that name, or for "auto" the one that the work is quickest with."""
    if memory_format == "auto":
        ways = {Way(layout, "32", options.threads): layout for layout in MEMORY_FORMATS}

        def step(layout: str) -> Callable[[], object]:
            def run() -> None:
                on_device(ours, options.device, layout)
                work()

            return run

        clock = time.perf_counter if options.device == "cuda" else time.process_time
        memory_format = fastest(timed_in_turn({way: step(layout) for way, layout in ways.items()}, clock)).memory_format
    on_device(ours, options.device, memory_format)
    return memory_format


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--size", type=int, default=320, help="of square images; SSD300 has its own")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--memory-format", default="auto", choices=["auto", *MEMORY_FORMATS])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for name in options.models:
        try:
            registry.find(name)
        except RecipeError as error:
            print(f"{name} is left out: {error}")
            continue
        network, works = steps(name, options.size, options.batch, options.device)
        for kind, pair in works.items():
            layout = lay_out(network, pair[0], options.memory_format, options)
            for work in pair * 2:  # caches fill, kernels are chosen
                work()
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.repeats):
                for side, work in enumerate(pair):
                    times[side].append(timed(work, options.device))
            ours, theirs = (statistics.median(some) for some in times)
            rows.append(f"| {name} | {kind} | {layout} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.2f} |")
            print(rows[-1], flush=True)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()} CPU"
    print(
        f"\nImages of {options.size} x {options.size}, batch {options.batch}, float32, "
        f"{options.threads} thread(s), {where}, torch {torch.__version__}; milliseconds.\n"
    )
    print("| model | work | memory format | zorki | torchvision | times as fast |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()

"""Losses and boxes of our own against torch's and torchvision's of the same name: equal values, and what a pass costs.

python benchmarks/losses.py

Each pair is computed in turn, forward and backward, in one run; the ratio is of the medians, below 1 where ours is
faster. What differs beside rounding is the eps of torchvision's denominators, and what it gives for empty boxes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import ops

from zorki.losses.focal import focal_loss_of_labels
from zorki.losses.giou import giou_loss
from zorki.ops.boxes import generalized_iou, pairwise_iou

ANCHORS, CLASSES, POSITIVES = 2 * 19_206, 80, 200  # RetinaNet's on two images of 320 x 320


@dataclass
class Pair:
    """The same number from two functions of one tensor that takes a gradient."""

    name: str
    x: Tensor
    ours: Callable[[Tensor], Tensor]
    theirs: Callable[[Tensor], Tensor]


def boxes(count: int, side: float, largest: float, seed: int) -> Tensor:
    """Xyxy boxes (count, 4) on a canvas of that side."""
    generator = torch.Generator().manual_seed(seed)
    low, size = torch.rand(2, count, 2, generator=generator)
    return torch.cat([low * side, low * side + size * largest], 1)


def pairs() -> list[Pair]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(ANCHORS, CLASSES, generator=generator) - 4
    labels = torch.full((ANCHORS,), -1)
    labels[torch.randperm(ANCHORS, generator=generator)[:POSITIVES]] = 3
    ones = torch.ones(ANCHORS)

    def dense_focal(x: Tensor) -> Tensor:
        wanted = functional.one_hot(labels.clamp_min(0), CLASSES) * (labels >= 0)[:, None]
        return ops.sigmoid_focal_loss(x, wanted.float(), reduction="none").sum()

    found = [Pair("focal_loss_of_labels", logits, lambda x: focal_loss_of_labels(x, labels, ones), dense_focal)]
    for name, side, largest in (("pixels", 320.0, 80.0), ("shares", 1.0, 0.02)):
        a, b = boxes(4000, side, largest, 1), boxes(4000, side, largest, 2)
        b = a + (b - a) * 0.02
        few, some = boxes(100, side, largest, 3), boxes(4000, side, largest, 4)
        found += [
            Pair(
                f"giou_loss, {name}",
                a,
                lambda x, b=b: giou_loss(x, b).sum(),
                lambda x, b=b: ops.generalized_box_iou_loss(x, b, reduction="sum"),
            ),
            Pair(
                f"generalized_iou, {name}",
                some,
                lambda x, few=few: generalized_iou(x[:, None], few[None]).sum(),
                lambda x, few=few: ops.generalized_box_iou(x, few).sum(),
            ),
            Pair(
                f"pairwise_iou, {name}",
                some,
                lambda x, few=few: pairwise_iou(x, few).sum(),
                lambda x, few=few: ops.box_iou(x, few).sum(),
            ),
        ]
    return found


def once(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, float, Tensor]:
    """Seconds of a forward and a backward pass, the value, and the gradient."""
    x = x.clone().requires_grad_()
    begun = time.perf_counter()
    value = function(x)
    value.backward()
    taken = time.perf_counter() - begun
    assert x.grad is not None
    return taken, value.item(), x.grad


def compare(pair: Pair, repeats: int) -> str:
    """One line: times, their ratio, and the relative difference of the values and of the gradients."""
    ours, theirs = [], []
    for _ in range(repeats + 1):  # the first of each warms up
        ours.append(once(pair.ours, pair.x))
        theirs.append(once(pair.theirs, pair.x))
    mine, other = (statistics.median(row[0] for row in rows[1:]) * 1e3 for rows in (ours, theirs))
    (_, a, slope_a), (_, b, slope_b) = ours[-1], theirs[-1]
    values = abs(a - b) / max(abs(b), 1e-12)
    slopes = float((slope_a - slope_b).abs().max() / slope_b.abs().max())
    return (
        f"{pair.name:26} ours {mine:8.2f} ms, theirs {other:8.2f} ms: {mine / other:.2f}; "
        f"values differ by {values:.1e}, gradients by {slopes:.1e}"
    )


def empty_boxes() -> str:
    """What two empty boxes in one place have, and what their slopes are."""
    point = torch.zeros(1, 4)
    found = []
    for name, function in (
        ("pairwise_iou", pairwise_iou),
        ("ops.box_iou", ops.box_iou),
        ("generalized_iou", lambda a, b: generalized_iou(a[:, None], b[None])),
        ("ops.generalized_box_iou", ops.generalized_box_iou),
    ):
        found.append(f"{name} {function(point, point).item():.1f}")
    return "two empty boxes in one place: " + ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for pair in pairs():
        print(compare(pair, options.repeats), flush=True)
    print(empty_boxes())


if __name__ == "__main__":
    main()

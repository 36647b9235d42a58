"""Settings that several tasks have: one help, one range, one default each."""

from __future__ import annotations

from typing import Any

from zorki.settings import setting


def label_smoothing(task: str) -> Any:
    return setting(0.0, task, "Label smoothing.", unit="fraction", least=0, most=1, aliases=("smoothing",), off=0.0)


def class_weights(task: str) -> Any:
    return setting(False, task, "Weight classes by the inverse of their frequency.")


def pixel_loss(task: str) -> Any:
    return setting(
        None,
        task,
        "Terms of the loss: ce, dice, focal, lovasz and tversky, such as ce,dice or ce:1,dice:0.5; empty: the model's "
        "own.",
    )


def border_weight(task: str) -> Any:
    return setting(0.0, task, "Additional weight of pixels between touching objects (U-Net's is 10).", least=0, off=0.0)


def elastic(task: str) -> Any:
    return setting(
        0.0,
        task,
        "Elastic deformation: standard deviation of the displacements of a coarse grid (U-Net's is 10).",
        unit="pixels",
        least=0,
        off=0.0,
    )


def mixup(task: str) -> Any:
    return setting(0.0, task, "MixUp: alpha of the Beta distribution, such as 0.2.", least=0, off=0.0)

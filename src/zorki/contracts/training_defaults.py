"""What a network asks of its training where the user says nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingDefaults:
    """Training settings that suit a network; None leaves a field to the data and the machine.

    `DETECTOR_DEFAULTS | TrainingDefaults(lr=1e-4)` is the left one with what the right one sets.

    >>> (TrainingDefaults(lr=0.1, batch_size=8) | TrainingDefaults(lr=0.2)).lr
    0.2
    """

    optimizer: str | None = None
    lr: float | None = None
    """Learning rate from scratch: with SGD for batches of 128 images, else as it stands."""
    finetune_lr: float | None = None
    """Learning rate on pretrained weights."""
    weight_decay: float | None = None
    batch_size: int | None = None
    clip_grad: float | None = None
    """Maximum gradient norm."""
    warmup_epochs: float | None = None
    random_crop: float | None = None
    """Least share of the image's area that a random crop keeps; 1 turns cropping off."""
    translate: float | None = None
    """Largest shift, as a share of the image's side."""
    precision: str | None = None

    def __or__(self, other: TrainingDefaults) -> TrainingDefaults:
        theirs = {field.name: getattr(other, field.name) for field in dataclasses.fields(other)}
        return dataclasses.replace(self, **{name: value for name, value in theirs.items() if value is not None})

"""Which samples are varied, without what changes colors, and how far a target may lie beside what was painted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Preprocess
from zorki.contracts.capabilities import Precomputes
from zorki.engine.checks.report import Inspection
from zorki.engine.training.plan import TrainingPlan
from zorki.types import Sample

DRAWS = 24  # samples that are varied
PLAIN = {  # what changes colors, and covers parts
    "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "noise": 0.0, "blur": 0.0, "cutout": 0.0,
}  # fmt: skip
PAINTED = 192  # of 255; canvases are darker
WRONG = 0.15  # share of the draws
FEW = 4  # draws that are compared


def draws(plan: TrainingPlan) -> list[int]:
    """Training samples from all over the data."""
    indices = plan.train_indices
    return list(indices[:: max(1, len(indices) // DRAWS)][:DRAWS])


def plainly(plan: TrainingPlan, **settings: Any) -> TrainingPlan:
    """The same without what changes colors, and with these settings where its recipe has them."""
    known = type(plan.recipe).__dataclass_fields__
    own: dict[str, Any] = {name: value for name, value in (PLAIN | settings).items() if name in known}
    return dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, **own))


def preprocess_of(plan: TrainingPlan) -> Preprocess:
    """As training has it, of pixels alone."""
    own = plan.model.preprocess
    own = own.pixels if isinstance(own, Precomputes) else own
    return own.whole() if (plan.recipe.random_crop or 1.0) < 1 else own


def pixels_of(inputs: Any) -> Tensor | None:
    """The images among network inputs; None where they are no images, such as pairs of frames."""
    if isinstance(inputs, Tensor):
        return inputs
    if not dataclasses.is_dataclass(inputs):
        return None
    found = {f.name: getattr(inputs, f.name) for f in dataclasses.fields(inputs)}.get("images")
    return found if isinstance(found, Tensor) else None


def painted(sample: Sample[Any], white: Tensor, target: Any) -> Sample[Any]:
    """The sample with an image that is white there and black elsewhere."""
    image = white.to(torch.uint8).mul(255)[None].repeat(3, 1, 1)
    return dataclasses.replace(sample, image=image, target=target)


def tell_moved(inspection: Inspection, compared: int, wrong: Sequence[Path], what: str) -> None:
    """The finding ZA004 where too many of the compared draws have their target elsewhere."""
    if not compared:
        return
    inspection.wants("ZA004")
    inspection.report.facts[f"{what}s in their targets' places"] = (
        f"{compared - len(wrong)} of {compared} varied samples"
    )
    if compared >= FEW and len(wrong) > WRONG * compared:
        reason = f"in {len(wrong)} of {compared} varied samples the target lies elsewhere than its {what} in the image"
        inspection.add("ZA004", reason, wrong)

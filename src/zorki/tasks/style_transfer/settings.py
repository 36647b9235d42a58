"""What a training run of a network for one style can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting

_HEADING = "Style transfer"


@final
@dataclass(frozen=True)
class StyleTransferSettings(Recipe):
    """The style, and how much of it."""

    task: ClassVar[str] = "style_transfer"
    style: str | None = setting(
        None,
        _HEADING,
        "Image of the style to learn; several with weights: a.jpg:.7,b.jpg:.3; scenes:strokes is built in.",
    )
    style_size: int = setting(
        256, _HEADING, "Longer side of the style's image: larger is larger strokes.", unit="pixels", least=32
    )
    strength: float = setting(
        0.5, _HEADING, "Share of the style's loss, each divided by what it is at step 0.", least=0, most=1
    )
    smoothness: float = setting(
        0.01, _HEADING, "Weight of the total variation, divided by that of the images.", least=0, off=0.0
    )
    train_size: int = setting(
        256, _HEADING, "Side of the squares that are cut from the images to train on.", unit="pixels", least=48
    )

"""Normalized cross-correlation of gray values: the tracker that everything is held against (Lewis, 1995)."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.errors import ZorkiError
from zorki.types import Boxes

Array = np.ndarray[Any, np.dtype[Any]]

SEARCHED = 2.0
"""Side of the region that is searched, in those of the box."""


@dataclass(frozen=True)
class TemplateState:
    """The gray values of the first frame, and the corner (x, y) at which they were found last."""

    template: Array
    corner: tuple[int, int]


class TemplateMatching:
    """The first frame's pixels sought around the last place, at their own scale, by OpenCV; one object.

    Raises:
        ZorkiError: OpenCV is not installed.
    """

    def __init__(self) -> None:
        self.cv2 = _cv2()

    def start(self, frame: UInt8[Tensor, "3 H W"], box: Boxes) -> TemplateState:
        """The state after the first frame."""
        left, top, right, bottom = (round(value) for value in box.xyxy[0].tolist())
        gray = self._gray(frame)
        left, top = max(0, left), max(0, top)
        return TemplateState(gray[top : max(bottom, top + 1), left : max(right, left + 1)], (left, top))

    def step(self, state: TemplateState, frame: UInt8[Tensor, "3 H W"]) -> tuple[TemplateState, Boxes]:
        """The state after the next frame, and the object's box in it. Its score is the correlation, 0..1."""
        gray, (height, width) = self._gray(frame), state.template.shape
        margins = (round(width * (SEARCHED - 1) / 2) + 1, round(height * (SEARCHED - 1) / 2) + 1)
        left, top = (max(0, place - margin) for place, margin in zip(state.corner, margins, strict=True))
        part = gray[top : state.corner[1] + height + margins[1], left : state.corner[0] + width + margins[0]]
        corner, score = state.corner, 0.0
        # OpenCV finds a template of one color everywhere, with 1.
        if state.template.std() > 0 and part.shape[0] >= height and part.shape[1] >= width:
            response = self.cv2.matchTemplate(part, state.template, self.cv2.TM_CCOEFF_NORMED)
            _, score, _, (column, row) = self.cv2.minMaxLoc(response)
            corner = (left + column, top + row)
        xyxy = torch.tensor([[corner[0], corner[1], corner[0] + width, corner[1] + height]], dtype=torch.float32)
        scores = torch.tensor([min(1.0, max(0.0, float(score)))])
        return TemplateState(state.template, corner), Boxes(xyxy, torch.zeros(1, dtype=torch.int64), scores)

    def _gray(self, frame: Tensor) -> Array:
        pixels: Array = frame.permute(1, 2, 0).contiguous().numpy()
        return self.cv2.cvtColor(pixels, self.cv2.COLOR_RGB2GRAY)  # type: ignore[no-any-return]


def _cv2() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise ZorkiError("template matching needs OpenCV, which is not installed: pip install 'zorki[cv]'") from error
    return cv2

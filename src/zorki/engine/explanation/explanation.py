"""What a network looked at in one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from zorki.contracts.capabilities import Focus
from zorki.draw.images import shrink
from zorki.draw.maps import overlay
from zorki.engine.explanation.heat_map import HeatMap
from zorki.engine.explanation.sanity import SanityCheck
from zorki.types import Boxes, Placement

SIDE = 448  # pixels of the longer side of what is drawn


@dataclass
class Explanation:
    """What a network looked at in one image.

    Attributes:
        name: of the image, as given.
        image: its pixels, uint8 RGB.
        prediction: of the network, in pixels of the image.
        focus: what is explained, its box in pixels of the network; `placement` tells where that lies in the image.
        what: the same in words.
        score: the number that is explained; `unit` is what it is.
        maps: by method, each over the image.
        checks: by method, whether its map tells about the network.
        layer: whose maps Grad-CAM and LayerCAM read; None: none serves.
        notes: methods that are missing, and why.
    """

    name: str
    image: UInt8[ndarray, "3 H W"] = field(repr=False)
    prediction: Any = field(repr=False)
    focus: Focus = field(repr=False)
    placement: Placement
    what: str
    score: float
    unit: str
    maps: dict[str, HeatMap] = field(default_factory=dict, repr=False)
    checks: dict[str, SanityCheck] = field(default_factory=dict)
    layer: str | None = None
    notes: list[str] = field(default_factory=list)
    activations: Float[Tensor, "C h w"] | None = field(default=None, repr=False)

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Of the object or region that is explained, in pixels of the image; None: the whole image."""
        if self.focus.box is None:
            return None
        boxes = Boxes(torch.tensor([self.focus.box]), torch.zeros(1, dtype=torch.int64)).restore(self.placement)
        left, top, right, bottom = boxes.xyxy[0].tolist()
        return left, top, right, bottom

    def plot(self, method: str, side: int = SIDE) -> UInt8[ndarray, "H W 3"]:
        """The image under the map of a method, its longer side so many pixels at most; see `overlay`."""
        small = shrink(self.image, min(side, max(self.image.shape[1:])))
        return overlay(small, self.maps[method].at_size(*small.shape[1:])).transpose(1, 2, 0)

    def to_json(self) -> dict[str, Any]:
        """All but the maps, in plain values."""
        return {
            "image": self.name, "what": self.what, "label": self.focus.label, "box": self.box, "score": self.score,
            "unit": self.unit, "layer": self.layer, "notes": self.notes,
            "methods": [{"method": name, **found.to_json()} for name, found in self.checks.items()],
        }  # fmt: skip

"""What a network looked at in one image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
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

SIDE = 448  # pixels of the longer side of what is drawn, of one frame
COLUMNS = 4  # of a clip's frames in a row


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
        frames: of a clip, which lie side by side in the image and in the maps; 1: it is an image.
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
    frames: int = 1

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Of the object or region that is explained, in pixels of the image; None: the whole image."""
        if self.focus.box is None:
            return None
        boxes = Boxes(torch.tensor([self.focus.box]), torch.zeros(1, dtype=torch.int64)).restore(self.placement)
        left, top, right, bottom = boxes.xyxy[0].tolist()
        return left, top, right, bottom

    def plot(self, method: str, side: int = SIDE) -> UInt8[ndarray, "H W 3"]:
        """The image under the map of a method, its longer side so many pixels at most; see `overlay`.

        Of a clip each frame, in rows of four.
        """
        width = self.image.shape[2] // self.frames
        longest = min(side, max(self.image.shape[1], width))
        small = np.concatenate([shrink(frame, longest) for frame in np.split(self.image, self.frames, axis=2)], axis=2)
        drawn = overlay(small, self.maps[method].at_size(*small.shape[1:])).transpose(1, 2, 0)
        return drawn if self.frames == 1 else in_rows(drawn, self.frames)

    def shown_image(self) -> UInt8[ndarray, "3 H W"]:
        """The image; of a clip its frames in rows."""
        return (
            self.image if self.frames == 1 else in_rows(self.image.transpose(1, 2, 0), self.frames).transpose(2, 0, 1)
        )

    def close_up(self, side: int = SIDE) -> Explanation:
        """The part that the network was shown, its longer side about so many pixels, where that is a small one."""
        left, top, right, bottom = self._shown_part()
        height, width = self.image.shape[1:]
        if 4 * (right - left) * (bottom - top) > height * width:
            return self
        times = max(1, round(side / max(right - left, bottom - top)))
        image = self.image[:, top:bottom, left:right].repeat(times, 1).repeat(times, 2)
        across, down = self.placement.scales
        placement = replace(
            self.placement, height=image.shape[1], width=image.shape[2], scale=self.placement.scale / times,
            left=self.placement.left + left * across, top=self.placement.top + top * down,
        )  # fmt: skip
        maps = {name: HeatMap(one.values, placement) for name, one in self.maps.items()}
        return replace(self, image=image, placement=placement, maps=maps)

    def _shown_part(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in whole pixels of the image; one pixel at least."""
        place = self.placement
        ends = []
        for begin, scale, shown, length in (
            (place.left, place.scales[0], place.input_width, place.width),
            (place.top, place.scales[1], place.input_height, place.height),
        ):
            low = min(max(0, math.floor(-begin / scale)), length - 1)
            ends.append((low, max(low + 1, min(length, math.ceil((shown - begin) / scale)))))
        (left, right), (top, bottom) = ends
        return left, top, right, bottom

    def to_json(self) -> dict[str, Any]:
        """All but the maps, in plain values."""
        return {
            "image": self.name, "what": self.what, "label": self.focus.label, "box": self.box, "score": self.score,
            "unit": self.unit, "layer": self.layer, "notes": self.notes,
            "methods": [{"method": name, **found.to_json()} for name, found in self.checks.items()],
        }  # fmt: skip


def in_rows(strip: UInt8[ndarray, "H columns 3"], frames: int) -> UInt8[ndarray, "H2 W2 3"]:
    """The frames of a strip in rows of `COLUMNS`, white where the last row ends early."""
    each = np.split(strip, frames, axis=1)
    across = min(COLUMNS, frames)
    each += [np.full_like(each[0], 255)] * (-frames % across)
    return np.concatenate([np.concatenate(each[at : at + across], 1) for at in range(0, len(each), across)])

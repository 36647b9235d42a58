"""Where an original image lies inside the input of a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Placement:
    """Where an original image sits inside the network's input: network = original * scale + (left, top).

    `height` and `width` are the original's, `input_height` and `input_width` the network's, in pixels. Negative `left`
    or `top` mean that the original is cropped there. `stretch` is by how much x is scaled more than y.
    """

    height: int
    width: int
    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0
    input_height: int = 0
    input_width: int = 0
    stretch: float = 1.0

    @property
    def scales(self) -> tuple[float, float]:
        """Of x and of y."""
        return self.scale * self.stretch, self.scale

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """The original's edges in network pixels: left, top, right, bottom."""
        x, y = self.scales
        return self.left, self.top, self.left + self.width * x, self.top + self.height * y

"""A built-in style: short strokes of the brush in warm and cold colors that follow a turning flow."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

_COLORS = np.array(
    [(20, 44, 96), (38, 84, 148), (92, 148, 190), (236, 196, 70), (214, 120, 48), (24, 60, 72), (222, 214, 178)],
    dtype=np.float64,
)
_SHARES = (0.2, 0.24, 0.18, 0.12, 0.08, 0.1, 0.08)


def paint_strokes(side: int = 256, seed: int = 0) -> UInt8[Tensor, "3 side side"]:
    """The style, `side` pixels wide and high: always the same for one seed."""
    from PIL import Image, ImageDraw

    chance = np.random.default_rng(seed)
    fine = 2 * side  # painted twice as large, for smooth edges
    canvas = Image.new("RGB", (fine, fine), (30, 56, 104))
    pen = ImageDraw.Draw(canvas)
    centers = chance.uniform(0.1, 0.9, (4, 2)) * fine
    for _ in range(fine * fine // 160):
        x, y = chance.uniform(0, fine, 2)
        angle = _flow(x, y, centers, fine)
        color = _COLORS[chance.choice(len(_COLORS), p=_SHARES)] + chance.normal(0, 10, 3)
        length, width = chance.uniform(0.02, 0.05) * fine, max(2, round(chance.uniform(0.008, 0.014) * fine))
        steps = [(x, y)]
        for _ in range(4):
            x, y = x + math.cos(angle) * length / 4, y + math.sin(angle) * length / 4
            angle = _flow(x, y, centers, fine)
            steps.append((x, y))
        pen.line(steps, fill=tuple(int(value) for value in color.clip(0, 255)), width=width, joint="curve")
    pixels = np.asarray(canvas.resize((side, side), Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _flow(x: float, y: float, centers: np.ndarray, side: int) -> float:
    """The direction of a stroke: round the nearest centers, and slanting far from them."""
    dx, dy = 0.35, 0.2
    for number, (cx, cy) in enumerate(centers):
        near = math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (0.18 * side) ** 2) * 3 * (1 if number % 2 else -1)
        distance = math.hypot(x - cx, y - cy) + 1e-6
        dx, dy = dx - near * (y - cy) / distance, dy + near * (x - cx) / distance
    return math.atan2(dy, dx)

"""A model that tracks, of which every test can say what it finds."""

from __future__ import annotations

import torch

from zorki.contracts import Model
from zorki.types import Boxes


class Drifting(Model):
    """Every box goes one pixel to the right in each frame."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(()))

    def forward(self, inputs):
        raise AssertionError("videos are followed")

    def loss(self, outputs, targets):
        raise AssertionError("nothing is learned")

    def decode(self, outputs, placements):
        raise AssertionError("videos are followed")

    def start(self, frame, box):
        return box.xyxy

    def step(self, state, frame):
        moved = state + torch.tensor([1.0, 0.0, 1.0, 0.0])
        return moved, Boxes(moved, torch.zeros(len(moved), dtype=torch.int64), torch.full((len(moved),), 0.5))

"""From a backbone's last feature map to a vector that still knows where things are."""

from __future__ import annotations

import torch
from torch import nn

from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.initialize import initialize_he

REDUCED = 64  # channels


def regression_head(backbone: Backbone, size: tuple[int, int], hidden: int, dropout: float = 0.0) -> nn.Sequential:
    """Channels reduced, and every place of the map read by a hidden layer.

    Norms keep what the output layer reads near 1, whatever the backbone's features are: else one step of the optimizer
    would move joints by whole crops. A pool over places, as classifiers have it, would lose where things are.

    Args:
        size: (height, width) of the backbone's input, in pixels.
        hidden: values that come out.
    """
    was = backbone.training
    with torch.no_grad():
        height, width = backbone.eval()(torch.zeros(1, 3, *size))[-1].shape[2:]
    backbone.train(was)
    layers = [
        nn.Conv2d(backbone.channels[-1], REDUCED, 1), nn.ReLU(True), nn.Flatten(),
        nn.Linear(REDUCED * height * width, hidden), nn.LayerNorm(hidden), nn.ReLU(True), nn.Dropout(dropout),
    ]  # fmt: skip
    head = nn.Sequential(*layers)
    initialize_he(head)
    return head

"""C3D: 3x3x3 convolutions throughout.

Tran et al., 2015: Learning Spatiotemporal Features with 3D Convolutional Networks.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from zorki.contracts import Model, TrainingDefaults
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.registry import Variant, model
from zorki.tasks.video_classification.classifier import DEFAULTS
from zorki.tasks.video_classification.task import VideoClassification
from zorki.tasks.video_classification.volumes import VolumeClassifier

# Figure 3: convolutions a stage and their filters, in units of the first one's 64; a pooling layer after each stage.
_STAGES = ((1,), (2,), (4, 4), (8, 8), (8, 8))
_GRID = 4  # rows and columns of pool5, for 16 frames of 112 x 112; one in time


class HiddenLayersHead(nn.Module):
    """fc6, fc7 and the output layer on the grid of the last pooling; other sizes of input are averaged to it."""

    def __init__(self, channels: int, num_classes: int, *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(_GRID)  # of the mean over time: ONNX knows no pooling of volumes to a size
        self.fc6 = nn.Linear(channels * _GRID**2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.fc8 = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)
        initialize_he(self)
        initialize_output(self.fc8)

    def forward(self, x: Float[Tensor, "M C T H W"]) -> Float[Tensor, "M K"]:
        x = self.dropout(self.fc6(self.pool(x.mean(2)).flatten(1)).relu())
        return self.fc8(self.dropout(self.fc7(x).relu()))  # type: ignore[no-any-return]


def _trunk(width: int, batch_norm: bool) -> nn.Sequential:
    stages, channels = [], 3
    for number, factors in enumerate(_STAGES):
        layers: list[nn.Module] = []
        for factor in factors:
            layers.append(nn.Conv3d(channels, width * factor, 3, padding=1, bias=not batch_norm))
            layers += [nn.BatchNorm3d(width * factor)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = width * factor
        # The first pooling keeps time, not to merge it too early (section 3.1). The last one's padding makes 4 x 4
        # of 7 x 7, and frames that are fewer than 16 are down to one before.
        kernel = (1, 2, 2) if number == 0 else (2, 2, 2)
        if number == len(_STAGES) - 1:
            # Before the first row and column: with padding behind the last, too, ONNX before opset 22 tells another
            # size than the maps have. Zeros are below nothing that a rectifier lets through.
            layers.append(nn.ZeroPad3d((1, 0, 1, 0, 0, 0)))
        layers.append(nn.MaxPool3d(kernel, kernel, ceil_mode=number > 0))
        stages.append(nn.Sequential(*layers))
    return nn.Sequential(*stages)


@model(
    VideoClassification,
    variants=[
        Variant("c3d", "C3D (Tran et al., 2015): 16 frames of 112 x 112.", {"batch_norm": False}, weights={}),
        Variant("c3d_bn", "C3D with batch norm, which learns from nothing.", {"batch_norm": True}, weights={}),
        Variant(
            "c3d_small",
            "C3D of a quarter of the width, with batch norm, for small frames and processors.",
            {"batch_norm": True},
            defaults={"width": 16, "hidden": 256, "image_size": 64},
            weights={},
        ),
    ],
)
def c3d(
    num_classes: int,
    *,
    batch_norm: bool,
    image_size: int = 112,
    frames: int = 16,
    stride: int = 1,
    width: int = 64,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> Model[Any, Any, Any]:
    """C3D (Tran et al., 2015).

    Args:
        image_size: side of the network's input, in pixels.
        frames: of a clip.
        stride: every so many-th frame of a film is taken.
        width: filters of the first layer.
        hidden: width of the two hidden layers.
        dropout: probability, of the hidden layers.
    """
    trunk = _trunk(width, batch_norm)
    initialize_he(trunk)
    return VolumeClassifier(
        trunk,
        HiddenLayersHead(width * _STAGES[-1][-1], num_classes, hidden=hidden, dropout=dropout),
        num_classes=num_classes,
        preprocess=Clips(frames, stride, ResizeCrop(image_size, 0.875 if image_size >= 112 else 1.0)),
        defaults=DEFAULTS if batch_norm else DEFAULTS | TrainingDefaults(lr=1e-4),
    )

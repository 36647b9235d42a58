"""Recurrent networks over the features of frames (Donahue et al., 2015: long-term recurrent convolutional networks)."""

from __future__ import annotations

from typing import Any, Literal

from zorki.contracts import Model
from zorki.registry import Variant, model
from zorki.tasks.video_classification.frames import Recurrent
from zorki.tasks.video_classification.on_backbone import frame_classifier, on_named_backbones
from zorki.tasks.video_classification.task import VideoClassification

_LSTM, _GRU = {"cell": "lstm"}, {"cell": "gru"}


@model(
    VideoClassification,
    variants=[
        *on_named_backbones("lstm", "LSTM over features of frames: {title}.", _LSTM),
        *on_named_backbones("gru", "GRU over features of frames: {title}.", _GRU),
    ],
    any_backbone=[
        Variant("lstm_{backbone}", "LSTM over features of frames.", _LSTM),
        Variant("gru_{backbone}", "GRU over features of frames.", _GRU),
    ],
)
def recurrent(
    num_classes: int,
    *,
    backbone: str,
    cell: Literal["lstm", "gru"],
    image_size: int = 224,
    frames: int = 8,
    stride: int = 4,
    hidden: int = 256,
    bidirectional: bool = False,
    dropout: float = 0.0,
) -> Model[Any, Any, Any]:
    """A recurrent network over the features of frames (Donahue et al., 2015).

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        cell: "lstm" or "gru".
        image_size: side of the network's input, in pixels.
        frames: of a clip.
        stride: every so many-th frame of a film is taken.
        hidden: width of the state.
        bidirectional: a second one reads the frames from the last to the first.
        dropout: probability, of the last state.
    """
    settings: dict[str, Any] = {
        "cell": cell, "hidden": hidden, "bidirectional": bidirectional, "dropout": dropout,
    }  # fmt: skip
    return frame_classifier(
        backbone, lambda width: Recurrent(width, num_classes, **settings), num_classes, image_size=image_size,
        frames=frames, stride=stride,
    )  # fmt: skip

"""Networks that look at single frames, and what becomes of the features of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from zorki.data.preprocess.clips import Clips
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.initialize import initialize_output
from zorki.tasks.video_classification.classifier import ClipClassifier, ClipLogits
from zorki.tasks.video_classification.frame_features import feature_clips
from zorki.weights.weight_map import WeightMap


class FrameClassifier(ClipClassifier):
    """A backbone on every frame, averaged over its last map, and a head on the features of a clip.

    Args:
        head: turns features (M, T, D) into logits (M, K).
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        num_classes: int,
        preprocess: Clips,
        mean: Sequence[float],
        std: Sequence[float],
        weight_map: WeightMap,
    ) -> None:
        super().__init__(num_classes=num_classes, preprocess=preprocess, mean=mean, std=std, weight_map=weight_map)
        self.backbone = backbone
        self.head = head

    def clip_logits(self, clips: Float[Tensor, "M T 3 H W"]) -> Float[Tensor, "M K"]:
        return self.head(self.frame_features(clips))  # type: ignore[no-any-return]

    def forward(self, inputs: Num[Tensor, "B *N T 3 H W"] | Float[Tensor, "B *N T D"]) -> ClipLogits:
        """As of every network for films, or of features of frames in the place of pixels: see `store_features`."""
        if inputs.ndim > 4:
            return super().forward(inputs)
        clips = inputs.unsqueeze(1) if inputs.ndim == 3 else inputs
        return ClipLogits(self.head(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]))

    def store_features(self, *, precision: str, mirrored: bool) -> None:
        """From here on, until the network is opened anew, its preprocessing gives stored features of the backbone.

        Args:
            precision: of the training.
            mirrored: whether films are mirrored in it; they are varied in no other way.
        """
        self.preprocess = feature_clips(
            self.preprocess, self.normalize, self.backbone, self.frame_features, precision=precision, mirrored=mirrored
        )

    def frame_features(self, clips: Float[Tensor, "M T 3 H W"]) -> Float[Tensor, "M T D"]:
        """The mean over the last map of every frame."""
        last = self.backbone(clips.flatten(0, 1))[-1]
        return last.mean((2, 3)).unflatten(0, clips.shape[:2])  # type: ignore[no-any-return]

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()


class AverageFeatures(nn.Module):
    """The mean of a clip's features, and a linear layer."""

    def __init__(self, width: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, num_classes)
        initialize_output(self.fc)

    def forward(self, features: Float[Tensor, "M T D"]) -> Float[Tensor, "M K"]:
        return self.fc(self.dropout(features.mean(1)))  # type: ignore[no-any-return]


class AverageScores(nn.Module):
    """A linear layer on every frame; the logits are the logarithms of the mean of the frames' probabilities."""

    def __init__(self, width: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, num_classes)
        initialize_output(self.fc)

    def forward(self, features: Float[Tensor, "M T D"]) -> Float[Tensor, "M K"]:
        shares = self.fc(self.dropout(features)).float().log_softmax(2)
        return shares.logsumexp(1) - torch.tensor(float(features.shape[1])).log()


class Recurrent(nn.Module):
    """An LSTM or GRU over a clip's features, and a linear layer on its last state.

    Args:
        cell: "lstm" or "gru".
        hidden: width of the state.
        bidirectional: a second one reads the frames from the last to the first.
    """

    def __init__(
        self,
        width: int,
        num_classes: int,
        *,
        cell: Literal["lstm", "gru"],
        hidden: int,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.hidden = hidden
        self.recurrent = kind(width, hidden, batch_first=True, bidirectional=bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden * (1 + bidirectional), num_classes)
        initialize_output(self.fc)

    def forward(self, features: Float[Tensor, "M T D"]) -> Float[Tensor, "M K"]:
        """Of both directions the state after the last frame that each reads."""
        states = self.recurrent(features)[0]
        last = torch.cat([states[:, -1, : self.hidden], states[:, 0, self.hidden :]], 1)
        return self.fc(self.dropout(last))  # type: ignore[no-any-return]

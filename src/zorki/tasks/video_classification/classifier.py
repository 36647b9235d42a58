"""What every network for films has: pixels, normalization, clips, softmax, and the mean over the clips of a film."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.data.preprocess.clips import Clips
from zorki.losses.cross_entropy import CrossEntropy
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.types import Label, Placement, VideoLabel
from zorki.weights.weight_map import WeightMap

DEFAULTS = TrainingDefaults(optimizer="adamw", lr=1e-3, finetune_lr=1e-4, clip_grad=5.0)
"""Adam learns networks of every kind here, recurrent ones too, at one rate; gradients of long clips are clipped."""


@dataclass
class ClipLogits:
    """Logits of N clips of each film."""

    clips: Float[Tensor, "B N K"]


torch.export.register_dataclass(ClipLogits)  # exported graphs take networks apart into tensors


class ClipClassifier(Model[ClipLogits, Label, VideoLabel]):
    """A network that classifies clips, trained by cross-entropy; a film's scores are the mean over its clips.

    Args:
        preprocess: from films to clips; of its own length where the network takes no other.
        mean, std: of the input in units of 0..1, as the published weights want them.
    """

    preprocess: Clips

    def __init__(
        self,
        *,
        num_classes: int,
        preprocess: Clips,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        weight_map: WeightMap = WeightMap(),
        defaults: TrainingDefaults = DEFAULTS,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.preprocess = preprocess
        self.normalize = Normalize(3, mean, std)
        self.criterion: nn.Module = CrossEntropy()
        self.weight_map = weight_map
        self.defaults = defaults

    @abstractmethod
    def clip_logits(self, clips: Float[Tensor, "M T 3 H W"]) -> Float[Tensor, "M K"]:
        """Logits of clips of normalized frames."""

    def forward(self, inputs: Num[Tensor, "B *N T 3 H W"]) -> ClipLogits:
        """Logits of one clip a film (B, T, 3, H, W), or of N."""
        clips = inputs.unsqueeze(1) if inputs.ndim == 5 else inputs
        flat = clips.flatten(0, 1)
        frames = self.normalize(flat.flatten(0, 1)).unflatten(0, flat.shape[:2])
        return ClipLogits(self.clip_logits(frames).unflatten(0, clips.shape[:2]))

    @property
    def clip_frames(self) -> int:
        """Frames of a clip; see `TakesClips`."""
        return self.preprocess.frames

    def trace(self, images: Num[Tensor, "B 3 T H W"]) -> ClipLogits:
        """Logits of one clip a film; see `Traces`."""
        return self(images.transpose(1, 2))  # type: ignore[no-any-return]

    def loss(self, outputs: ClipLogits, targets: Sequence[Label]) -> dict[str, Tensor]:
        """The cross-entropy, its mean over all clips."""
        count = outputs.clips.shape[1]
        labels = torch.tensor([target.index for target in targets], dtype=torch.int64)
        labels = labels.to(outputs.clips.device, non_blocking=True).repeat_interleave(count)
        return {"cross_entropy": self.criterion(outputs.clips.flatten(0, 1), labels)}

    @torch.no_grad()
    def decode(self, outputs: ClipLogits, placements: Sequence[Placement]) -> list[VideoLabel]:
        """The best class of each film by the mean of its clips' probabilities, on the CPU."""
        return labels_of(outputs.clips.float().softmax(2))

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        self.criterion = change(self.criterion)

    def expected_loss(self) -> float:
        return math.log(self.num_classes)

    focus_unit = "logit"

    def complete_focus(self, outputs: ClipLogits, focus: Focus, placement: Placement) -> Focus:
        """With the best class of the film, where none is named."""
        focus = focus.of_whole_image()
        return focus if focus.label is not None else replace(focus, label=int(outputs.clips[0].mean(0).argmax()))

    def focus_scores(self, outputs: ClipLogits, focus: Focus) -> Float[Tensor, " B"]:
        """The logit of the class, the mean over clips."""
        assert focus.label is not None
        return outputs.clips.mean(1)[:, focus.label]

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From the pixels of clips (B, T, 3, height, width) to "scores" (B, K), which sum to 1."""
        images = torch.zeros((2, self.preprocess.frames, 3, height, width), dtype=torch.uint8)
        return ExportGraph(ExportedClipClassifier(self), {"images": images}, ("scores",), Decoding("clip_label"))


class ExportedClipClassifier(nn.Module):
    """A network for clips from uint8 pixels to probabilities: the scores of `decode` for each clip."""

    def __init__(self, model: ClipClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "B T 3 H W"]) -> Float[Tensor, "B K"]:
        """The softmax of the logits."""
        return self.model(images).clips[:, 0].float().softmax(1)  # type: ignore[no-any-return]


def labels_of(scores: Float[Tensor, "B N K"]) -> list[VideoLabel]:
    """The best class of each film by the mean of its clips' scores, on the CPU."""
    clips = scores.cpu()  # one copy a batch
    films = clips.mean(1)
    best = films.argmax(1).tolist()
    return [VideoLabel(index, *rows) for index, *rows in zip(best, films.unbind(), clips.unbind(), strict=True)]

"""Networks of 3D convolutions: a clip is a volume of pixels."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.clips import Clips
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD
from zorki.tasks.video_classification.classifier import DEFAULTS, ClipClassifier
from zorki.weights.weight_map import WeightMap


class VolumeClassifier(ClipClassifier):
    """A trunk of 3D convolutions, and a head.

    Args:
        trunk: stages that turn (M, 3, T, H, W) into whatever the head reads, from input to output.
        head: gives logits (M, K).
    """

    def __init__(
        self,
        trunk: nn.Sequential,
        head: nn.Module,
        *,
        num_classes: int,
        preprocess: Clips,
        weight_map: WeightMap = WeightMap({"": ""}),
        defaults: TrainingDefaults = DEFAULTS,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__(
            num_classes=num_classes, preprocess=preprocess, mean=mean, std=std, weight_map=weight_map, defaults=defaults
        )
        self.trunk = trunk
        self.head = head

    def clip_logits(self, clips: Float[Tensor, "M T 3 H W"]) -> Float[Tensor, "M K"]:
        return self.head(self.trunk(clips.transpose(1, 2)))  # type: ignore[no-any-return]

    def backbone_stages(self) -> list[nn.Module]:
        return list(self.trunk)

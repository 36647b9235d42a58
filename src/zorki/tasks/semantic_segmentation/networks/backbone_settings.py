"""What a segmenter takes over from the backbone that it stands on."""

from __future__ import annotations

from typing import Any

from torch import nn

from zorki.contracts import Preprocess, TrainingDefaults
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.weights.weight_map import WeightMap

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
# Larger steps send networks without norms off: VGG, AlexNet, SqueezeNet.
_WITHOUT_NORMS = TrainingDefaults(lr=5e-4, finetune_lr=5e-4, clip_grad=10.0)


def settings_on(
    name: str, network: Backbone, preprocess: Preprocess, *, defaults: TrainingDefaults = TrainingDefaults()
) -> dict[str, Any]:
    """Arguments of a `Segmenter` on the backbone of that name, see `zorki.nn.backbones.named`.

    Args:
        network: the backbone itself.
        preprocess: from images to the batch.
        defaults: training settings that suit the method.
    """
    mean, std = backbone_statistics(name)
    has_norms = any(isinstance(layer, _NORMS) for layer in network.modules())
    return {
        "preprocess": preprocess,
        "mean": mean,
        "std": std,
        "weight_map": WeightMap(backbone_published(name)),
        "defaults": defaults if has_norms else _WITHOUT_NORMS | defaults,
    }

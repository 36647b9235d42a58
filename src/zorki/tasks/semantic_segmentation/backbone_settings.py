"""What a segmenter takes over from the backbone that it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from zorki.contracts import Preprocess
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
# Larger steps send networks without norms off: VGG, AlexNet, SqueezeNet.
_WITHOUT_NORMS: Mapping[str, Any] = {"rate": 5e-4, "tuned_rate": 5e-4, "clip": 10.0}


def settings_on(
    name: str, network: Backbone, preprocess: Preprocess, *, suggestions: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments of a `Segmenter` on the backbone of that name, see `zorki.nn.backbones.named`.

    Args:
        network: the backbone itself.
        preprocess: from images to the batch.
        suggestions: fields of the recipe that suit the method.
    """
    mean, std = backbone_statistics(name)
    has_norms = any(isinstance(layer, _NORMS) for layer in network.modules())
    return {
        "preprocess": preprocess,
        "mean": mean,
        "std": std,
        "published": backbone_published(name),
        "suggestions": {**({} if has_norms else _WITHOUT_NORMS), **(suggestions or {})},
    }

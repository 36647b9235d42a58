"""Embedding networks on any backbone."""

from __future__ import annotations

from torch import nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize import Resize
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.registry import Variant
from zorki.tasks.retrieval.embedder import Embedder, Pooling
from zorki.weights.weight_map import WeightMap

_NAMED = {"squeezenet": "SqueezeNet 1.0", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}


def on_named_backbones(method: str, summary: str) -> list[Variant]:
    """The models of a method that listings show; any other backbone serves as well.

    Args:
        summary: one line, with "{title}" where the backbone's goes.
    """
    return [
        Variant(f"{method}_{name}", summary.format(title=title), {"backbone": name}) for name, title in _NAMED.items()
    ]


def embedder(
    backbone: str, criterion: nn.Module, loss_name: str, *, image_size: int, dim: int | None, pooling: Pooling
) -> Embedder:
    """The embedding network of a criterion, see `Embedder`."""
    network = named_backbone(backbone)
    network.check_size(image_size, backbone)
    mean, std = backbone_statistics(backbone)
    return Embedder(
        network,
        criterion,
        loss_name=loss_name,
        dim=dim,
        preprocess=Resize(image_size),
        pooling=pooling,
        mean=mean,
        std=std,
        weight_map=WeightMap(backbone_published(backbone)),
        # A crop may cut off what tells two things apart; half of the image is what the field keeps at least.
        defaults=TrainingDefaults(optimizer="adamw", lr=3e-4, finetune_lr=1e-4, random_crop=0.5, clip_grad=5.0),
    )

"""Any network of timm: `timm:convnext_tiny`."""

from __future__ import annotations

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.timm_backbone import TimmBackbone, TimmHead, timm_published, timm_settings
from zorki.registry import Entry, Variant, family, variant_entry
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


def timm_classifier(
    num_classes: int, *, name: str, image_size: int | None = None, in_channels: int = 3, dropout: float = 0.0
) -> Classifier:
    """A classifier on timm's network `name`, which prepares images as its published weights want them.

    Raises:
        RecipeError: timm has no such network (the message has the nearest names), or it cannot take this size.
    """
    settings = timm_settings(name)
    backbone = TimmBackbone(name, in_channels, size=image_size)
    return Classifier(
        backbone,
        TimmHead(backbone, num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(backbone.size, settings["crop_pct"]),
        channels=in_channels,
        mean=settings["mean"],
        std=settings["std"],
        weight_map=WeightMap(timm_published(settings)),
    )


def _entry(name: str) -> Entry:
    from timm.models import is_model_pretrained

    timm_settings(name)  # refuses unknown names with the nearest known
    summary = f"{name} of timm (Wightman, PyTorch Image Models)."
    weights = {"imagenet": f"timm:{name}"} if is_model_pretrained(name) else {}
    return variant_entry(
        Classification, timm_classifier, Variant(f"timm:{name}", summary, {"name": name}, weights=weights)
    )


family("timm:{backbone}", _entry)

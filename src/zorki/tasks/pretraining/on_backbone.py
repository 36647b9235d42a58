"""Methods of pretraining on any backbone, and what suits small images."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.pretraining.patch_pairs import RandomPatches
from zorki.data.preprocess.pretraining.random_views import SMALL_SIZE, RandomViews
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics, for_small_images
from zorki.registry import backbone_variants
from zorki.tasks.pretraining.view_network import BackboneParts
from zorki.weights.weight_map import WeightMap

# The models of a method that listings show.
on_named_backbones = partial(
    backbone_variants, {"squeezenet": "SqueezeNet 1.0", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}
)
SMALL_JITTER = 0.5  # of small images: SimCLR, appendix B.9
SMALL_MIN_AREA, MIN_AREA = 0.2, 0.08


def backbone_parts(
    backbone: str,
    image_size: int,
    views: RandomViews | RandomPatches | None = None,
    defaults: TrainingDefaults = TrainingDefaults(),
) -> BackboneParts:
    """The backbone with views of that size: small images get a stem that does not shrink them, and views without blur.

    Args:
        views: the method's own, of whatever size; None: SimCLR's.
        defaults: what the method asks of its training.
    """
    small = image_size <= SMALL_SIZE
    views = dataclasses.replace(views or RandomViews(image_size), size=image_size)
    choices: list[tuple[str, Any, str]] = []
    name = for_small_images(backbone) if small else backbone
    if small and isinstance(views, RandomViews):
        changed = {"jitter": min(views.jitter, SMALL_JITTER), "blur": 0.0, "later_blur": 0.0}
        views = dataclasses.replace(views, **changed)  # type: ignore[arg-type]
        why = f"images of {image_size} pixels are too small for blur"
        choices.append(("views", f"no blur, jitter {views.jitter:g}", why))
    if name != backbone:
        why = f"images of {image_size} pixels; in other tasks this backbone is called {name}"
        choices.append(("stem", "3x3 without max-pool", why))
    network = named_backbone(name)
    network.check_size(image_size, name)
    mean, std = backbone_statistics(backbone)
    usual = TrainingDefaults(
        optimizer="sgd", lr=0.06, weight_decay=5e-4, random_crop=SMALL_MIN_AREA if small else MIN_AREA
    )
    return BackboneParts(
        network, views, mean, std, WeightMap(backbone_published(backbone)), usual | defaults, tuple(choices)
    )

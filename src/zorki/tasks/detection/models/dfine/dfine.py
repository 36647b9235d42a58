"""D-FINE (Peng et al., 2024): RT-DETR whose decoder refines, layer by layer, distributions of where edges lie.

A query's box is made once, in the first layer; from then on every layer says anew for each edge how likely it is to lie
how far from there, and what is sure and what is not is learned from the last layer by those before it.
"""

from __future__ import annotations

from typing import Any

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.resize import Resize
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.registry import Variant, model
from zorki.tasks.detection.models.detr.set_loss import Classes, SetLoss
from zorki.tasks.detection.models.dfine.elan_encoder import elan_encoder
from zorki.tasks.detection.models.dfine.fine_decoder import FineDecoder
from zorki.tasks.detection.models.dfine.fine_loss import FineLoss
from zorki.tasks.detection.models.dfine.hgnet import B0, B2, HgNet, HgNetSizes
from zorki.tasks.detection.models.rtdetr.published import TransformersNames
from zorki.tasks.detection.models.rtdetr.rtdetr import LEVELS, RtDetr, check_sizes, map_channels
from zorki.tasks.detection.networks.detector import settings_on
from zorki.tasks.detection.task import Detection

DEFAULTS = TrainingDefaults(lr=2e-4, finetune_lr=2e-4, clip_grad=0.1, warmup_epochs=1.0)


def build(
    backbone: Backbone,
    num_classes: int,
    *,
    width: int,
    heads: int,
    layers: int,
    points: tuple[int, ...],
    expansion: float,
    depth: int,
    classes: Classes,
    strides: tuple[int, ...] = LEVELS,
    queries: int,
    denoising: int,
    repeats: int,
    settings: dict[str, Any],
) -> RtDetr:
    """An `RtDetr` of D-FINE's parts.

    Args:
        heads: of every attention.
        layers: of the decoder.
        points: of each head in each map.
        expansion, depth: of the encoder, see `elan_encoder`.
        classes: the loss of the classes, see `SetLoss`.
    """
    channels = map_channels(backbone, width, strides)
    return RtDetr(
        backbone,
        elan_encoder(channels, width, heads, 4 * width, expansion=expansion, depth=depth),
        FineDecoder(layers, width, heads, 4 * width, points, num_classes),
        FineLoss(SetLoss(num_classes, classes)),
        num_classes=num_classes,
        width=width,
        strides=strides,
        project=False,
        queries=queries,
        denoising=denoising,
        repeats=repeats,
        settings=settings,
    )


@model(
    Detection,
    variants=[
        Variant(
            "dfine_squeezenet",
            "D-FINE (Peng et al., 2024) on SqueezeNet 1.0, for processors and few images.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="dfine_{backbone}",
)
def dfine(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    queries: int = 100,
    width: int = 128,
    layers: int = 3,
    expansion: float = 0.5,
    denoising: int = 100,
    classes: Classes = "varifocal",
    repeats: int = 0,
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> RtDetr:
    """D-FINE (Peng et al., 2024) on any backbone, smaller than the paper's, for small images.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side, in pixels; a multiple of 32.
        queries: the most boxes that can be predicted.
        width: of encoder and decoder, a multiple of 32; each of 8 heads has an eighth.
        layers: of the decoder.
        expansion: channels of the inner parts of the encoder's blocks, as a share of half of the width.
        denoising: noisy queries an image; 0 makes none.
        classes: the loss of the classes: "varifocal" as published, or "matchability" (Huang et al., 2024: DEIM).
        repeats: cells that each object is matched to in training, of all cells; 0: one, of those that are queries, as
            published.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: there is no such backbone, or width or size is no multiple of 32.
    """
    check_sizes("D-FINE", width, image_size)
    return build(
        backbone_named(backbone),
        num_classes,
        width=width,
        heads=8,
        layers=layers,
        points=(3, 6, 3),
        expansion=expansion,
        depth=1,
        classes=classes,
        queries=queries,
        denoising=denoising,
        repeats=repeats,
        settings={
            **settings_on(backbone, Letterbox(image_size)),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "defaults": DEFAULTS,
        },
    )


def published(
    num_classes: int,
    sizes: HgNetSizes,
    *,
    image_size: int,
    queries: int,
    denoising: int,
    min_score: float,
    frozen_norms: bool,
    **parts: Any,
) -> RtDetr:
    """As published, on an `HgNet` of these sizes; see `build`."""
    check_sizes("D-FINE", parts["width"], image_size)
    return build(
        HgNet(sizes),
        num_classes,
        heads=8,
        classes="varifocal",
        queries=queries,
        denoising=denoising,
        repeats=0,
        settings={
            "preprocess": Resize(image_size),
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "weight_map": TransformersNames(),
            "defaults": DEFAULTS,
        },
        **parts,
    )


@model(Detection, weights={"coco": "huggingface:ustc-community/dfine-nano-coco"})
def dfine_n(
    num_classes: int,
    *,
    image_size: int = 640,
    queries: int = 300,
    denoising: int = 100,
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> RtDetr:
    """D-FINE-N (Peng et al., 2024) on HGNetV2-B0, as published: two maps, of strides 16 and 32, 4 million parameters.

    Args:
        image_size: sides of the square that images are stretched to, in pixels; a multiple of 32.
        queries: of the encoder's cells.
        denoising: noisy queries an image; 0 makes none.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: the size is no multiple of 32.
    """
    return published(
        num_classes,
        B0,
        image_size=image_size,
        queries=queries,
        denoising=denoising,
        min_score=min_score,
        frozen_norms=frozen_norms,
        width=128,
        layers=3,
        points=(6, 6),
        strides=(16, 32),
        expansion=0.34,
        depth=2,
    )


@model(
    Detection,
    variants=[
        Variant(
            "dfine_s",
            "D-FINE-S (Peng et al., 2024) on HGNetV2-B0, as published: 10 million parameters.",
            {"size": "s"},
            weights={"coco": "huggingface:ustc-community/dfine-small-coco"},
        ),
        Variant(
            "dfine_m",
            "D-FINE-M (Peng et al., 2024) on HGNetV2-B2, as published: 19 million parameters.",
            {"size": "m"},
            weights={"coco": "huggingface:ustc-community/dfine-medium-coco"},
        ),
    ],
)
def dfine_of_three_maps(
    num_classes: int,
    *,
    size: str,
    image_size: int = 640,
    queries: int = 300,
    denoising: int = 100,
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> RtDetr:
    """D-FINE (Peng et al., 2024) as published, on maps of strides 8, 16 and 32.

    Args:
        size: "s" or "m".
        image_size: sides of the square that images are stretched to, in pixels; a multiple of 32.
        queries: of the encoder's cells.
        denoising: noisy queries an image; 0 makes none.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: the size is no multiple of 32.
    """
    small = size == "s"
    return published(
        num_classes,
        B0 if small else B2,
        image_size=image_size,
        queries=queries,
        denoising=denoising,
        min_score=min_score,
        frozen_norms=frozen_norms,
        width=256,
        layers=3 if small else 4,
        points=(3, 6, 3),
        expansion=0.5 if small else 1.0,
        depth=1 if small else 2,
    )

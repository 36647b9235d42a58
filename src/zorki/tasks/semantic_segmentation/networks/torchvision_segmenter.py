"""Segmenters that torchvision ships: their names of weights, their sizes of images."""

from __future__ import annotations

from torch import nn

from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.heads.map_heads import ConvMapHead
from zorki.tasks.semantic_segmentation.networks.dilated_segmenter import DilatedSegmenter
from zorki.weights.weight_map import WeightMap

_HEADS = {"classifier.": "head.", "aux_classifier.": "auxiliary_head."}


def torchvision_segmenter(
    backbone: Backbone,
    head: nn.Module,
    *,
    num_classes: int,
    shorter: int,
    longest: int,
    auxiliary_tap: int = -2,
    published: dict[str, str] | None = None,
) -> DilatedSegmenter:
    """The twin of a segmenter of torchvision: equal weights give equal predictions, and its COCO weights load.

    Those know 21 classes: Pascal VOC's 20 and the background, which is the first.

    Args:
        shorter: the shorter side of the images, in pixels; 520 is torchvision's.
        longest: what the longer side must not exceed.
        auxiliary_tap: the backbone's map that the auxiliary head reads.
        published: torchvision's names of the backbone's weights in ours, where they differ.
    """
    return DilatedSegmenter(
        backbone,
        head,
        ConvMapHead(backbone.channels[auxiliary_tap], num_classes),
        num_classes=num_classes,
        auxiliary_tap=auxiliary_tap,
        aligned=False,
        settings={
            "preprocess": ShortestEdge(shorter, longest, stride=8),
            "auxiliary_weight": 0.5,  # as torchvision's own training has it
            "weight_map": WeightMap({**_HEADS, **(published or {})}),
        },
    )

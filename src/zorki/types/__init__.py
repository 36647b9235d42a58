"""What goes in and what comes out: samples, batches, and one annotation type for ground truth and prediction alike.

Every annotation can place itself into network pixels (`place`) and turn itself into plain JSON and back
(`to_json`, `from_json`). Coordinates are continuous, in pixels; pixel (row i, column j) covers
[i, i+1) x [j, j+1). Sizes are (height, width). Labels run 0..num_classes-1; background is no label.
"""

from __future__ import annotations

from zorki.types.annotations import (
    Annotation,
    Boxes,
    Embedding,
    GeneratedImage,
    Instances,
    Keypoints,
    Label,
    Mask,
    Rows,
    TrackedBoxes,
    Unlabeled,
    VideoLabel,
)
from zorki.types.batch import (
    ArraySample,
    Batch,
    Crops,
    ExemplarSearch,
    FrameAndFlow,
    ImagesWithProposals,
    Padded,
    PatchPairs,
    Sample,
    check_lengths,
    map_tensors,
)
from zorki.types.class_info import ClassInfo
from zorki.types.defect import Defect
from zorki.types.frames import Film, Frames
from zorki.types.placement import Placement
from zorki.types.skeleton import Skeleton

__all__ = [
    "Annotation",
    "ArraySample",
    "Batch",
    "Boxes",
    "ClassInfo",
    "Crops",
    "Defect",
    "Embedding",
    "ExemplarSearch",
    "Film",
    "FrameAndFlow",
    "Frames",
    "GeneratedImage",
    "ImagesWithProposals",
    "Instances",
    "Keypoints",
    "Label",
    "Mask",
    "Padded",
    "PatchPairs",
    "Placement",
    "Rows",
    "Sample",
    "Skeleton",
    "TrackedBoxes",
    "Unlabeled",
    "VideoLabel",
    "check_lengths",
    "map_tensors",
]

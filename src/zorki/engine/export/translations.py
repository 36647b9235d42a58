"""Operators of our own in ONNX's: what PyTorch's exporter has no translation for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from zorki.ops import fixed_nms


def _nms_keep(xyxy: Any, scores: Any, max_iou: float, min_score: float, most: int) -> Any:
    """`nms_keep` as one NonMaxSuppression of all images, and where its rows lie as a mask."""
    from onnxscript import opset20 as op

    rows = op.NonMaxSuppression(
        xyxy, op.Unsqueeze(scores, op.Constant(value_ints=[1])), op.Constant(value_ints=[most]),
        op.Constant(value_floats=[max_iou]), op.Constant(value_floats=[min_score]),
    )  # fmt: skip
    places = op.Gather(rows, op.Constant(value_ints=[0, 2]), axis=1)  # of image, class and box
    none = op.Mul(scores, op.Constant(value_float=0.0))
    there = op.Expand(
        op.Constant(value_float=1.0), op.Slice(op.Shape(rows), op.Constant(value_ints=[0]), op.Constant(value_ints=[1]))
    )
    return op.Greater(op.ScatterND(none, places, there), op.Constant(value_float=0.5))


def _roi_pool(features: Any, rows: Any, scale: float, height: int, width: int) -> Any:
    """torchvision's, whose translation in onnxscript takes other arguments than the operator has."""
    from onnxscript import opset20 as op

    pooled = op.MaxRoiPool(features, rows, pooled_shape=(height, width), spatial_scale=scale)
    return pooled, op.Identity(pooled)  # where each maximum was, which only training reads


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """By operator."""
    import torchvision.ops  # takes seconds to import, and registers its own

    assert fixed_nms  # ours is registered by its import, too
    assert torchvision.ops
    return {
        torch.ops.zorki.nms_keep.default: _nms_keep,
        torch.ops.torchvision.roi_pool.default: _roi_pool,
    }

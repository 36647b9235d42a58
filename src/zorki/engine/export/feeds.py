"""Inputs of exported graphs from images, by the preprocessing of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zorki.contracts import Preprocess
from zorki.contracts.capabilities import ExportGraph, FitsCanvas
from zorki.errors import RecipeError
from zorki.exported.file import next_multiple
from zorki.types import Crops, FrameAndFlow, ImagesWithProposals, Padded, Placement


@dataclass(frozen=True)
class Feed:
    """Inputs by name, where the images lie in them, and what the network itself takes of the same images."""

    arrays: dict[str, np.ndarray]
    placements: list[Placement]
    inputs: Any
    own_placements: list[Placement]


def feed_of(preprocess: Preprocess, graph: ExportGraph, images: Sequence[Tensor]) -> Feed:
    """Of uint8 images (3, H, W), or clips of them, for one batch.

    Raises:
        RecipeError: an image needs more pixels than the graph has.
    """
    inputs, placements = preprocess(images)
    others: dict[str, Tensor] = {}
    pixels, placed = inputs, placements
    if isinstance(inputs, Padded | Crops):
        pixels = inputs.images
    elif isinstance(inputs, ImagesWithProposals):
        pixels = inputs.images
        others["regions"] = pad_sequence([rows.float() for rows in inputs.regions], batch_first=True)
    elif isinstance(inputs, FrameAndFlow):
        pixels, others["flow"] = inputs.images.flatten(0, 1), inputs.flow.flatten(0, 1)
    if pixels.ndim > graph.inputs["images"].ndim:
        # Clips of a film, all of which are looked at; or views, of which the first is the image.
        pixels = pixels.flatten(0, 1) if graph.decoding.kind == "clip_label" else pixels[:, 0]
    size = _size_for(graph, *pixels.shape[-2:])
    if pixels.shape[-2:] != size:
        if not isinstance(preprocess, FitsCanvas) or pixels.shape[-2] > size[0] or pixels.shape[-1] > size[1]:
            raise RecipeError(
                f"an image needs {pixels.shape[-2]}x{pixels.shape[-1]} pixels, and the file has {size[0]}x{size[1]}; "
                "say --height and --width as large as the largest, or --any-size"
            )
        moved, placed = preprocess.on_canvas((pixels.numpy(), list(placements)), *size)
        pixels = torch.from_numpy(np.asarray(moved))
    if "frames" in graph.inputs:
        others["frames"] = torch.tensor([placement.frame for placement in placed], dtype=torch.float32)
    tensors = {"images": pixels, **others}
    return Feed({name: tensors[name].numpy() for name in graph.inputs}, placed, inputs, placements)


def _size_for(graph: ExportGraph, height: int, width: int) -> tuple[int, int]:
    """Height and width at which the graph takes images of that size."""
    if graph.size_step is None:
        rows, columns = graph.inputs["images"].shape[-2:]
        return int(rows), int(columns)
    return next_multiple(height, graph.size_step), next_multiple(width, graph.size_step)

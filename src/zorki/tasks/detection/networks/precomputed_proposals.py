"""What R-CNN, SPP-net and Fast R-CNN share: images with precomputed proposals, classified one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from zorki.contracts import Preprocess, TrainingDefaults
from zorki.nn.backbones.backbone import Backbone
from zorki.ops.boxes import clip_boxes
from zorki.ops.roi import join_regions
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, fixed_boxes, settings_on
from zorki.tasks.detection.networks.region_heads import HiddenLayers, RegionHead
from zorki.tasks.detection.networks.regions import decode_regions
from zorki.types import ImagesWithProposals

PROPOSAL_DEFAULTS = TrainingDefaults(random_crop=1.0, translate=0.0)
"""Every image whose pixels are varied must be searched anew; a mirrored one need not."""

LEDGER_REGIONS = 2000
"""Regions of an image in the ledger: as many as selective search gives (Girshick et al., 2013, section 2.1)."""


@dataclass
class ProposalOutputs:
    """Feature maps of a batch, finest first, and the regions (P, 4) of each image, xyxy in network pixels."""

    maps: list[Tensor]
    regions: list[Tensor]
    height: int
    width: int


# From features inside regions, and the images that these belong to, to logits (background first) and offsets.
HeadFunction = Callable[[Float[Tensor, "N 4"], Int[Tensor, " N"]], tuple[Tensor, Tensor]]
# From logits, offsets and regions to a box and a score in 0..1 for every region and class.
DecodeFunction = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def regions_of(inputs: ImagesWithProposals) -> list[Float[Tensor, "_ 4"]]:
    """The regions of each image; the whole image where none was proposed, so that there is always one."""
    height, width = inputs.images.shape[-2:]
    return [
        rows.float() if len(rows) else torch.tensor([[0.0, 0.0, width, height]], device=inputs.images.device)
        for rows in inputs.regions
    ]


def proposal_candidates(
    outputs: ProposalOutputs, classify_regions: HeadFunction, *, chunk: int, decode: DecodeFunction = decode_regions
) -> NmsCandidates:
    """A box a class for every region, cut off at the edges of the input.

    Images with fewer regions than others are filled up with candidates of score 0.

    Args:
        outputs: of the network.
        classify_regions: the network's head.
        chunk: regions that are classified at once, so that thousands of them need not fit into memory together.
        decode: from what `classify_regions` says to boxes and scores.
    """
    joined, images = join_regions(outputs.regions)
    boxes, scores = [], []
    for rows, owners in zip(joined.split(chunk), images.split(chunk), strict=True):
        logits, offsets = classify_regions(rows, owners)
        xyxy, score = decode(logits.float(), offsets.float(), rows)
        boxes.append(clip_boxes(xyxy, outputs.height, outputs.width))
        scores.append(score)
    counts = [len(rows) for rows in outputs.regions]
    filled_boxes = _fill_up(torch.cat(boxes), counts)
    filled_scores = _fill_up(torch.cat(scores), counts)
    labels = torch.arange(filled_scores.shape[2], device=joined.device).expand_as(filled_scores)
    return NmsCandidates(filled_boxes.flatten(1, 2), filled_scores.flatten(1), labels.flatten(1))


def region_inputs(height: int, width: int) -> dict[str, Tensor]:
    """The "regions" (B, P, 4) of an exported graph, xyxy in pixels of the input; those without an area fill up."""
    rows = [[0.0, 0.0, width / 2, height], [0.0, 0.0, width, height / 2], [0.0] * 4]
    return {"regions": torch.tensor([rows, rows])}


class ExportedProposalDetector(nn.Module):
    """As `ExportedDetector`, with regions as a third input, all of which are classified at once.

    Args:
        classify: the model's head, from outputs, regions and their images to logits and offsets.
        decode: from these to boxes and scores.
    """

    def __init__(
        self,
        model: Detector[ProposalOutputs],
        classify: Callable[[ProposalOutputs, Tensor, Tensor], tuple[Tensor, Tensor]],
        decode: DecodeFunction = decode_regions,
    ) -> None:
        super().__init__()
        self.model, self._classify, self._decode = model, classify, decode

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], frames: Float[Tensor, "B 4"], regions: Float[Tensor, "B P 4"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `BOX_OUTPUTS`."""
        model, (batch, count) = self.model, regions.shape[:2]
        rows, owners = regions.flatten(0, 1), torch.arange(batch)[:, None].expand(-1, count).flatten()
        outputs = model(ImagesWithProposals(images, [frames]))  # whose own regions are not looked at
        logits, offsets = self._classify(outputs, rows, owners)
        xyxy, scores = self._decode(logits.float(), offsets.float(), rows)
        xyxy = clip_boxes(xyxy, outputs.height, outputs.width)
        scores = torch.where((rows[:, 2:] > rows[:, :2]).all(1)[:, None], scores, -1.0)
        labels = torch.arange(model.num_classes).expand_as(scores)
        parts = (part.reshape(batch, -1, *part.shape[2:]) for part in (xyxy, scores, labels))
        return fixed_boxes(model, NmsCandidates(*parts), frames).tensors()


def _fill_up(rows: Tensor, counts: Sequence[int]) -> Tensor:
    return nn.utils.rnn.pad_sequence(list(rows.split(list(counts))), batch_first=True)


def proposal_head(
    features: int,
    num_classes: int,
    *,
    hidden: int,
    dropout: float = 0.0,
    norm: bool = True,
    strides: Sequence[int] = (),
    size: tuple[int, int] = (7, 7),
    kind: Literal["align", "pool"] = "pool",
    home_size: float = 224,
    grid: Literal["centered", "corner"] = "centered",
) -> RegionHead:
    """Two hidden layers on `features` numbers a region, and on them classes and offsets (Girshick, 2015, section 2).

    The last layers' deviations are the paper's, scaled so that any width of `hidden` gives the same spread of what
    comes out. See `HiddenLayers` and `RegionHead` for the arguments.
    """
    scale = math.sqrt(4096 / hidden)
    return RegionHead(
        HiddenLayers(features, hidden, dropout=dropout, norm=norm),
        hidden,
        num_classes,
        strides=strides,
        size=size,
        kind=kind,
        home_size=home_size,
        grid=grid,
        deviations=(0.01 * scale, 0.001 * scale),
    )


def map_of_stride(backbone: Backbone, stride: int) -> int:
    """The place of the deepest map that is no coarser than `stride` pixels; the finest where all are."""
    return max((tap for tap, own in enumerate(backbone.strides) if own <= stride), default=0)


def proposal_settings_on(backbone: str, preprocess: Preprocess) -> dict[str, Any]:
    """Arguments of a `Detector` on the backbone of that name, whose batch norms keep their statistics."""
    return {**settings_on(backbone, preprocess), "frozen_norms": True, "defaults": PROPOSAL_DEFAULTS}

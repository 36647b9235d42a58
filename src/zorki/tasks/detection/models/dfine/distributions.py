"""D-FINE's edges as distributions (Peng et al., 2024, section 4.1): how far an edge moves, as probabilities of bins."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

BINS = 32  # N; there are N + 1 of them
REACH = 0.5  # a, of the paper: bins reach to this times the scale
SCALE = 4.0  # the curvature of the bins; edges move by shares of the box's sides divided by it


def bin_offsets(device: torch.device | None = None) -> Float[Tensor, " bins"]:
    """W(n), by how much an edge moves in each bin (equation 2): fine around 0, coarse far off."""
    most = REACH * SCALE
    step = (most + 1) ** (2 / (BINS - 2))
    right = step ** torch.arange(1, BINS // 2, device=device) - 1
    ends = torch.tensor([2 * most], device=device)
    return torch.cat([-ends, -right.flip(0), ends * 0, right, ends])


def moved_edges(
    boxes: Float[Tensor, "*N 4"], logits: Float[Tensor, "*N edges_bins"], offsets: Float[Tensor, " bins"]
) -> Float[Tensor, "*N 4"]:
    """The boxes (cxcywh) whose edges are moved by what is expected of the bins (equation 1).

    Args:
        logits: of the bins of the left, the top, the right and the bottom edge.
    """
    shift = logits.unflatten(-1, (4, -1)).softmax(-1) @ offsets
    center, size = boxes[..., :2], boxes[..., 2:]
    low = center - (0.5 * SCALE + shift[..., :2]) * (size / SCALE)
    high = center + (0.5 * SCALE + shift[..., 2:]) * (size / SCALE)
    return torch.cat([(low + high) / 2, high - low], -1)


def edge_bins(
    boxes: Float[Tensor, "P 4"], xyxy: Float[Tensor, "P 4"], offsets: Float[Tensor, " bins"]
) -> tuple[Int[Tensor, "P 4"], Float[Tensor, "P 4"]]:
    """Between which bins the edges of objects lie, seen from boxes (cxcywh): the lower bin, and the share of the upper.

    Edges that no bin reaches get the last bin at their side.
    """
    center, size = boxes[:, :2], boxes[:, 2:] / SCALE + 1e-16
    shift = torch.cat([(center - xyxy[:, :2]) / size, (xyxy[:, 2:] - center) / size], 1) - 0.5 * SCALE
    lower = (torch.searchsorted(offsets, shift.contiguous(), right=True) - 1).clamp(0, BINS - 1)
    share = (shift - offsets[lower]) / (offsets[lower + 1] - offsets[lower])
    return lower, share.clamp(0, 1)


def fine_grained_loss(
    logits: Float[Tensor, "*P 4 bins"],
    lower: Int[Tensor, "*P 4"],
    share: Float[Tensor, "*P 4"],
    quality: Float[Tensor, "*P"],
) -> Float[Tensor, "*P"]:
    """FGL (equation 3): cross-entropy of the two bins that an edge lies between, weighted by the box's IoU.

    The sum over the edges of each box.
    """
    surprise = -logits.log_softmax(-1)
    low, high = (surprise.gather(-1, (lower + step)[..., None])[..., 0] for step in (0, 1))
    return (low * (1 - share) + high * share).sum(-1) * quality


def distillation_loss(
    logits: Float[Tensor, "B Q 4 bins"],
    teacher: Float[Tensor, "B Q 4 bins"],
    weight: Float[Tensor, "B Q"],
    matched: Bool[Tensor, "B Q"],
    others: Bool[Tensor, "B Q"],
    temperature: float = 5.0,
) -> Float[Tensor, ""]:
    """DDF (equations 5 and 6): earlier layers learn the last one's distributions, matched queries and others apart.

    Args:
        weight: the IoU of matched queries, the score of others.
        matched: queries with an object.
        others: those without.
    """
    ours, theirs = (values / temperature for values in (logits, teacher.detach()))
    apart = functional.kl_div(ours.log_softmax(-1), theirs.log_softmax(-1), reduction="none", log_target=True).sum(-1)
    apart = apart.mean(-1) * weight * temperature**2
    counts = torch.stack([matched.sum(), others.sum()])
    means = torch.stack([(apart * matched).sum(), (apart * others).sum()]) / counts.clamp_min(1)
    shares = counts.sqrt()
    return (means * shares).sum() / shares.sum().clamp_min(1)

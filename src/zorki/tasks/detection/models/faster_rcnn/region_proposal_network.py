"""The region proposal network of Faster R-CNN (Ren et al., 2015): where an object of whatever class may lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.view import view_of
from zorki.ops.box_coder import decode_offsets, encode_offsets
from zorki.ops.boxes import clip_boxes, is_large_enough
from zorki.ops.fixed_nms import fixed_nms
from zorki.ops.matching import BACKGROUND, sample_balanced
from zorki.tasks.detection.networks.dense_heads import Shapes, level_anchors, rows_of, strongest_rows, take_rows
from zorki.tasks.detection.networks.regions import SMOOTH_L1_BETA
from zorki.tasks.detection.networks.target_assignment import match_anchors, stack_ground_truths
from zorki.types import Boxes

# In pixels: proposals with a shorter side are dropped, as in torchvision.
MIN_SIDE = 1e-3
ASPECTS = (0.5, 1.0, 2.0)


@dataclass
class RpnOutputs:
    """The outputs of the region proposal network, level by level, finest first, and the proposals made of it."""

    logits: list[Tensor]  # each (B, N): is there an object
    offsets: list[Tensor]  # each (B, N, 4)
    anchors: list[Tensor]  # each (N, 4), xyxy in network pixels
    proposals: list[Tensor]  # one (P, 4) an image: xyxy in network pixels, best first, without a gradient


torch.export.register_dataclass(RpnOutputs)


class RegionProposalNetwork(nn.Module):
    """A 3x3 convolution and two of 1x1, shared by all maps, classify and refine anchors (section 3.1).

    256 anchors an image learn, at most half of them positive: those that overlap a box by 0.7, and those that
    overlap one most of all. Below 0.3 they are background (section 3.1.2). As in torchvision, anchors that cross the
    edges of the image learn too, where the paper leaves them out, and one sigmoid stands in for the paper's softmax
    over two classes.

    Args:
        channels: of every map.
        strides: of the maps, in pixels.
        shapes: width and height of the anchors of each map; as many for each.
        grid: where the anchors lie, see `level_points`.
        before: anchors of each map that go into non-maximum suppression, in training and in evaluation.
        after: proposals an image that come out, in training and in evaluation.
        max_iou: of two proposals of a map that stay.
    """

    def __init__(
        self,
        channels: int,
        strides: Sequence[int],
        shapes: Sequence[Shapes],
        *,
        grid: Literal["centered", "corner"] = "centered",
        before: tuple[int, int] = (2000, 1000),
        after: tuple[int, int] = (2000, 1000),
        max_iou: float = 0.7,
        count: int = 256,
        positive_share: float = 0.5,
        low: float = 0.3,
        high: float = 0.7,
    ) -> None:
        super().__init__()
        places = {len(some) for some in shapes}
        if len(places) != 1 or len(shapes) != len(strides):
            raise ValueError(f"each of {len(strides)} maps needs as many anchor shapes; got {list(map(len, shapes))}")
        self.strides, self.shapes, self.grid = tuple(strides), tuple(shapes), grid
        self.before, self.after, self.max_iou = before, after, max_iou
        self.count, self.positive_share, self.low, self.high = count, positive_share, low, high
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.logits = nn.Conv2d(channels, places.pop(), 1)
        self.offsets = nn.Conv2d(channels, 4 * self.logits.out_channels, 1)
        for layer in (self.conv, self.logits, self.offsets):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def with_more_proposals(self, factor: float) -> RegionProposalNetwork:
        """The same network with so many times the proposals in evaluation; for a factor of 1 or less as it is."""
        if factor <= 1:
            return self
        view = view_of(self)
        view.before = (self.before[0], round(self.before[1] * factor))
        view.after = (self.after[0], round(self.after[1] * factor))
        return view

    def forward(self, maps: Sequence[Float[Tensor, "B C _ _"]], size: tuple[int, int]) -> RpnOutputs:
        """The predictions of all anchors, and proposals; `size` is the input's (height, width)."""
        logits, offsets = self.predict(maps)
        anchors = level_anchors(maps, self.strides, size, self.grid, self.shapes)
        return RpnOutputs(logits, offsets, anchors, self.propose(logits, offsets, anchors, size))

    def predict(self, maps: Sequence[Float[Tensor, "B C _ _"]]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits (B, N) and offsets (B, N, 4) of the anchors of each map."""
        logits, offsets = [], []
        for features in maps:
            x = functional.relu(self.conv(features))
            logits.append(rows_of(self.logits(x), 1)[:, :, 0])
            offsets.append(rows_of(self.offsets(x), 4))
        return logits, offsets

    @torch.no_grad()
    def propose(
        self, logits: Sequence[Tensor], offsets: Sequence[Tensor], anchors: Sequence[Tensor], size: tuple[int, int]
    ) -> list[Tensor]:
        """The best boxes of each image, by NMS within each map (Lin et al., 2017, section 4.2).

        They are cut off at the edges of the input, whose canvas is part of it: a network knows pixels alone, not where
        images lie among them. torchvision cuts proposals off at the edges of the images; the predictions made of them
        are so cut off here too.
        """
        before, after = (pair[0 if self.training else 1] for pair in (self.before, self.after))
        boxes, scores = [], []
        for level_logits, level_offsets, level in zip(logits, offsets, anchors, strict=True):
            rows = strongest_rows(level_logits, before)
            xyxy = decode_offsets(level[rows], take_rows(level_offsets, rows).float())
            boxes.append(clip_boxes(xyxy, *size))
            scores.append(level_logits.gather(1, rows).float())
        return [
            _nms([level[image] for level in boxes], [level[image] for level in scores], self.max_iou, after)
            for image in range(len(logits[0]))
        ]

    def propose_fixed(
        self, maps: Sequence[Float[Tensor, "B C _ _"]], size: tuple[int, int]
    ) -> tuple[Float[Tensor, "B P 4"], Bool[Tensor, "B P"]]:
        """As many proposals for every image, and which of them are there: those of evaluation, for exported graphs."""
        logits, offsets = self.predict(maps)
        anchors = level_anchors(maps, self.strides, size, self.grid, self.shapes)
        boxes, scores, levels = [], [], []
        for number, (level_logits, level_offsets, level) in enumerate(zip(logits, offsets, anchors, strict=True)):
            rows = strongest_rows(level_logits, self.before[1])
            xyxy = clip_boxes(decode_offsets(level[rows], take_rows(level_offsets, rows).float()), *size)
            strength = level_logits.gather(1, rows).float().sigmoid()  # of the same order, and above 0
            boxes.append(xyxy)
            scores.append(torch.where(is_large_enough(xyxy, MIN_SIDE), strength, -1.0))
            levels.append(torch.full_like(rows, number))
        found = fixed_nms(
            *(torch.cat(parts, 1) for parts in (boxes, scores, levels)),
            min_score=-0.5, max_iou=self.max_iou, most=self.after[1],
        )  # fmt: skip
        return found.xyxy, found.labels >= 0

    def losses(self, outputs: RpnOutputs, targets: Sequence[Boxes]) -> dict[str, Float[Tensor, ""]]:
        """Cross entropy over sampled anchors, and smooth L1 over positive ones, divided by the count of sampled ones.

        Equation 1 of the paper, with torchvision's weights.
        """
        logits, offsets = torch.cat(outputs.logits, 1), torch.cat(outputs.offsets, 1)
        anchors = torch.cat(outputs.anchors)
        ground_truths = stack_ground_truths(targets, logits.device)
        owner = match_anchors(anchors, ground_truths, self.low, self.high)
        (image_p, positive), (image_n, negative) = self._sample(owner)
        chosen = torch.cat([logits[image_p, positive], logits[image_n, negative]]).float()
        is_positive = torch.cat([chosen.new_ones(len(positive)), chosen.new_zeros(len(negative))])
        # What the box learns is worked out for the sampled alone, not for every anchor of every map.
        boxes = encode_offsets(anchors[positive], ground_truths.xyxy[image_p, owner[image_p, positive]])
        found = offsets[image_p, positive].float()
        away = functional.smooth_l1_loss(found, boxes, beta=SMOOTH_L1_BETA, reduction="none")
        divisor = max(1, len(chosen))
        return {
            "objectness": functional.binary_cross_entropy_with_logits(chosen, is_positive, reduction="sum") / divisor,
            "proposals": away.sum() / divisor,
        }

    def _sample(self, owner: Int[Tensor, "B N"]) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(image, anchor) of the positive and of the negative anchors that learn."""
        rows: tuple[list[Tensor], list[Tensor]] = ([], [])
        images: tuple[list[Tensor], list[Tensor]] = ([], [])
        for image, owners in enumerate(owner):
            sampled = sample_balanced(owners >= 0, owners == BACKGROUND, self.count, self.positive_share)
            for kind, some in enumerate(sampled):
                rows[kind].append(some)
                images[kind].append(torch.full_like(some, image))
        return (torch.cat(images[0]), torch.cat(rows[0])), (torch.cat(images[1]), torch.cat(rows[1]))


def rpn_anchor_shapes(sizes: Sequence[float], *, whole: bool = False) -> Shapes:
    """Width and height of every size in every aspect; `whole` rounds corners to pixels, as torchvision does."""
    shapes = [(size / aspect**0.5, size * aspect**0.5) for aspect in ASPECTS for size in sizes]
    if whole:
        shapes = [(2.0 * round(width / 2), 2.0 * round(height / 2)) for width, height in shapes]
    return tuple(shapes)


def rpn_for(
    max_boxes: int, channels: int, strides: Sequence[int], shapes: Sequence[Shapes], *, before: tuple[int, int]
) -> RegionProposalNetwork:
    """A region proposal network for a detector with `max_boxes` predictions an image.

    For a hundred boxes 500 proposals come out in training and 300 in evaluation; in proportion for more. `before` is
    for a hundred boxes, too. Raises RecipeError for less than one.
    """
    if max_boxes < 1:
        raise RecipeError(f"max_boxes is {max_boxes}; expected at least 1")
    more = max(1.0, max_boxes / 100)
    wide, narrow = (round(count * more) for count in before)
    return RegionProposalNetwork(
        channels, strides, shapes, before=(wide, narrow), after=(round(500 * more), round(300 * more))
    )


def _nms(
    boxes: Sequence[Float[Tensor, "_ 4"]], scores: Sequence[Float[Tensor, " _"]], max_iou: float, most: int
) -> Float[Tensor, "P 4"]:
    """Non-maximum suppression within each level of one image, and the best of all levels, best first."""
    from torchvision.ops import nms  # takes seconds to import

    if boxes[0].device.type == "cpu":
        # Each level alone: the kernel takes time with the square of the rows.
        kept = [_large(xyxy, score) for xyxy, score in zip(boxes, scores, strict=True)]
        kept = [(xyxy[rows], score[rows]) for xyxy, score in kept for rows in (nms(xyxy, score, max_iou),)]
        xyxy, score = (torch.cat(parts) for parts in zip(*kept, strict=True))
        return xyxy[score.argsort(descending=True, stable=True)[:most]]
    # On a GPU one call for all levels, which a shift keeps apart: each call waits for its result.
    far = torch.cat([torch.full_like(score, level) for level, score in enumerate(scores)])
    xyxy, score = torch.cat(list(boxes)), torch.cat(list(scores))
    large = is_large_enough(xyxy, MIN_SIDE)
    xyxy, score, far = xyxy[large], score[large], far[large]
    shift = far * (xyxy.max() + 1 if len(xyxy) else 1)
    return xyxy[nms(xyxy + shift[:, None], score, max_iou)[:most]]


def _large(xyxy: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    large = is_large_enough(xyxy, MIN_SIDE)
    return xyxy[large], score[large]


def rpn_published() -> dict[str, str]:
    """Prefixes of torchvision's RPN, in files of all its versions, and ours: the model's RPN is its `proposals`."""
    return {
        "rpn.head.conv.": "proposals.conv.",
        "rpn.head.conv.0.0.": "proposals.conv.",
        "rpn.head.cls_logits.": "proposals.logits.",
        "rpn.head.bbox_pred.": "proposals.offsets.",
    }

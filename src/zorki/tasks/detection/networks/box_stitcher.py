"""Boxes of overlapping tiles joined to those of the image: each object once, and whole.

An object near the edge of a tile is seen by several tiles, and some of its boxes are cut off there. Two boxes show one
object where they look alike in what both tiles see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zorki.ops.boxes import box_area, intersection
from zorki.tiles import Stitcher, Tiles
from zorki.types import Boxes, Placement

O = TypeVar("O")  # raw outputs of a network  # noqa: E741
Pairs = list[tuple[Tensor, Tensor]]  # of tiles that meet: the rows of each that reach into the other

ALIKE = 0.5  # overlap from which two boxes, in what both tiles see, show one object
INSIDE = 0.7  # share of a cut box that lies in a whole one, from which it is a part of it
NEAR = 8  # a box is cut that ends within one NEARth of the overlap of an inner edge of its tile
FAR = 1e9


class BoxStitcher(Stitcher[O, Boxes]):
    """Collects the boxes of all tiles, and joins them at the end.

    Args:
        decode: the model's, to the boxes of each tile in the pixels of the tile.
        max_iou: of two boxes of a class from different tiles that both stay; None takes ALIKE.
    """

    def __init__(
        self, decode: Callable[[O, Sequence[Placement]], list[Boxes]], tiles: Tiles, max_iou: float | None
    ) -> None:
        self.decode, self.tiles = decode, tiles
        self.max_iou = ALIKE if max_iou is None else max_iou
        self.found: list[Boxes] = []

    def add(self, outputs: O, placements: Sequence[Placement]) -> None:
        self.found += self.decode(outputs, placements)

    def finish(self) -> Boxes:
        """The boxes of the image, best first, as many as there are: a model's `max_boxes` is for one tile."""
        return join_boxes(self.found, self.tiles, self.max_iou)[0]


def join_boxes(found: Sequence[Boxes], tiles: Tiles, max_iou: float = ALIKE) -> tuple[Boxes, Int[Tensor, " N"]]:
    """One box for each object, in the pixels of the image, best first.

    1. A box that its tile cut off goes where another tile has the object whole: a whole box of its class that looks
       like it in what its tile sees, or in which most of it lies. The whole one takes the better score.
    2. Two boxes that are both cut off and look alike in what both tiles see are parts of one object that neither saw
       whole. The box around all parts stays, with the best score. Where nobody saw its end either, as of a sliver that
       two tiles see, it goes where most of it lies in a box whose ends were seen.
    3. Of boxes of one class from different tiles that overlap by more than `max_iou` the better one stays.

    Args:
        found: boxes with scores of each tile, in its pixels.

    Returns:
        The boxes, and of which of them each box that was found is a part, the tiles' one after the other; -1 of none.
        What a network says of parts beside, such as their masks, is joined so.
    """
    rows = _rows(found, tiles)
    pairs = _meeting(rows, found, tiles)
    for one, other in pairs:
        _absorb(rows, one, other)
        _absorb(rows, other, one)
    count = len(rows.labels)
    joined, ends = _join_parts(rows, pairs)
    if len(joined):
        rows = rows.with_more(joined)
        fresh = torch.arange(count, len(rows.labels))
        left = torch.nonzero(rows.alive & rows.cut.any(1))[:, 0]
        for some in left.split(256):
            _absorb(rows, some, fresh)
        rows.cut[fresh] = ends
        for some in fresh[ends.any(1)].split(256):
            _absorb(rows, some, torch.arange(len(rows.labels)))
        pairs = [*pairs, *((some, fresh) for some in torch.arange(len(rows.labels)).split(256))]
    _suppress(rows, pairs, max_iou)
    left = torch.nonzero(rows.alive)[:, 0]
    left = left[rows.scores[left].argsort(descending=True, stable=True)]
    place = torch.full_like(rows.owner, -1)
    place[left] = torch.arange(len(left))
    owner = rows.owner[rows.owner[:count]]  # of a part of a part
    return Boxes(rows.xyxy[left], rows.labels[left], rows.scores[left]), place[owner]


@dataclass
class _Rows:
    """Boxes of all tiles in the pixels of the image; `scores`, `alive` and `owner` change as they are joined."""

    xyxy: Float[Tensor, "N 4"]
    labels: Int[Tensor, " N"]
    scores: Float[Tensor, " N"]
    frames: Float[Tensor, "N 4"]  # of their tiles; everything for what several tiles saw parts of
    cut: Bool[Tensor, "N 4"]  # which edges the tile cut off
    near: float  # pixels
    alive: Bool[Tensor, " N"]
    owner: Int[Tensor, " N"]  # the row that each is a part of; itself

    def with_more(self, whole: Boxes) -> _Rows:
        """With boxes that no tile cuts off."""
        assert whole.scores is not None
        everywhere = torch.tensor([-FAR, -FAR, FAR, FAR]).expand(len(whole), 4)
        return _Rows(
            torch.cat([self.xyxy, whole.xyxy]),
            torch.cat([self.labels, whole.labels]),
            torch.cat([self.scores, whole.scores]),
            torch.cat([self.frames, everywhere]),
            torch.cat([self.cut, torch.zeros((len(whole), 4), dtype=torch.bool)]),
            self.near,
            torch.cat([self.alive, torch.ones(len(whole), dtype=torch.bool)]),
            torch.cat([self.owner, torch.arange(len(self.owner), len(self.owner) + len(whole))]),
        )

    def outward(self, rows: Tensor) -> Float[Tensor, "n 4"]:
        """The boxes with the edges that were cut off far out: the object goes on there, nobody knows how far."""
        return torch.where(self.cut[rows], torch.tensor([-FAR, -FAR, FAR, FAR]), self.xyxy[rows])


def _rows(found: Sequence[Boxes], tiles: Tiles) -> _Rows:
    windows = torch.tensor([window.xyxy for window in tiles], dtype=torch.float32)
    frames = windows.repeat_interleave(torch.tensor([len(boxes) for boxes in found]), 0)
    xyxy = torch.cat([boxes.xyxy.float() for boxes in found]) + frames[:, :2].repeat(1, 2)
    near = max(1.0, tiles.overlap / NEAR)
    inner = frames != torch.tensor([0, 0, tiles.width, tiles.height])
    return _Rows(
        xyxy,
        torch.cat([boxes.labels for boxes in found]),
        torch.cat([_scores(boxes) for boxes in found]),
        frames,
        ((xyxy - frames).abs() <= near) & inner,
        near,
        torch.ones(len(xyxy), dtype=torch.bool),
        torch.arange(len(xyxy)),
    )


def _scores(boxes: Boxes) -> Tensor:
    if boxes.scores is None:
        raise ValueError("boxes of tiles need scores; these are ground truth")
    return boxes.scores.float()


def _meeting(rows: _Rows, found: Sequence[Boxes], tiles: Tiles) -> Pairs:
    """For every two tiles that share pixels or an edge: those rows of each that reach into the other's window."""
    windows = torch.tensor([window.xyxy for window in tiles], dtype=torch.float32)
    members = torch.arange(len(rows.labels)).split([len(boxes) for boxes in found])
    pairs = []
    for one, frame in enumerate(windows):
        later = windows[one + 1 :]
        meet = (later[:, :2] <= frame[2:]).all(1) & (later[:, 2:] >= frame[:2]).all(1)
        for other in (torch.nonzero(meet)[:, 0] + one + 1).tolist():
            mine = _reaching(rows, members[one], windows[other])
            others = _reaching(rows, members[other], frame)
            if len(mine) and len(others):
                pairs.append((mine, others))
    return pairs


def _reaching(rows: _Rows, members: Tensor, frame: Tensor) -> Tensor:
    xyxy = rows.xyxy[members]
    return members[((xyxy[:, :2] <= frame[2:] + rows.near) & (xyxy[:, 2:] >= frame[:2] - rows.near)).all(1)]


def _cut_off(xyxy: Float[Tensor, "*_ 4"], frame: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_ 4"]:
    """Boxes cut off at windows; empty where they do not meet."""
    low = xyxy[..., :2].maximum(frame[..., :2])
    return torch.cat([low, xyxy[..., 2:].minimum(frame[..., 2:]).maximum(low)], -1)


def _overlap(a: Float[Tensor, "*_ 4"], b: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_"]:
    """Intersection over union of broadcasting pairs."""
    shared = intersection(a, b)
    return shared / (box_area(a) + box_area(b) - shared).clamp_min(torch.finfo(shared.dtype).tiny)


def _absorb(rows: _Rows, parts: Tensor, wholes: Tensor) -> None:
    """Cut boxes among `parts` go into the best whole one among `wholes` that shows the same; both are rows."""
    parts = parts[rows.alive[parts] & rows.cut[parts].any(1)]
    wholes = wholes[rows.alive[wholes] & ~rows.cut[wholes].any(1)]
    if len(parts) == 0 or len(wholes) == 0:
        return
    frames = rows.frames[parts][:, None]
    seen = _cut_off(rows.outward(parts)[:, None], frames)
    alike = _overlap(seen, _cut_off(rows.xyxy[wholes], frames)) >= ALIKE
    lying = intersection(rows.xyxy[parts][:, None], rows.xyxy[wholes])
    alike |= lying >= INSIDE * box_area(rows.xyxy[parts])[:, None].clamp_min(1e-6)
    alike &= rows.labels[parts][:, None] == rows.labels[wholes]
    best, place = torch.where(alike, rows.scores[wholes], -1.0).max(1)
    taken = best >= 0
    rows.alive[parts[taken]] = False
    rows.owner[parts[taken]] = wholes[place[taken]]
    rows.scores.scatter_reduce_(0, wholes[place[taken]], rows.scores[parts[taken]], "amax")


def _join_parts(rows: _Rows, pairs: Pairs) -> tuple[Boxes, Bool[Tensor, "N 4"]]:
    """Boxes around all parts of objects that no tile saw whole; they become rows behind those that are there.

    Beside them, which of their edges are none: all parts that reach so far are cut off there.
    """
    links = [link for one, other in pairs for link in _links(rows, one, other)]
    if not links:
        return Boxes(rows.xyxy[:0], rows.labels[:0], rows.scores[:0]), rows.cut[:0]
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = torch.tensor(links)
    members, numbers = ends.unique(return_inverse=True)
    graph = coo_matrix((torch.ones(len(links)), numbers.T), shape=(len(members), len(members)))
    count, groups = connected_components(graph, directed=False)
    group = torch.from_numpy(groups).long()
    corners = group[:, None].expand(-1, 2)
    low = torch.zeros((count, 2)).scatter_reduce_(0, corners, rows.xyxy[members, :2], "amin", include_self=False)
    high = torch.zeros((count, 2)).scatter_reduce_(0, corners, rows.xyxy[members, 2:], "amax", include_self=False)
    scores = torch.zeros(count).scatter_reduce_(0, group, rows.scores[members], "amax", include_self=False)
    labels = torch.zeros(count, dtype=torch.int64).scatter_(0, group, rows.labels[members].long())
    rows.alive[members] = False
    rows.owner[members] = len(rows.labels) + group
    xyxy = torch.cat([low, high], 1)
    seen = ((rows.xyxy[members] - xyxy[group]).abs() <= rows.near) & ~rows.cut[members]
    ends = torch.zeros((count, 4)).index_add_(0, group, seen.float()) == 0
    return Boxes(xyxy, labels, scores), ends


def _links(rows: _Rows, one: Tensor, other: Tensor) -> list[tuple[int, int]]:
    """Rows of two tiles that are parts of one object: each with one at most, the surest first."""
    one = one[rows.alive[one] & rows.cut[one].any(1)]
    other = other[rows.alive[other] & rows.cut[other].any(1)]
    if len(one) == 0 or len(other) == 0:
        return []
    # What both see, grown a little, since boxes are not exact, and tiles without an overlap share an edge alone.
    both = _cut_off(rows.frames[one[0]], rows.frames[other[0]]) + torch.tensor([-1, -1, 1, 1]) * rows.near
    alike = _overlap(_cut_off(rows.outward(one), both)[:, None], _cut_off(rows.outward(other), both))
    sure = torch.minimum(rows.scores[one][:, None], rows.scores[other])
    sure[(alike < ALIKE) | (rows.labels[one][:, None] != rows.labels[other])] = -1.0
    links = []
    while float(sure.max()) >= 0:
        row, column = divmod(int(sure.argmax()), len(other))
        links.append((int(one[row]), int(other[column])))
        sure[row], sure[:, column] = -1.0, -1.0
    return links


def _suppress(rows: _Rows, pairs: Pairs, max_iou: float) -> None:
    """Non-maximum suppression between the rows of each pair, greedily over all of them."""
    rank = rows.scores.argsort(descending=True, stable=True).argsort()
    found = [torch.zeros((0, 2), dtype=torch.int64)]
    for one, other in pairs:
        one, other = one[rows.alive[one]], other[rows.alive[other]]
        near = _overlap(rows.xyxy[one][:, None], rows.xyxy[other]) > max_iou
        near &= (rows.labels[one][:, None] == rows.labels[other]) & (one[:, None] != other)
        places = torch.nonzero(near)
        found.append(torch.stack([one[places[:, 0]], other[places[:, 1]]], 1))
    conflicts = torch.cat(found)
    swap = rank[conflicts[:, 0]] > rank[conflicts[:, 1]]
    conflicts[swap] = conflicts[swap].flip(1)
    for better, worse in conflicts[rank[conflicts[:, 0]].argsort()].tolist():
        if rows.alive[better]:
            rows.alive[worse] = False

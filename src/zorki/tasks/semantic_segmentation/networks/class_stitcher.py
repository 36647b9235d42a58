"""Joins the class maps of overlapping tiles: probabilities are blended, and the most probable class is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.ops.class_argmax import class_argmax
from zorki.tasks.semantic_segmentation.networks.class_maps import ClassMaps
from zorki.tiles import Share, Stitcher, Tiles
from zorki.types import Mask, Placement

Probabilities = Callable[[ClassMaps, Sequence[Placement]], list[Tensor]]


class ClassStitcher(Stitcher[ClassMaps, Mask]):
    """Blends the probabilities of neighbors over the pixels that they share, on straight ramps that sum to one.

    Only what later tiles will add to is held: the lower edge of a row of tiles, K x overlap x width floats, and the
    right edge of one tile. The rest is a class at once, one byte a pixel (two from 256 classes on).
    """

    def __init__(self, probabilities: Probabilities, num_classes: int, tiles: Tiles) -> None:
        self.probabilities = probabilities
        self.places = product(tiles.rows, tiles.columns)
        kind = torch.uint8 if num_classes <= 255 else torch.int16  # 255 is the ignore index
        self.classes = torch.empty((tiles.height, tiles.width), dtype=kind)
        self.shared = max(row.rise for row in tiles.rows)
        self.below: Tensor | None = None  # (K, shared, width): the lower edge of the tiles so far
        self.beside: Tensor | None = None  # (K, height of a tile, shared): the right edge of the last one

    @torch.no_grad()
    def add(self, outputs: ClassMaps, placements: Sequence[Placement]) -> None:
        """One tile after the other, so that the probabilities of one alone are held."""
        for number, placement in enumerate(placements):
            one = type(outputs)(outputs.main[number : number + 1])
            (maps,) = self.probabilities(one, [placement])
            row, column = next(self.places)
            self._settle(self._blended(maps[:, row.inside, column.inside], row, column), row, column)

    def finish(self) -> Mask:
        """The most probable class of every pixel, on the CPU."""
        return Mask(self.classes)

    def _blended(self, maps: Float[Tensor, "K h w"], row: Share, column: Share) -> Float[Tensor, "K h v"]:
        """What counts of a tile with what its left neighbor said, without what its right one will add to."""
        weighted = maps * (row.weights(maps.device)[:, None] * column.weights(maps.device))
        if column.rise:
            assert self.beside is not None
            weighted[..., : column.rise] += self.beside
        if column.fall:
            self.beside = weighted[..., -column.fall :].clone()
            weighted = weighted[..., : -column.fall]
        return weighted

    def _settle(self, sums: Float[Tensor, "K h v"], row: Share, column: Share) -> None:
        """Adds what the tiles above said, keeps what those below will add to, and decides the rest."""
        columns = slice(column.begin, column.end - column.fall)
        if row.rise:
            assert self.below is not None
            sums[:, : row.rise] += self.below[:, :, columns]
        if row.fall:
            if self.below is None:
                self.below = sums.new_empty((len(sums), self.shared, self.classes.shape[1]))
            self.below[:, :, columns] = sums[:, -row.fall :]
            sums = sums[:, : -row.fall]
        self.classes[row.begin : row.end - row.fall, columns] = class_argmax(sums).to("cpu", self.classes.dtype)

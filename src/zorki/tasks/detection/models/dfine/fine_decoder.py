"""D-FINE's decoder: every layer refines how far the edges of the first layer's boxes move (Peng et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from zorki.tasks.detection.models.dfine.distributions import BINS, bin_offsets, moved_edges
from zorki.tasks.detection.models.rtdetr.decoder import (
    Decoded,
    DeformableLayer,
    Readable,
    box_output,
    class_output,
    moved,
    perceptron,
)

BEST = 4  # probabilities of each edge that tell how sure it is
FARTHEST = 10.0  # of what tells where a box is


@dataclass
class FineDecoded(Decoded):
    """What each of L layers made of the queries.

    Before the logits and boxes of the layers stand those that the first one has of its own, whose edges the layers
    move: there are L + 1.

    Attributes:
        edges: logits of the bins of each edge.
        start: cxcywh, whose edges they move; no gradient goes through it.
    """

    edges: Float[Tensor, "L B Q edges_bins"]
    start: Float[Tensor, "B Q 4"]


torch.export.register_dataclass(FineDecoded)


class FineDecoder(nn.Module):
    """Layers that each refine the distributions of the one before (section 4.1: FDR).

    Args:
        depth: L, of layers.
        width: D, of a token.
        heads: of every attention.
        hidden: width of the perceptrons.
        points: of each head in each map.
        num_classes: K.
    """

    bins: Tensor

    def __init__(
        self, depth: int, width: int, heads: int, hidden: int, points: Sequence[int], num_classes: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DeformableLayer(width, heads, hidden, points, gated=True) for _ in range(depth))
        self.place = perceptron(4, 2 * width, width)
        self.first_box = box_output(width)
        self.class_outputs = nn.ModuleList(class_output(width, num_classes) for _ in range(depth))
        self.box_outputs = nn.ModuleList(_edge_output(width) for _ in range(depth))
        self.qualities = nn.ModuleList(LocationQuality() for _ in range(depth))
        self.register_buffer("bins", bin_offsets(), persistent=False)

    def forward(
        self,
        content: Float[Tensor, "B Q D"],
        boxes: Float[Tensor, "B Q 4"],
        memory: Readable,
        others: Decoded | None = None,
        visible: Bool[Tensor, "B Q M"] | None = None,
    ) -> FineDecoded:
        """Every layer's outputs; arguments as of `DeformableDecoder`."""
        rounds: list[tuple[Tensor, ...]] = []
        known = torch.zeros_like(content)
        edges: Tensor | None = None
        first: tuple[Tensor, Tensor] | None = None
        start = boxes
        for number, layer in enumerate(self.layers):
            boxes = boxes.detach()
            positions = self.place(boxes.to(content.dtype)).clamp(-FARTHEST, FARTHEST)
            before, placed = content, content + positions
            beside = None if others is None else (others.content[number], others.placed[number])
            content = layer(content, placed, positions, boxes, memory, beside, visible)
            scores = self.class_outputs[number](content)
            if first is None:
                first = (scores.float(), moved(boxes, self.first_box(content)))
                start = first[1].detach()
            refined: Tensor = self.box_outputs[number](content + known).float()
            edges = refined if edges is None else edges + refined
            known = content.detach()
            boxes = moved_edges(start, edges, self.bins)
            logits = scores.float() + self.qualities[number](edges)
            rounds.append((logits, boxes, before, placed, edges))
        assert first is not None
        logits, found, contents, places, bins = (torch.stack(values) for values in zip(*rounds, strict=True))
        logits, found = (torch.cat([one[None], rest]) for one, rest in zip(first, (logits, found), strict=True))
        return FineDecoded(logits, found, contents, places, bins, start)


class LocationQuality(nn.Module):
    """What is added to a query's logits for how sure its edges are (Li et al., 2021: GFL v2, section 3.2)."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.reg_conf = perceptron(4 * (BEST + 1), hidden, 1)
        nn.init.zeros_(self.reg_conf[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.reg_conf[-1].bias)  # type: ignore[arg-type]

    def forward(self, edges: Float[Tensor, "B Q edges_bins"]) -> Float[Tensor, "B Q 1"]:
        best = edges.unflatten(-1, (4, -1)).softmax(-1).topk(BEST).values
        return self.reg_conf(torch.cat([best, best.mean(-1, keepdim=True)], -1).flatten(2)).float()


def _edge_output(width: int) -> nn.Sequential:
    """Logits of the bins of four edges, all alike at the start, so that boxes stay."""
    layers = perceptron(width, width, width, 4 * (BINS + 1))
    nn.init.zeros_(layers[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]
    return layers

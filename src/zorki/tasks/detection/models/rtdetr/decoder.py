"""RT-DETR's decoder: queries that read several maps through their boxes, which every layer moves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from zorki.tasks.detection.models.detr.transformer import EncoderLayer
from zorki.tasks.detection.models.rtdetr.deformable_attention import DeformableAttention, MapSizes


@dataclass
class Readable:
    """The cells of all maps, which the queries read.

    Attributes:
        tokens: one map behind the other, finest first, row by row.
        sizes: (height, width) of each map.
    """

    tokens: Float[Tensor, "B N D"]
    sizes: MapSizes


@dataclass
class Decoded:
    """What each of L layers made of the queries, and with what it began.

    Attributes:
        logits: of the classes; P is L, or one more where there are predictions beside those of the layers.
        boxes: cxcywh in shares of the canvas.
        content: of the queries before the layer.
        placed: the same with what says where their boxes are.
    """

    logits: Float[Tensor, "P B Q K"]
    boxes: Float[Tensor, "P B Q 4"]
    content: Float[Tensor, "L B Q D"]
    placed: Float[Tensor, "L B Q D"]


for _kind in (Readable, Decoded):
    torch.export.register_dataclass(_kind)


class DeformableLayer(EncoderLayer):
    """Attention among queries, deformable attention to the maps, and a perceptron; norms stand behind the residuals.

    Args:
        width: D, of a token.
        heads: of every attention.
        hidden: width of the perceptron.
        points: of each head in each map.
        gated: as in D-FINE, what is read of the maps goes through a `Gateway`, and through no linear layers.
    """

    def __init__(self, width: int, heads: int, hidden: int, points: Sequence[int], *, gated: bool = False) -> None:
        super().__init__(width, heads, hidden, 0.0, pre_norm=False)
        self.encoder_attn = DeformableAttention(width, heads, points, project=not gated)
        self.norm3 = nn.LayerNorm(width)
        self.gateway = None
        if gated:
            self.norm2, self.gateway = nn.Identity(), Gateway(width)  # type: ignore[assignment]

    def forward(  # type: ignore[override]
        self,
        content: Float[Tensor, "B Q D"],
        placed: Float[Tensor, "B Q D"],
        positions: Float[Tensor, "B Q D"],
        boxes: Float[Tensor, "B Q 4"],
        memory: Readable,
        others: tuple[Float[Tensor, "B O D"], Float[Tensor, "B O D"]] | None = None,
        visible: Bool[Tensor, "B Q M"] | None = None,
    ) -> Float[Tensor, "B Q D"]:
        """The queries' next content.

        Args:
            placed: content with positions.
            boxes: cxcywh, of the queries.
            others: content and placed content of queries that are looked at beside these, and before them.
            visible: which of the others and of these each query may look at.
        """
        keys, values = placed, content
        if others is not None:
            values, keys = (torch.cat(pair, 1) for pair in zip(others, (content, placed), strict=True))
        content = self.norm1(content + self.self_attn(placed, keys, values, visible))
        read = self.encoder_attn(content + positions, boxes, memory.tokens, memory.sizes)
        content = self.norm2(content + read) if self.gateway is None else self.gateway(content, read)
        return self.norm3(content + self._think(content))


class Gateway(nn.Module):
    """How much stays of the content and how much comes of what was read, channel by channel (Peng et al., 2024).

    Gates are half open at the start.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate, self.norm = nn.Linear(2 * width, 2 * width), nn.LayerNorm(width)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, content: Float[Tensor, "B Q D"], read: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        keep, take = self.gate(torch.cat([content, read], -1)).sigmoid().chunk(2, -1)
        return self.norm(keep * content + take * read)


class DeformableDecoder(nn.Module):
    """Layers that each move the boxes of the one before (Zhu et al., 2021, appendix A.4).

    Args:
        depth: L, of layers.
        width: D, of a token.
        heads: of every attention.
        hidden: width of the perceptrons.
        points: of each head in each map.
        num_classes: K.
    """

    def __init__(
        self, depth: int, width: int, heads: int, hidden: int, points: Sequence[int], num_classes: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DeformableLayer(width, heads, hidden, points) for _ in range(depth))
        self.place = perceptron(4, 2 * width, width)
        self.class_outputs = nn.ModuleList(class_output(width, num_classes) for _ in range(depth))
        self.box_outputs = nn.ModuleList(box_output(width) for _ in range(depth))

    def forward(
        self,
        content: Float[Tensor, "B Q D"],
        boxes: Float[Tensor, "B Q 4"],
        memory: Readable,
        others: Decoded | None = None,
        visible: Bool[Tensor, "B Q M"] | None = None,
    ) -> Decoded:
        """Every layer's outputs for queries that begin with a content and a box.

        Args:
            boxes: cxcywh in shares of the canvas; no gradient goes through them.
            others: queries that these look at beside each other, and that do not look back.
            visible: which of the others and of these each query may look at.
        """
        rounds: list[tuple[Tensor, ...]] = []
        for place, layer in enumerate(self.layers):
            boxes = boxes.detach()
            positions = self.place(boxes.to(content.dtype))
            before, placed = content, content + positions
            beside = None if others is None else (others.content[place], others.placed[place])
            content = layer(content, placed, positions, boxes, memory, beside, visible)
            boxes = moved(boxes, self.box_outputs[place](content))
            rounds.append((self.class_outputs[place](content).float(), boxes, before, placed))
        return Decoded(*(torch.stack(values) for values in zip(*rounds, strict=True)))


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(widths[0], widths[1])]
    for before, after in itertools.pairwise(widths[1:]):
        layers += [nn.ReLU(), nn.Linear(before, after)]
    return nn.Sequential(*layers)


def class_output(width: int, num_classes: int) -> nn.Linear:
    """Logits of the classes, which start at 1 %: almost every query predicts no object."""
    linear = nn.Linear(width, num_classes)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.constant_(linear.bias, -4.6)
    return linear


def box_output(width: int) -> nn.Sequential:
    """By how much a box moves behind the logit; at the start it stays."""
    layers = perceptron(width, width, width, 4)
    nn.init.zeros_(layers[-1].weight)  # type: ignore[arg-type]
    nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]
    return layers


def moved(boxes: Float[Tensor, "B Q 4"], offsets: Float[Tensor, "B Q 4"]) -> Float[Tensor, "B Q 4"]:
    """Boxes (cxcywh in shares) with offsets added behind the logit, so that they stay in 0..1."""
    return (torch.logit(boxes, eps=1e-5) + offsets.float()).sigmoid()

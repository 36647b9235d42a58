"""Heads that stand on features while they are learned: linear layers, with norms and ReLUs between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

OutputNorm = Literal["none", "plain", "affine"]


class ProjectionHead(nn.Module):
    """Linear layers of these widths; behind each but the last a norm and a ReLU.

    Args:
        widths: of the features, of each hidden layer, and of what comes out.
        norm: batch norm in the hidden layers.
        output_norm: batch norm behind the last layer: "none", "plain" (without weights), or "affine".
    """

    def __init__(self, widths: Sequence[int], *, norm: bool = True, output_norm: OutputNorm = "none") -> None:
        super().__init__()
        *hidden, last = range(1, len(widths))
        blocks: list[nn.Module] = [_hidden(widths[place - 1], widths[place], norm=norm) for place in hidden]
        output: list[nn.Module] = [nn.Linear(widths[last - 1], widths[last], bias=output_norm == "none")]
        if output_norm != "none":
            output.append(nn.BatchNorm1d(widths[last], affine=output_norm == "affine"))
        self.blocks = nn.ModuleList([*blocks, nn.Sequential(*output)])

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N E"]:
        return self.run(x, 0)

    def run(self, x: Float[Tensor, "N D"], first: int, last: int | None = None) -> Float[Tensor, "N E"]:
        """The layers from the `first` to before the `last`, both from 0."""
        for block in self.blocks[first:last]:
            x = block(x)
        return x


def _hidden(inputs: int, outputs: int, *, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(inputs, outputs, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm1d(outputs))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def hidden_width(features: int, published: int, width: int = 0) -> int:
    """Of a hidden layer: the `width` that was asked for; 0: the paper's, but at most four times the features.

    Papers stand on the 2,048 features of ResNet-50; on the 64 of a small network their heads would be most of it.
    """
    return width or min(published, 4 * features)

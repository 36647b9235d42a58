"""What networks that stylize put out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from zorki.types import GeneratedImage, Padded, Placement


@dataclass
class StylizedBatch:
    """Stylized images beside their contents, on canvases of one size.

    `images` are pixels 0..255; `valid` are the edges of each image on its canvas, xyxy in whole pixels.
    """

    images: Float[Tensor, "B 3 H W"]
    contents: UInt8[Tensor, "B 3 H W"]
    valid: Int64[Tensor, "B 4"]

    def pairs(self) -> Iterator[tuple[Float[Tensor, "b 3 h w"], UInt8[Tensor, "b 3 h w"]]]:
        """Stylized images and contents without their canvas: all at once where they fill it, else one by one."""
        for rows, (left, top, right, bottom) in parts(self.contents, self.valid):
            yield self.images[rows, :, top:bottom, left:right], self.contents[rows, :, top:bottom, left:right]


def parts(canvases: Tensor, valid: Tensor) -> list[tuple[slice, tuple[int, int, int, int]]]:
    """Rows of a batch with the edges of what lies on their canvases: all at once where they fill them."""
    edges = valid.tolist()
    full = [0, 0, canvases.shape[-1], canvases.shape[-2]]
    if all(one == full for one in edges):
        return [(slice(None), (0, 0, full[2], full[3]))]
    return [(slice(row, row + 1), tuple(one)) for row, one in enumerate(edges)]


def padded(inputs: Tensor | Padded) -> Padded:
    """Images that fill their canvas, where nothing else is said."""
    if isinstance(inputs, Padded):
        return inputs
    edges = torch.tensor([[0, 0, inputs.shape[-1], inputs.shape[-2]]], dtype=torch.int64)
    return Padded(inputs, edges.repeat(len(inputs), 1))


@torch.no_grad()
def decode(outputs: StylizedBatch, placements: Sequence[Placement]) -> list[GeneratedImage]:
    """Each image in the size of the original, on the CPU."""
    images = []
    for image, (left, top, right, bottom), placement in zip(
        outputs.images, outputs.valid.tolist(), placements, strict=True
    ):
        own, size = image[:, top:bottom, left:right].float(), (placement.height, placement.width)
        if own.shape[1:] != size:
            own = functional.interpolate(own[None], size, mode="bilinear", antialias=True)[0]
        images.append(GeneratedImage(own.round().clamp(0, 255).to("cpu", torch.uint8).contiguous()))
    return images

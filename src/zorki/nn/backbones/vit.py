"""Vision transformer (Dosovitskiy et al., 2020: An Image is Worth 16x16 Words, section 3)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone


class Vit(Backbone):
    """Patches, a class token, learned positions, and torchvision's encoder blocks; one map, of the last block.

    Any input of whole patches works: where its grid is not that of the positions, they are interpolated
    (section 3.2). Rows and columns that fill no patch are not looked at.

    Args:
        patch: side of a patch in pixels.
        depth: number of blocks.
        heads: of the attention.
        width: D, of a token.
        hidden: width of the blocks' perceptrons.
        size: side of the input for which the positions are made.
        in_channels: of the images.
        dropout: probability, behind the positions, attention and perceptrons.
    """

    def __init__(
        self,
        *,
        patch: int,
        depth: int,
        heads: int,
        width: int,
        hidden: int,
        size: int = 224,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        from torchvision.models.vision_transformer import EncoderBlock  # takes seconds; listing names needs it not

        super().__init__()
        self.channels, self.strides, self.min_size = (width,), (patch,), patch
        self.check_size(size, "a vision transformer")
        self.embed = PatchEmbed(patch, width, size // patch, in_channels, dropout)
        self.blocks = nn.ModuleList(EncoderBlock(heads, width, hidden, dropout, 0.0) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return [self._map(self._encode(x), x)]

    def top_and_map(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Float[Tensor, "B D h w"]]:
        tokens = self._encode(x)
        return tokens[:, 0], self._map(tokens, x)

    def top(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """The class token behind the last norm."""
        return self._encode(x)[:, 0]

    def stages(self) -> list[nn.Module]:
        return [self.embed, *self.blocks, self.norm]

    def check_size(self, size: int, network: str) -> None:
        """Raises RecipeError where `size` is no multiple of the patch."""
        super().check_size(size, network)
        if size % self.strides[0]:
            patch = self.strides[0]
            raise RecipeError(
                f"{network} cuts images into patches of {patch} pixels, and size {size} is no multiple of that; "
                f"take {size // patch * patch} or {(size // patch + 1) * patch}"
            )

    def _map(self, tokens: Float[Tensor, "B N D"], x: Tensor) -> Float[Tensor, "B D h w"]:
        patch = self.strides[0]
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (x.shape[2] // patch, x.shape[3] // patch))

    def _encode(self, x: Tensor) -> Float[Tensor, "B N D"]:
        tokens = self.embed(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


class PatchEmbed(nn.Module):
    """Tokens of an image: the class token, then its patches row by row, each with its position."""

    def __init__(self, patch: int, width: int, grid: int, in_channels: int, dropout: float) -> None:
        super().__init__()
        self.grid = grid
        self.patches = nn.Conv2d(in_channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, 1 + grid**2, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        nn.init.trunc_normal_(self.patches.weight, std=math.sqrt(1 / self.patches.weight[0].numel()))
        nn.init.zeros_(self.patches.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        patches = self.patches(x)
        positions = self._positions(patches.shape[2], patches.shape[3])
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        return self.dropout(tokens + positions)

    def _positions(self, height: int, width: int) -> Float[Tensor, "1 N D"]:
        if (height, width) == (self.grid, self.grid):
            return self.positions
        square = self.positions[:, 1:].transpose(1, 2).unflatten(2, (self.grid, self.grid))
        stretched = functional.interpolate(square, (height, width), mode="bicubic", align_corners=False)
        return torch.cat([self.positions[:, :1], stretched.flatten(2).transpose(1, 2)], 1)

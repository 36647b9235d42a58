"""The efficient hybrid encoder of RT-DETR (Lv et al., 2023, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.tasks.detection.models.detr.transformer import EncoderLayer
from zorki.tasks.detection.models.rtdetr.convolutions import ConvNorm


class HybridEncoder(nn.Module):
    """Attention within the coarsest map (AIFI), then convolutions from coarse to fine and back (CCFM).

    Attention sees 32 pixels as one token, where it is cheap; the finer maps, without much meaning of their own, are
    fused with it by convolutions. As many maps come out as go in, all of `width` channels.

    Args:
        channels: of the backbone's maps, finest first.
        width: D, of all maps inside.
        heads: of the attention.
        hidden: width of the perceptron behind it.
        lateral: makes what stands before a coarser map is enlarged.
        fusion: makes blocks that fuse two maps, of 2 D channels to D.
        halve: makes what halves a map.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        heads: int,
        hidden: int,
        *,
        lateral: Callable[[], nn.Module],
        fusion: Callable[[], nn.Module],
        halve: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        steps = range(len(channels) - 1)
        self.project = nn.ModuleList(ConvNorm(count, width) for count in channels)
        self.attention = nn.ModuleList(
            EncoderLayer(width, heads, hidden, 0.0, pre_norm=False, activation=functional.gelu) for _ in range(1)
        )
        self.lateral = nn.ModuleList(lateral() for _ in steps)
        self.down_path = nn.ModuleList(fusion() for _ in steps)
        self.halve = nn.ModuleList(halve() for _ in steps)
        self.up_path = nn.ModuleList(fusion() for _ in steps)

    def forward(self, features: Sequence[Float[Tensor, "B _ _ _"]]) -> list[Tensor]:
        maps = [project(feature) for project, feature in zip(self.project, features, strict=True)]
        maps[-1] = self._attend(maps[-1])
        coarse = [maps.pop()]
        for lateral, fuse in zip(self.lateral, self.down_path, strict=True):
            coarse[0] = lateral(coarse[0])
            finer = maps.pop()
            coarse.insert(0, fuse(torch.cat([_resized(coarse[0], finer), finer], 1)))
        fused = [coarse[0]]
        for halve, fuse, top in zip(self.halve, self.up_path, coarse[1:], strict=True):
            fused.append(fuse(torch.cat([_resized(halve(fused[-1]), top), top], 1)))
        return fused

    def _attend(self, top: Float[Tensor, "B D h w"]) -> Float[Tensor, "B D h w"]:
        height, width = top.shape[-2:]
        positions = map_positions(height, width, top.shape[1], top.device).to(top.dtype)
        tokens = top.flatten(2).transpose(1, 2)
        for layer in self.attention:
            tokens = layer(tokens, positions)
        return tokens.transpose(1, 2).unflatten(2, (height, width))


def cross_stage_encoder(
    channels: Sequence[int], width: int, heads: int, hidden: int, *, expansion: float = 1.0
) -> HybridEncoder:
    """The encoder of RT-DETR, of `CrossStageBlock`s.

    Args:
        channels, width, heads, hidden: as of `HybridEncoder`.
        expansion: channels of the blocks, as a share of D.
    """
    return HybridEncoder(
        channels,
        width,
        heads,
        hidden,
        lateral=lambda: ConvNorm(width, width, activation=nn.SiLU()),
        fusion=lambda: CrossStageBlock(2 * width, int(width * expansion), width, 3),
        halve=lambda: ConvNorm(width, width, 3, 2, nn.SiLU()),
    )


def map_positions(height: int, width: int, channels: int, device: torch.device) -> Float[Tensor, "1 N {channels}"]:
    """Sines and cosines of the row, then of the column, of the N cells of a map, row by row."""
    frequencies = 10000.0 ** -(torch.arange(channels // 4, device=device) / (channels // 4))
    rows = torch.arange(height, device=device)[:, None] * frequencies
    columns = torch.arange(width, device=device)[:, None] * frequencies
    vertical = torch.cat([rows.sin(), rows.cos()], 1)[:, None].expand(-1, width, -1)
    horizontal = torch.cat([columns.sin(), columns.cos()], 1)[None].expand(height, -1, -1)
    return torch.cat([vertical, horizontal], 2).flatten(0, 1)[None]


def _resized(x: Float[Tensor, "B C H W"], like: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C h w"]:
    """Nearest cells; maps of backbones whose strides round otherwise than ours fit as well."""
    return x if x.shape[-2:] == like.shape[-2:] else functional.interpolate(x, size=like.shape[-2:], mode="nearest")


class CrossStageBlock(nn.Module):
    """A cross-stage partial block with RepVGG blocks (figure 4), which are not yet merged.

    Args:
        in_channels, hidden, out_channels: of the maps before, inside of and behind it.
        depth: RepVGG blocks.
    """

    def __init__(self, in_channels: int, hidden: int, out_channels: int, depth: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, hidden, activation=nn.SiLU())
        self.conv2 = ConvNorm(in_channels, hidden, activation=nn.SiLU())
        self.bottlenecks = nn.Sequential(*(RepBlock(hidden) for _ in range(depth)))
        self.conv3 = nn.Identity() if hidden == out_channels else ConvNorm(hidden, out_channels, activation=nn.SiLU())

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        return self.conv3(self.bottlenecks(self.conv1(x)) + self.conv2(x))


class RepBlock(nn.Module):
    """A 3x3 and a 1x1 convolution side by side (Ding et al., 2021: RepVGG), without the branch of identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(width, width, 3), ConvNorm(width, width)

    def forward(self, x: Float[Tensor, "B D H W"]) -> Float[Tensor, "B D H W"]:
        return functional.silu(self.conv1(x) + self.conv2(x))

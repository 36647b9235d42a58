"""What stands on the features of regions: hidden layers, classes and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.darknet import Darknet53
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.resnet import ResNet
from zorki.ops.roi import pool_regions
from zorki.tasks.detection.networks.coco_category_ids import accept_coco_slots


class HiddenLayers(nn.Module):
    """Two hidden layers, fc6 and fc7, over all features of a region (Girshick, 2015, section 2).

    Args:
        inputs: features of a region.
        hidden: width of both layers.
        dropout: behind each of them.
        norm: a layer norm before each of their ReLUs, which the papers do not have. Layers that start from nothing on
            a backbone as it is published want it, since features of one are a hundred times larger than another's.
    """

    def __init__(self, inputs: int, hidden: int, *, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.fc6, self.fc7 = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
        self.norm6, self.norm7 = (nn.LayerNorm(hidden) if norm else nn.Identity() for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    def forward(self, pooled: Float[Tensor, "N *_"]) -> Float[Tensor, "N D"]:
        x = self.dropout(functional.relu(self.norm6(self.fc6(pooled.flatten(1)))))
        return self.dropout(functional.relu(self.norm7(self.fc7(x))))


class RegionHead(nn.Module):
    """What a region is, and where exactly: pooled features, a trunk, and two linear layers (Girshick, 2015, section 2).

    `pool` and `forward` are two steps, so that other heads may read the same features.

    Args:
        trunk: from pooled features (N, C, height, width) to vectors (N, hidden).
        hidden: length of these vectors.
        num_classes: K; there are K + 1 slots, background first.
        strides: of the maps that `pool` reads, finest first; none where the features are made elsewhere.
        size: height and width of the pooled features.
        kind, sampling_ratio, home_size: see `pool_regions`.
        grid: where cells lie, as for anchors: see `level_points`.
        deviations: at which the weights of classes and offsets start. Section 2.3 has 0.01 and 0.001 for 4096 inputs.
    """

    def __init__(
        self,
        trunk: nn.Module,
        hidden: int,
        num_classes: int,
        *,
        strides: Sequence[int] = (),
        size: tuple[int, int] = (7, 7),
        kind: Literal["align", "pool"] = "align",
        sampling_ratio: int = 2,
        home_size: float = 224,
        grid: Literal["centered", "corner"] = "centered",
        deviations: tuple[float, float] = (0.01, 0.001),
    ) -> None:
        super().__init__()
        self.strides, self.size = tuple(strides), size
        self.kind, self.sampling_ratio, self.home_size, self.grid = kind, sampling_ratio, home_size, grid
        self.trunk = trunk
        self.logits = nn.Linear(hidden, num_classes + 1)
        self.offsets = nn.Linear(hidden, 4 * (num_classes + 1))
        for layer, deviation in zip((self.logits, self.offsets), deviations, strict=True):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)
        accept_coco_slots(self.logits, num_classes, nothing="first")
        accept_coco_slots(self.offsets, num_classes, nothing="first", values=4)

    def pool(
        self,
        maps: Sequence[Float[Tensor, "B C _ _"]],
        regions: Float[Tensor, "N 4"],
        images: Int[Tensor, " N"],
        input_size: tuple[int, int],
        size: tuple[int, int] | None = None,
    ) -> Float[Tensor, "N C h w"]:
        """The features of regions, which are in pixels of the input of that (height, width).

        Args:
            size: height and width of what comes out, for other heads; None: this one's.
        """
        read = maps[: len(self.strides)]
        starts = None
        if self.grid == "centered":
            starts = [first_cell(features, s, input_size) for features, s in zip(read, self.strides, strict=True)]
        return pool_regions(
            read,
            self.strides,
            regions,
            images,
            size or self.size,
            kind=self.kind,
            sampling_ratio=self.sampling_ratio,
            home_size=self.home_size,
            starts=starts,
        )

    def forward(self, pooled: Float[Tensor, "N *_"]) -> tuple[Float[Tensor, "N S"], Float[Tensor, "N O"]]:
        """Logits of K + 1 slots, and 4 offsets a slot."""
        x = self.trunk(pooled)
        return self.logits(x), self.offsets(x)


def first_cell(features: Float[Tensor, "B C _ _"], stride: int, size: tuple[int, int]) -> tuple[float, float]:
    """(x, y) of the first cell of a "centered" map in pixels of the input of `size` (height, width)."""
    rows, columns = features.shape[2:]
    return (size[1] - (columns - 1) * stride) / 2, (size[0] - (rows - 1) * stride) / 2


def head_published() -> dict[str, str]:
    """Where torchvision's names stand in a model whose `head` is a `RegionHead` on `HiddenLayers`."""
    return {
        "roi_heads.box_head.": "head.trunk.",
        "roi_heads.box_predictor.cls_score.": "head.logits.",
        "roi_heads.box_predictor.bbox_pred.": "head.offsets.",
    }


def hidden_published(first: str, second: str) -> dict[str, str]:
    """Where two layers of a published classifier stand in a model whose `head` is a `RegionHead` on `HiddenLayers`."""
    return {f"{first}.": "head.trunk.fc6.", f"{second}.": "head.trunk.fc7."}


def grid_of(backbone: Backbone) -> Literal["centered", "corner"]:
    """Where the cells of a backbone's maps look, as their gradients say.

    Networks whose every convolution of stride 2 is padded on both sides have the first cell of each map in the corner.
    Those without padding, and with even kernels, have as much room on the left as on the right, and so others are
    taken to have. timm's are not looked into.
    """
    return "corner" if isinstance(backbone, ResNet | MobileNetV3 | Darknet53) else "centered"

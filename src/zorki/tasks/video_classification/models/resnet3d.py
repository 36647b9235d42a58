"""R3D, MC3 and R(2+1)D of 18 layers (Tran et al., 2018: A Closer Look at Spatiotemporal Convolutions)."""

from __future__ import annotations

from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.layers.initialize import initialize_output
from zorki.registry import Variant, model
from zorki.tasks.video_classification.task import VideoClassification
from zorki.tasks.video_classification.volumes import VolumeClassifier
from zorki.weights.weight_map import WeightMap

# Of Kinetics-400, as torchvision's weights were trained.
_MEAN, _STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)

# Torchvision's names, and the places of its parts in ours.
_WEIGHTS = WeightMap(
    {"stem.": "trunk.0.", **{f"layer{number}.": f"trunk.{number}." for number in range(1, 5)}, "fc.": "head.fc."}
)


class PooledVolumeHead(nn.Module):
    """The mean over time and space, dropout, and a linear layer."""

    def __init__(self, channels: int, num_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        initialize_output(self.fc)

    def forward(self, x: Float[Tensor, "M C T H W"]) -> Float[Tensor, "M K"]:
        return self.fc(self.dropout(x.mean((2, 3, 4))))  # type: ignore[no-any-return]


def _published(name: str) -> Any:
    from torchvision.models import video  # takes seconds; listing the names needs it not

    return {"r3d_18": video.r3d_18, "mc3_18": video.mc3_18, "r2plus1d_18": video.r2plus1d_18}[name](weights=None)


@model(
    VideoClassification,
    variants=[
        Variant(
            name,
            summary,
            {"network": name},
            weights={"kinetics": f"torchvision:{weights}.KINETICS400_V1"},
        )
        for name, summary, weights in (
            ("r3d_18", "ResNet-18 of 3D convolutions (Tran et al., 2018).", "R3D_18_Weights"),
            ("mc3_18", "ResNet-18, 3D convolutions first, then 2D (Tran et al., 2018).", "MC3_18_Weights"),
            ("r2plus1d_18", "ResNet-18, 2D and 1D convolutions in turn (Tran et al., 2018).", "R2Plus1D_18_Weights"),
        )
    ],
)
def resnet3d(
    num_classes: int,
    *,
    network: Literal["r3d_18", "mc3_18", "r2plus1d_18"],
    image_size: int = 112,
    frames: int = 16,
    stride: int = 2,
    dropout: float = 0.0,
) -> Model[Any, Any, Any]:
    """ResNet-18 on clips (Tran et al., 2018), torchvision's.

    Args:
        image_size: side of the network's input, in pixels.
        frames: of a clip.
        stride: every so many-th frame of a film is taken.
        dropout: probability, of the features.
    """
    published = _published(network)
    trunk = nn.Sequential(published.stem, published.layer1, published.layer2, published.layer3, published.layer4)
    return VolumeClassifier(
        trunk,
        PooledVolumeHead(512, num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=Clips(frames, stride, ResizeCrop(image_size, 0.875 if image_size >= 112 else 1.0)),
        weight_map=_WEIGHTS,
        mean=_MEAN,
        std=_STD,
    )

"""Two streams: what a frame shows, and how it moves (Simonyan and Zisserman, 2014).

One network reads the middle frame of a clip, another one the optical flow between its frames, stacked as channels;
their scores are averaged. The paper's flow is Brox's; dense inverse search takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from zorki.contracts import Model, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph
from zorki.data.preprocess.flow.clips_with_flow import ClipsWithFlow
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.backbone import Backbone, with_channels
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.nn.layers.initialize import initialize_output
from zorki.registry import model
from zorki.tasks.video_classification.classifier import DEFAULTS, ClipClassifier, ClipLogits, ExportedClipClassifier
from zorki.tasks.video_classification.on_backbone import on_named_backbones
from zorki.tasks.video_classification.task import VideoClassification
from zorki.types import FrameAndFlow, Label
from zorki.weights.weight_map import WeightMap, renamed

LEVELS = 32.0
"""Levels of flow that the network takes for 1: a quarter of the largest shift."""


@dataclass
class TwoStreamLogits(ClipLogits):
    """Logits of both together, the logarithms of the mean of their probabilities, and of each."""

    spatial: Float[Tensor, "B N K"]
    temporal: Float[Tensor, "B N K"]


torch.export.register_dataclass(TwoStreamLogits)


class TwoStream(ClipClassifier):
    """A network for a frame and one for flow, each with its own cross-entropy.

    Args:
        backbone: reads frames.
        flow_backbone: reads 2 * L channels of flow.
    """

    def __init__(
        self,
        backbone: Backbone,
        flow_backbone: Backbone,
        *,
        num_classes: int,
        preprocess: ClipsWithFlow,
        dropout: float,
        mean: Sequence[float],
        std: Sequence[float],
        weight_map: WeightMap,
    ) -> None:
        # Flow is stored for whole frames: crops would have it worked out again for every clip.
        defaults = DEFAULTS | TrainingDefaults(random_crop=1.0)
        super().__init__(
            num_classes=num_classes, preprocess=preprocess, mean=mean, std=std, weight_map=weight_map, defaults=defaults
        )
        self.backbone, self.flow_backbone = backbone, flow_backbone
        self.dropout = nn.Dropout(dropout)
        self.spatial_fc = nn.Linear(backbone.channels[-1], num_classes)
        self.temporal_fc = nn.Linear(flow_backbone.channels[-1], num_classes)
        initialize_output(self.spatial_fc)
        initialize_output(self.temporal_fc)

    def clip_logits(self, clips: Float[Tensor, "M 1 3 H W"]) -> Float[Tensor, "M K"]:
        """Of the stream for frames alone, of one frame a clip."""
        return self.spatial_fc(self.dropout(self.backbone(clips[:, 0])[-1].mean((2, 3))))  # type: ignore[no-any-return]

    def forward(self, inputs: FrameAndFlow) -> TwoStreamLogits:  # type: ignore[override]
        """Logits of both streams, and of their mean."""
        shape = inputs.images.shape[:2]
        frames = self.normalize(inputs.images.flatten(0, 1))[:, None]
        spatial = self.clip_logits(frames)
        flow = (inputs.flow.flatten(0, 1).to(frames.dtype) - 128.0) / LEVELS
        temporal = self.temporal_fc(self.dropout(self.flow_backbone(flow)[-1].mean((2, 3))))
        shares = torch.stack([spatial.float().log_softmax(1), temporal.float().log_softmax(1)])
        together = shares.logsumexp(0) - torch.tensor(2.0).log()
        return TwoStreamLogits(*(one.unflatten(0, shape) for one in (together, spatial, temporal)))

    def trace(self, images: Num[Tensor, "B 3 T H W"]) -> ClipLogits:
        """The middle frame through one stream, as many channels as the flow has through the other; see `Traces`."""
        batch, _, frames, height, width = images.shape
        flow = images.new_empty((batch, 1, 2 * (frames - 1), height, width))
        return self(FrameAndFlow(images[:, None, :, frames // 2], flow))  # type: ignore[no-any-return]

    def loss(self, outputs: ClipLogits, targets: Sequence[Label]) -> dict[str, Tensor]:
        """The cross-entropy of each stream."""
        assert isinstance(outputs, TwoStreamLogits)
        return {
            "spatial": super().loss(ClipLogits(outputs.spatial), targets)["cross_entropy"],
            "temporal": super().loss(ClipLogits(outputs.temporal), targets)["cross_entropy"],
        }

    def expected_loss(self) -> float:
        """Of both streams."""
        return 2 * super().expected_loss()

    def backbone_stages(self) -> list[nn.Module]:
        """Of both streams, side by side."""
        stages = zip(self.backbone.stages(), self.flow_backbone.stages(), strict=True)
        return [nn.ModuleList(pair) for pair in stages]

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From the pixels of a frame and the flow of each clip to "scores" (B, K), which sum to 1."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        flow = torch.full((2, 2 * (self.preprocess.frames - 1), height, width), 128, dtype=torch.uint8)
        return ExportGraph(
            _ExportedTwoStream(self), {"images": images, "flow": flow}, ("scores",), Decoding("clip_label")
        )


class _ExportedTwoStream(ExportedClipClassifier):
    """As `ExportedClipClassifier`, of a frame and flow."""

    def forward(self, images: Tensor, flow: Tensor) -> Tensor:  # type: ignore[override]
        """The mean of both streams' softmaxes."""
        return self.model(FrameAndFlow(images[:, None], flow[:, None])).clips[:, 0].float().softmax(1)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class TwoStreamWeights(WeightMap):
    """Weights of an image network for both streams; that for flow sees in each channel the mean of the three colors.

    As temporal segment networks begin (Wang et al., 2016, "cross modality"); `first` is the first convolution of the
    stream for flow, `channels` what it reads.
    """

    first: str = ""
    channels: int = 0

    def adapt(self, tensors: Mapping[str, Tensor], file: str, model: nn.Module) -> Mapping[str, Tensor]:
        """The published tensors, and again those of the stream for flow, by our names."""
        both = dict(tensors)
        for name, value in tensors.items():
            ours = renamed(name, self.prefixes)
            if not ours.startswith("backbone.") or name.startswith("flow_"):
                continue
            if ours == f"backbone.{self.first}.weight":
                value = value.mean(1, keepdim=True).expand(-1, self.channels, -1, -1).clone()
            both[f"flow_{ours}"] = value
        return both


@model(
    VideoClassification,
    variants=on_named_backbones("two_stream", "Two streams (Simonyan and Zisserman, 2014): {title}."),
    any_backbone="two_stream_{backbone}",
)
def two_stream(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    frames: int = 11,
    stride: int = 1,
    dropout: float = 0.5,
) -> Model[Any, Any, Any]:
    """Two streams (Simonyan and Zisserman, 2014): a frame, and stacked optical flow.

    Args:
        backbone: name of the backbone of both streams, see `zorki.nn.backbones.named`.
        image_size: side of the networks' input, in pixels.
        frames: of a clip: one more than fields of flow.
        stride: flow is between every so many-th frames of a film.
        dropout: probability, of the features.
    """
    network, flow_network = named_backbone(backbone), named_backbone(backbone)
    network.check_size(image_size, backbone)
    first = _widen(flow_network, 2 * (frames - 1))
    mean, std = backbone_statistics(backbone)
    each = ResizeCrop(image_size, 0.875 if image_size >= 112 else 1.0)
    return TwoStream(
        network,
        flow_network,
        num_classes=num_classes,
        # The paper's bound is 20 pixels of 224.
        preprocess=ClipsWithFlow(frames, stride, each, limit=max(4.0, 20 * image_size / 224)),
        dropout=dropout,
        mean=mean,
        std=std,
        weight_map=TwoStreamWeights(backbone_published(backbone), first=first, channels=2 * (frames - 1)),
    )


def _widen(network: Backbone, channels: int) -> str:
    """Lets the first convolution read so many channels, and tells its name."""
    name, first = next((name, one) for name, one in network.named_modules() if isinstance(one, nn.Conv2d))
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, with_channels(first, channels))
    return name

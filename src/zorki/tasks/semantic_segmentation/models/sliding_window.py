"""A classifier of patches slid over the image: each pixel by its window (Ciresan et al., 2012; Farabet et al., 2013).

What segmentation was before networks were fully convolutional, and the baseline that shows why the rest exists:
neighboring windows share nearly all their pixels, and everything is computed anew for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.introspection.receptive_field import Grid
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.heads.class_heads import PooledHead
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.nn.layers.mirror import mirror
from zorki.registry import model
from zorki.tasks.semantic_segmentation.networks.alignment import AlignedUpsample
from zorki.tasks.semantic_segmentation.networks.backbone_settings import settings_on
from zorki.tasks.semantic_segmentation.networks.class_maps import ClassMaps
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.types import Mask
from zorki.weights.weight_map import WeightMap

_AT_ONCE = 1024  # windows in a batch at prediction: large enough for any machine, small enough for its memory
_HIDDEN = 200  # units of the small network's hidden layer


@dataclass
class WindowMaps(ClassMaps):
    """Logits of every pixel, or the images from which `loss` draws windows.

    In evaluation `main` holds (B, K, H, W) and `framed` is empty. In training, where only some pixels are classified
    and which ones depends on their classes, `main` is empty, (B, K, 0, 0), and `framed` holds the normalized images
    continued by half a window on every side, (B, C, H + window - 1, W + window - 1).
    """

    framed: Tensor | None = None


torch.export.register_dataclass(WindowMaps)


class SlidingWindow(Segmenter):
    """Classifies the pixel in the middle of a window; images are mirrored at their edges (Ciresan, section 2).

    Training classifies as many windows of each class as of any other, drawn by chance; Ciresan et al. and Farabet et
    al. (section 4.1) balance likewise. Prediction classifies every `step`-th pixel each way and interpolates between
    them.

    Args:
        body: from windows (N, C, window, window) to what `head` reads.
        head: to logits (N, K).
        parts: of the body from input to output, for freezing.
        window: side of the square, odd, in pixels.
        step: at prediction, in pixels.
        count: windows an image in training.
    """

    def __init__(
        self,
        body: nn.Module,
        head: nn.Module,
        parts: Sequence[nn.Module],
        *,
        num_classes: int,
        window: int,
        step: int,
        count: int,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(num_classes=num_classes, **settings)
        if window % 2 == 0:
            raise RecipeError(f"a window has a pixel in its middle: its side is odd, not {window}")
        if min(step, count) < 1:
            raise RecipeError(f"step and count must be at least 1, but are {step} and {count}")
        self.body, self.head = body, head
        self._parts = tuple(parts)
        self.window, self.step, self.count = window, step, count
        self.spread = AlignedUpsample("bilinear", num_classes, Grid(step // 2 + 0.5, float(step)))

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> WindowMaps:
        """Logits of every pixel; in training the images alone, see `WindowMaps`."""
        pixels = self.normalize(inputs)
        if not self.training:
            return WindowMaps(self.maps(pixels)[0])
        empty = pixels.new_zeros((len(pixels), self.num_classes, 0, 0))
        return WindowMaps(empty, framed=self._framed(pixels))

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        windows = self._windows(self._framed(pixels))
        rows, columns = (torch.arange(self.step // 2, side, self.step) for side in pixels.shape[2:])
        rows, columns = (line if len(line) else torch.zeros(1, dtype=torch.int64) for line in (rows, columns))
        images = torch.arange(len(pixels))
        places = torch.cartesian_prod(images, rows, columns).to(pixels.device)
        logits = torch.cat([self._classify(windows, some) for some in places.split(_AT_ONCE)])
        coarse = logits.view(len(pixels), len(rows), len(columns), self.num_classes).permute(0, 3, 1, 2)
        return self.spread(coarse, pixels.shape[2:]), []

    def loss(self, outputs: ClassMaps, targets: Sequence[Mask]) -> dict[str, Tensor]:
        """Of every pixel in evaluation; in training of the windows that are drawn, as one row of pixels."""
        framed = outputs.framed if isinstance(outputs, WindowMaps) else None
        if framed is None:
            return super().loss(outputs, targets)
        classes = torch.stack([target.classes for target in targets]).to(framed.device, torch.int64)
        places = draw_places(classes, self.count * len(targets), self.num_classes)
        logits = self._classify(self._windows(framed), places)
        expected = classes[places.unbind(1)]
        weights = None
        if any(target.weights is not None for target in targets):
            weight_maps = [
                torch.ones(target.classes.shape) if target.weights is None else target.weights for target in targets
            ]
            weights = torch.stack(weight_maps).to(framed.device)[places.unbind(1)][None, None]
        return dict(self.criterion(logits.T[None, :, None], expected[None, None], weights))

    def trace(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "N K"]:
        """All windows of an image at once, for the ledger; the sizes of maps that it tells are those of one."""
        framed = self._framed(self.normalize(images))
        count = [len(range(self.step // 2, side, self.step)) for side in images.shape[2:]]
        first = framed[:1, :, : self.window, : self.window]
        return self.head(self.body(torch.cat([first] * (len(images) * count[0] * count[1]))))

    def backbone_stages(self) -> list[nn.Module]:
        return list(self._parts)

    def _framed(self, pixels: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C _ _"]:
        half = self.window // 2
        return mirror(pixels, half, half, half, half)

    def _windows(self, framed: Float[Tensor, "B C _ _"]) -> Float[Tensor, "B C H W S S"]:
        """That around each pixel, as a view: nothing is copied."""
        return framed.unfold(2, self.window, 1).unfold(3, self.window, 1)

    def _classify(self, windows: Float[Tensor, "B C H W S S"], places: Int[Tensor, "N 3"]) -> Float[Tensor, "N K"]:
        """Logits of the windows at (image, row, column)."""
        image, row, column = places.unbind(1)
        return self.head(self.body(windows[image, :, row, column]))


def draw_places(classes: Int[Tensor, "B H W"], count: int, num_classes: int) -> Int[Tensor, "N 3"]:
    """(image, row, column) of `count` pixels: each class that is there as often as any other, each of its pixels too.

    Pixels of no class are left out. Fewer than one a class are not drawn; none where no pixel is valid.
    """
    flat = classes.flatten()
    of_class = [(flat == label).nonzero()[:, 0] for label in range(num_classes)]
    present = [places for places in of_class if len(places)]
    share = max(1, count // max(1, len(present)))
    drawn = [places[torch.randint(len(places), (share,), device=flat.device)] for places in present] or [
        flat.new_zeros(0)
    ]
    chosen = torch.cat(drawn)
    height, width = classes.shape[1:]
    return torch.stack([chosen // (height * width), chosen // width % height, chosen % width], 1)


def small_body(channels: int) -> nn.Sequential:
    """Three convolutions with pools and a hidden layer, for windows of 33 pixels; after Ciresan et al. (table 1)."""
    body = nn.Sequential(
        nn.Conv2d(3, 32, 4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(48, 64, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 2 * 2, channels), nn.ReLU(inplace=True),
    )  # fmt: skip
    initialize_he(body)
    return body


class Top(nn.Module):
    """A backbone's last map of each window."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Float[Tensor, "N C S S"]) -> Float[Tensor, "N D _ _"]:
        return self.backbone.top(x)


@model(SemanticSegmentation)
def sliding_window_small(num_classes: int, *, image_size: int = 256, step: int = 4, count: int = 128) -> SlidingWindow:
    """A small network that classifies every pixel by the 33x33 window around it (after Ciresan et al., 2012).

    Args:
        image_size: of the longer side of the images, in pixels.
        step: at prediction every so many pixels are classified, and the others interpolated; 1 is the paper's.
        count: windows an image in training.
    """
    body = small_body(_HIDDEN)
    head = nn.Linear(_HIDDEN, num_classes)
    initialize_output(head)
    return SlidingWindow(
        body,
        head,
        [body[:3], body[3:6], body[6:9], body[9:]],
        num_classes=num_classes,
        window=33,
        step=step,
        count=count,
        settings={"preprocess": Letterbox(image_size, stride=8), "defaults": TrainingDefaults(lr=1e-3, clip_grad=10.0)},
    )


@model(SemanticSegmentation, weights=backbone_weights("squeezenet"))
def sliding_window_squeezenet(
    num_classes: int, *, image_size: int = 256, window: int = 65, step: int = 8, count: int = 32
) -> SlidingWindow:
    """SqueezeNet 1.0 as a classifier of the window around every pixel (after Farabet et al., 2013).

    Args:
        image_size: of the longer side of the images, in pixels.
        window: side of the square, odd, in pixels.
        step: at prediction every so many pixels are classified, and the others interpolated.
        count: windows an image in training.
    """
    network = backbone_named("squeezenet")
    network.check_size(window, "sliding_window_squeezenet")
    return SlidingWindow(
        Top(network),
        PooledHead(network.channels[-1], num_classes),
        network.stages(),
        num_classes=num_classes,
        window=window,
        step=step,
        count=count,
        settings={
            **settings_on("squeezenet", network, Letterbox(image_size, stride=8)),
            "weight_map": WeightMap({"": "body.backbone.", "backbone.": "body.backbone."}),
        },
    )

"""A Neural Algorithm of Artistic Style (Gatys, Ecker and Bethge, 2015): the pixels of one image are optimized."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import get_args

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.data.style_images import read_styles
from zorki.errors import RecipeError
from zorki.losses.style import GramForm
from zorki.nn.backbones.named import backbone_weights
from zorki.registry import Variant, model
from zorki.tasks.style_transfer.models.gatys.objective import ImageObjective, PlacedStyle
from zorki.tasks.style_transfer.models.gatys.optimization import Transfer, resized_style
from zorki.tasks.style_transfer.perceptual import PerceptualName, PerceptualNetwork
from zorki.tasks.style_transfer.stylized import StylizedBatch, decode, padded
from zorki.tasks.style_transfer.task import StyleTransfer
from zorki.types import Annotation, GeneratedImage, Padded, Placement
from zorki.types.stylization import StyleImage, Stylization, StylizationStep
from zorki.weights.weight_map import WeightMap


class Gatys(Model[StylizedBatch, Annotation, GeneratedImage]):
    """An image is optimized until features are near the content's, and correlations of features near the style's.

    Nothing is learned from data: `stylize` does the work, and `forward` calls it for each image of a batch.

    Args:
        network: makes features.
        styles: of `forward`; those of `stylize` are given to it.
        settings: of `forward`.
        form: how Gram matrices are compared.
    """

    weight_map = WeightMap({"features.": "network.features.", "classifier.": "classifier."})

    def __init__(
        self,
        network: PerceptualNetwork,
        styles: Sequence[StyleImage],
        *,
        settings: Stylization,
        form: GramForm,
        image_size: int,
    ) -> None:
        super().__init__()
        self.network, self.styles, self.settings, self.form = network, list(styles), settings, form
        self.preprocess = ShortestEdge(image_size, image_size, stride=1, padded=True, enlarge=False)

    def stylize(
        self,
        content: UInt8[Tensor, "3 H W"],
        styles: list[StyleImage],
        settings: Stylization,
        report: Callable[[StylizationStep], None],
        say: Callable[[str], None],
    ) -> UInt8[Tensor, "3 H2 W2"]:
        """See `zorki.contracts.capabilities.Stylizes`."""
        if not styles:
            raise RecipeError("expected a style, or several")
        # Inputs made where nothing needs gradients cannot be part of a graph; copies made here can.
        with torch.inference_mode(False):
            own = [dataclasses.replace(style, image=style.image.clone()) for style in styles]
            where = self.network.normalize.mean.device.type
            lower = torch.is_autocast_enabled(where)
            network = self.network.in_precision(torch.get_autocast_dtype(where)) if lower else self.network
            with torch.autocast(where, enabled=False):
                return Transfer(network.eval(), content.cpu().clone(), own, settings, self.form, report, say).run()

    def forward(self, inputs: UInt8[Tensor, "B 3 H W"] | Padded) -> StylizedBatch:
        """Each image of a batch, stylized; where no size is said, in its own.

        Raises:
            RecipeError: the model was built without a style.
        """
        if not self.styles:
            raise RecipeError("no style is given: say --options.style FILE, or use zorki stylize CONTENT STYLE")
        batch = padded(inputs)
        images = batch.images.float()
        for image, (left, top, right, bottom) in zip(images, batch.valid.tolist(), strict=True):
            own = image[:, top:bottom, left:right]
            made = self.stylize(own.to(torch.uint8), self.styles, self.settings, lambda step: None, lambda text: None)
            own.copy_(made)
        return StylizedBatch(images, batch.images, batch.valid)

    def loss(self, outputs: StylizedBatch, targets: Sequence[Annotation]) -> dict[str, Tensor]:
        """The parts of the sum that is minimized, each with its weight; means over the batch."""
        strength, rows = self.settings.strength, []
        for images, contents in outputs.pairs():
            for image, content in zip(images, contents, strict=True):
                normalized = self.network.normalize(content[None])
                found = self._objective(normalized).losses(self.network.normalize(image[None]))
                rows.append(((1 - strength) * found.content, strength * found.style))
        content_loss, style_loss = torch.tensor(rows).mean(0)
        return {"content": content_loss, "style": style_loss}

    def _objective(self, content: Tensor) -> ImageObjective:
        total, side = sum(style.weight for style in self.styles), max(content.shape[2:])
        placed = [
            PlacedStyle(self.network.normalize(resized_style(style.image, side)[None]), style.weight / total)
            for style in self.styles
        ]
        settings = self.settings
        return ImageObjective(
            self.network, content, placed, strength=settings.strength, smoothness=settings.smoothness, form=self.form,
            tile=settings.tile, seed=settings.seed,
        )  # fmt: skip

    def decode(self, outputs: StylizedBatch, placements: Sequence[Placement]) -> list[GeneratedImage]:
        return decode(outputs, placements)

    def trace(self, images: Tensor) -> dict[str, Tensor]:
        """The features of one step."""
        found: dict[str, Tensor] = self.network(self.network.normalize(images))
        return found

    def backbone_stages(self) -> list[nn.Module]:
        return [self.network.features]


def _row(name: PerceptualName, title: str) -> Variant:
    summary = f"Gatys et al. (2015): the pixels of an image are optimized, by features of {title}."
    return Variant(f"gatys_{name}", summary, {"network": name}, weights=backbone_weights(name))


@model(
    StyleTransfer,
    variants=[_row("vgg19", "VGG-19"), _row("vgg16", "VGG-16"), _row("squeezenet", "SqueezeNet 1.0")],
    trainable=False,
)
def gatys(
    num_classes: int = 1,
    *,
    network: PerceptualName,
    style: str = "",
    steps: int = 200,
    strength: float = 0.5,
    gram: str = "paper",
    pooling: str = "max",
    content_layers: str = "",
    style_layers: str = "",
    image_size: int = 2048,
) -> Gatys:
    """Gatys et al. (2015): the pixels of an image are optimized.

    Args:
        style: an image, or several with weights, as `zorki stylize` takes them; "" leaves them to be told.
        steps: for each image.
        strength: share of the style's loss, 0..1.
        gram: how Gram matrices are compared: "paper", or "lectures", as plain sums.
        pooling: "max", or "average".
        content_layers, style_layers: names with commas between, such as relu4_2; "" takes the paper's.
        image_size: pixels of the longer side of the images, at most.
    """
    features = PerceptualNetwork(network, content_layers=content_layers, style_layers=style_layers, pooling=pooling)
    if gram not in get_args(GramForm):
        raise RecipeError(f"gram is {gram!r}; expected one of {', '.join(get_args(GramForm))}")
    form: GramForm = "paper" if gram == "paper" else "lectures"
    settings = Stylization(steps=steps, strength=strength)
    styles = read_styles(style) if style else []
    return Gatys(features, styles, settings=settings, form=form, image_size=image_size)

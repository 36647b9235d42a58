"""Perceptual Losses for Real-Time Style Transfer (Johnson, Alahi and Fei-Fei, 2016): one network for one style."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.errors import RecipeError
from zorki.losses.style import CONTENT_DIVISOR, gram_distance, gram_mean, total_variation
from zorki.nn.backbones.named import backbone_weights
from zorki.registry import Variant, model
from zorki.tasks.style_transfer.models.fast_style.residual_network import PADDING, ResidualTransform
from zorki.tasks.style_transfer.perceptual import PerceptualName, PerceptualNetwork, content_distance, noise_like
from zorki.tasks.style_transfer.stylized import StylizedBatch, decode, padded, parts
from zorki.tasks.style_transfer.task import StyleTransfer
from zorki.types import Annotation, GeneratedImage, Padded, Placement
from zorki.types.stylization import MIN_SIDE, StyleImage
from zorki.weights.weight_map import WeightMap

# Section 3.2 and supplementary material: relu3_3 of VGG-16 for content, the last of each block for style.
_CONTENT = {"vgg16": "relu3_3", "vgg19": "relu3_3", "squeezenet": "fire3"}
_STYLE = {
    "vgg16": "relu1_2,relu2_2,relu3_3,relu4_3",
    "vgg19": "relu1_2,relu2_2,relu3_3,relu4_3",
    "squeezenet": "relu1,fire3,fire5,fire7",
}


class FastStyle(Model[StylizedBatch, Annotation, GeneratedImage]):
    """A network that paints any image in the one style that it was trained for.

    The losses are those of Gatys et al. over a batch; each is divided by what it is before training, as
    `take_style` measures it, so that `strength` means the same for every network. What they need to know of the style
    is saved with the weights.

    Args:
        transform: paints.
        perceptual: makes the features that the losses compare; it does not learn.
        image_size: longer side of the images that are predicted, at most.
    """

    fixed_parts = ("perceptual.", "grams.")
    filled_weights = ("grams.",)  # by `take_style`
    weight_map = WeightMap({"features.": "perceptual.features.", "classifier.": "classifier."})
    defaults = TrainingDefaults(
        optimizer="adam", lr=1e-3, finetune_lr=1e-3, weight_decay=0.0, batch_size=4, random_crop=1.0, clip_grad=10.0
    )

    def __init__(self, transform: ResidualTransform, perceptual: PerceptualNetwork, *, image_size: int) -> None:
        super().__init__()
        self.transform, self.perceptual = transform, perceptual
        self.num_classes = 1
        self.preprocess = ShortestEdge(image_size, image_size, stride=1, padded=True, enlarge=False)
        channels = _channels(perceptual)
        self.grams = nn.ParameterDict(
            {layer: nn.Parameter(torch.zeros(count, count), requires_grad=False) for layer, count in channels.items()}
        )
        self.scales: Tensor
        self.register_buffer("scales", torch.ones(3))  # of content, style and total variation
        self.weights: Tensor
        self.register_buffer("weights", torch.tensor([0.5, 0.5, 0.0]))  # of the same

    def forward(self, inputs: UInt8[Tensor, "B 3 H W"] | Padded) -> StylizedBatch:
        """The stylized images, each computed without its canvas: statistics of instances are those of the image.

        Raises:
            RecipeError: an image is smaller than what is reflected at its edges.
        """
        batch = padded(inputs)
        found = parts(batch.images, batch.valid)
        if len(found) == 1:
            return StylizedBatch(self._transformed(batch.images), batch.images, batch.valid)
        images = batch.images.float()
        for rows, (left, top, right, bottom) in found:
            images[rows, :, top:bottom, left:right] = self._transformed(batch.images[rows, :, top:bottom, left:right])
        return StylizedBatch(images, batch.images, batch.valid)

    def _transformed(self, images: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        if min(images.shape[2:]) <= PADDING:
            height, width = images.shape[2:]
            raise RecipeError(
                f"an image of {height}x{width} pixels is too small: expected at least {PADDING + 1} a side"
            )
        result: Tensor = self.transform(images.to(self.scales.dtype))
        return result

    def take_style(
        self,
        styles: list[StyleImage],
        contents: UInt8[Tensor, "N 3 H W"],
        *,
        size: int,
        strength: float,
        smoothness: float,
    ) -> None:
        """Keeps the style's Gram matrices, and measures each loss where it is not 0: see `ImageObjective`.

        The style's and the total variation of the contents as they are, and the content's of noise.
        """
        total = sum(style.weight for style in styles)
        with torch.no_grad():
            for gram in self.grams.values():
                gram.zero_()
            for style in styles:
                maps = self.perceptual(self.perceptual.normalize(_sized(style.image, size)[None]))
                for layer in self.perceptual.style_layers:
                    self.grams[layer] += gram_mean(maps[layer])[0] * (style.weight / total)
            pixels = contents.float()
            noise = noise_like(pixels, 0) * 255
            self.scales.fill_(1)
            of_noise, of_contents = self._losses(noise, contents), self._losses(pixels, contents)
            self.scales.copy_(
                torch.stack([CONTENT_DIVISOR * of_noise[0], of_contents[1], of_contents[2]]).clamp_min(1e-12)
            )
            self.weights.copy_(torch.tensor([1 - strength, strength, smoothness]))

    def loss(self, outputs: StylizedBatch, targets: Sequence[Annotation]) -> dict[str, Tensor]:
        """Content, style and total variation, each with its weight."""
        rows = [(len(images), self._losses(images, contents)) for images, contents in outputs.pairs()]
        count = sum(number for number, _ in rows)
        mean = torch.stack([losses * (number / count) for number, losses in rows]).sum(0) * self.weights / self.scales
        return {"content": mean[0], "style": mean[1], "smoothness": mean[2]}

    def _losses(self, images: Float[Tensor, "B 3 H W"], contents: UInt8[Tensor, "B 3 H W"]) -> Float[Tensor, "3"]:
        network = self.perceptual
        maps = network(network.normalize(images))
        with torch.no_grad():
            targets = network(network.normalize(contents))
        content = torch.stack([content_distance(maps[layer], targets[layer]) for layer in network.content_layers])
        style = torch.stack(
            [gram_distance(gram_mean(maps[one]), self.grams[one], "paper", 1.0) for one in network.style_layers]
        )
        return torch.stack([content.mean(), style.mean(), total_variation(images.float() / 255)])

    def decode(self, outputs: StylizedBatch, placements: Sequence[Placement]) -> list[GeneratedImage]:
        return decode(outputs, placements)

    def trace(self, images: Tensor) -> dict[str, Tensor]:
        """What is painted, and the features that the losses compare."""
        found: dict[str, Tensor] = self.perceptual(self.perceptual.normalize(self.transform(images.float())))
        return found

    def backbone_stages(self) -> list[nn.Module]:
        return [self.transform.down, self.transform.blocks]

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From pixels to "stylized", uint8 pixels of the same size; any size of at least 41 pixels a side."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        network = ExportedStyle(self.transform)
        return ExportGraph(network, {"images": images}, ("stylized",), Decoding("image"), size_step=1)


class ExportedStyle(nn.Module):
    """The transformation from uint8 pixels to uint8 pixels."""

    def __init__(self, transform: ResidualTransform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B 3 H W"]:
        """Rounded pixels."""
        result: Tensor = self.transform(images.float())
        return result.round().clamp(0, 255).to(torch.uint8)


def _channels(network: PerceptualNetwork) -> dict[str, int]:
    """Channels of the layers of the style, from a trial that computes nothing."""
    trial = torch.zeros((1, 3, 256, 256), device="meta")
    trace = network if next(network.parameters()).is_meta else _on_meta(network)
    return {layer: int(features.shape[1]) for layer, features in trace(trial).items() if layer in network.style_layers}


def _on_meta(network: PerceptualNetwork) -> nn.Module:
    import copy

    return copy.deepcopy(network).to("meta")


def _sized(image: UInt8[Tensor, "3 H W"], longest: int) -> UInt8[Tensor, "3 h w"]:
    scale = longest / max(image.shape[1:])
    return resize_image(image, *(max(MIN_SIDE, round(side * scale)) for side in image.shape[1:]))


def _row(name: PerceptualName, title: str) -> Variant:
    summary = f"Johnson et al. (2016): a network for one style, trained by features of {title}."
    return Variant(f"fast_style_{name}", summary, {"network": name}, weights=backbone_weights(name))


@model(
    StyleTransfer,
    variants=[_row("vgg16", "VGG-16"), _row("vgg19", "VGG-19"), _row("squeezenet", "SqueezeNet 1.0")],
)
def fast_style(
    num_classes: int = 1,
    *,
    network: PerceptualName,
    norm: str = "instance",
    width: int = 32,
    nearest: bool = True,
    content_layers: str = "",
    style_layers: str = "",
    image_size: int = 1024,
) -> FastStyle:
    """Johnson et al. (2016): a network for one style.

    Args:
        norm: "instance", or "batch" as in the paper.
        width: channels of the first layer.
        nearest: enlarge by nearest neighbors; false: by transposed convolutions, as in the paper.
        content_layers, style_layers: names with commas between, such as relu3_3; "" takes the paper's.
        image_size: pixels of the longer side of the images, at most; trained are squares of `train_size`.
    """
    perceptual = PerceptualNetwork(
        network, content_layers=content_layers or _CONTENT[network], style_layers=style_layers or _STYLE[network]
    )
    transform = ResidualTransform(norm=norm, width=width, nearest=nearest)
    return FastStyle(transform, perceptual, image_size=image_size)

"""Seconds a step and losses of style transfer beside a plain implementation, as the public tutorial goes about it.

The plain way: modules that keep their loss are put between the layers of a classifier, in float32, and torch's L-BFGS
evaluates them with its defaults. Both minimize the same sum, measured at the end by one objective in float32, of images
rounded to pixels. Steps are evaluations of the losses; seconds are the processor's, of one thread; in turn. With
`--memory`: the peak of a process that stylizes at a size.

    python benchmarks/style.py CONTENT STYLE --network squeezenet --weights squeezenet1_0.pth --side 256
    python benchmarks/style.py CONTENT STYLE --network vgg19 --side 192          # random weights: times alone
    python benchmarks/style.py CONTENT STYLE --network vgg19 --memory 2000 --steps 4
"""

from __future__ import annotations

import argparse
import copy
import resource
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zorki import registry
from zorki.data.images import read_image
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.style_images import read_styles
from zorki.losses.style import gram_mean
from zorki.tasks.style_transfer.models.gatys.objective import ImageObjective, PlacedStyle
from zorki.tasks.style_transfer.perceptual import Rectifier, UnshuffledStem
from zorki.types.stylization import Stylization
from zorki.weights import load_into, read_weights


class PlainContent(nn.Module):
    """Passes features on, and keeps their distance from a target."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target, self.value = target, torch.zeros(())

    def forward(self, features: Tensor) -> Tensor:
        self.value = functional.mse_loss(features, self.target)
        return features


class PlainStyle(nn.Module):
    """Passes features on, and keeps the distance of their Gram matrix from a target."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target, self.value = target, torch.zeros(())

    def forward(self, features: Tensor) -> Tensor:
        _, channels, height, width = features.shape
        flat = features.view(channels, height * width)
        gram = flat @ flat.t() / (height * width)
        self.value = functional.mse_loss(gram, self.target) / 4
        return features


def plain_layer(layer: nn.Module) -> nn.Module:
    """As torch has it: without what zorki makes quicker. Rectifiers are not in place, as the tutorial has them."""
    if isinstance(layer, UnshuffledStem):
        stem = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride)  # type: ignore[arg-type]
        stem.weight, stem.bias = layer.weight, layer.bias
        return stem
    if isinstance(layer, Rectifier):
        return nn.ReLU()
    other = copy.deepcopy(layer)
    for name, child in other.named_children():  # of a Fire module, whose own are in place
        if isinstance(child, Rectifier):
            other.add_module(name, nn.ReLU(inplace=True))
    return other


def plain(network: Any, content: Tensor, style: Tensor, objective: ImageObjective, steps: int) -> tuple[Tensor, float]:
    """The image after so many evaluations, and seconds for each."""
    layers, contents, styles = [], [], []
    features, of_style = content, style
    for place, own in enumerate(network.features):
        layer = plain_layer(own)
        layers.append(layer)
        with torch.no_grad():
            features, of_style = layer(features), layer(of_style)
        for name, tapped in zip(network.layers, network.places, strict=True):
            if tapped == place and name in network.content_layers:
                contents.append(PlainContent(features))
                layers.append(contents[-1])
            if tapped == place and name in network.style_layers:
                styles.append(PlainStyle(gram_mean(of_style)[0]))
                layers.append(styles[-1])
    whole = nn.Sequential(*layers)
    image = content.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([image])
    shares = (1 - objective.strength) / objective.content_scale, objective.strength / objective.style_scale
    count, began = 0, time.process_time()

    def closure() -> Tensor:
        nonlocal count
        optimizer.zero_grad()
        whole(image)
        parts = [one.value for one in contents], [one.value for one in styles]
        loss = shares[0] * sum(parts[0]) / len(contents) + shares[1] * sum(parts[1]) / len(styles)
        loss.backward()
        count += 1
        return loss

    while count < steps:
        optimizer.param_groups[0]["max_iter"] = min(20, steps - count)
        optimizer.step(closure)
    return image.detach(), (time.process_time() - began) / count


def built(name: str, weights: Path | None) -> Any:
    torch.manual_seed(0)
    model = registry.build(f"gatys_{name}", 1)
    if weights is not None:
        load_into(model, read_weights(weights), model.weight_map)
    return model.eval()


def sized(path: str, side: int) -> Tensor:
    image = read_image(Path(path))
    scale = side / max(image.shape[1:])
    return resize_image(image, *(round(length * scale) for length in image.shape[1:]))


def compare(args: argparse.Namespace) -> None:
    ours, theirs = built(args.network, args.weights), built(args.network, args.weights)
    content, style = sized(args.content, args.side), sized(args.style, args.side)
    normalize = theirs.network.normalize
    placed = [PlacedStyle(normalize(style[None]), 1.0)]
    settings = {"strength": 0.5, "smoothness": 0.0, "form": "paper", "tile": 4096, "seed": 0}
    objective = ImageObjective(theirs.network, normalize(content[None]), placed, **settings)
    ours.to(memory_format=torch.channels_last)
    styles = read_styles(args.style)
    for turn in range(args.rounds):
        image, seconds = plain(theirs.network, normalize(content[None]), placed[0].image, objective, args.steps)
        pixels = theirs.network.denormalized(image).round().clamp(0, 255)
        found = objective.losses(normalize(pixels))
        print(
            f"round {turn}: plain {seconds:.3f} s a step, total {found.total:.5f}, style {found.style:.5f}", flush=True
        )
        for precision in ("32", "bf16"):
            own, made = step_seconds(ours, content, styles, args.steps, precision)
            found = objective.losses(normalize(made[None]))
            print(
                f"    zorki, {precision}: {own:.3f} s a step, {own / seconds:.2f} of plain, total {found.total:.5f}, "
                f"style {found.style:.5f}",
                flush=True,
            )


def step_seconds(model: Any, content: Tensor, styles: Any, steps: int, precision: str) -> tuple[float, Tensor]:
    """Seconds of the processor for a step, and the image."""
    times: list[float] = []
    settings = Stylization(steps=steps, coarse=4096, tile=4096)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        made = model.stylize(content, styles, settings, lambda step: times.append(time.process_time()), print)
    return (times[-1] - times[0]) / (len(times) - 1), made


def memory(args: argparse.Namespace) -> None:
    model = built(args.network, args.weights).to(memory_format=torch.channels_last)
    content, styles = sized(args.content, args.memory), read_styles(args.style)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
        model.stylize(content, styles, Stylization(steps=args.steps, tile=args.tile), lambda one: None, print)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    what = f"{args.network}, {args.memory} pixels, {args.precision}"
    print(f"{what}: peak {peak:.2f} GB, of which {before:.2f} before it began")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--network", default="squeezenet")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", type=int)
    parser.add_argument("--tile", type=int, default=768)
    parser.add_argument("--precision", default="32")
    args = parser.parse_args()
    torch.set_num_threads(1)
    memory(args) if args.memory else compare(args)


if __name__ == "__main__":
    main()

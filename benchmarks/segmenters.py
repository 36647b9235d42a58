"""Segmenters beside segmentation_models.pytorch: a training step, and a prediction from uint8 images to classes.

    pip install --target /tmp/smp --no-deps segmentation-models-pytorch
    PYTHONPATH=/tmp/smp python benchmarks/segmenters.py --size 256 --batch 4 --threads 1

Both sides have the same weights, images, masks, loss and optimizer, and both are timed in one process, turn and turn
about: what the machine does besides hits both. A row is the median; the last column says how many times as fast as
segmentation_models.pytorch ours is. How far apart their predictions are is printed first.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zorki import registry
from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.heads.map_heads import conv_norm_relu
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD
from zorki.tasks.semantic_segmentation.models.pspnet import PyramidPooling
from zorki.tasks.semantic_segmentation.networks.dilated_segmenter import DilatedSegmenter
from zorki.types import Mask, Placement

NUM_CLASSES = 11


def peer() -> Any:
    """segmentation_models.pytorch, or the end of the program with the way to get it."""
    try:
        import segmentation_models_pytorch
    except ImportError as error:
        raise SystemExit(
            f"{error}: this compares with segmentation_models.pytorch, on which zorki does not depend. Get it beside "
            "the environment:\n    pip install --target /tmp/smp --no-deps segmentation-models-pytorch\n"
            "    PYTHONPATH=/tmp/smp python benchmarks/segmenters.py"
        ) from None
    return segmentation_models_pytorch


def unets() -> tuple[Any, nn.Module]:
    """U-Net on ResNet-18 of both, which are the same network."""
    theirs = peer().Unet("resnet18", encoder_weights=None, classes=NUM_CLASSES)
    ours = registry.build("unet_resnet18", NUM_CLASSES)
    copy_backbone(theirs, ours)
    copy_in_order([theirs.decoder, theirs.segmentation_head], [ours.decoder, ours.output])
    return ours, theirs


def pyramids() -> tuple[Any, nn.Module]:
    """Their PSPNet on ResNet-18, and the same network of our parts.

    Theirs is not the paper's: its backbone ends at stride 8, where `pspnet_resnet18` goes on with dilation, and the
    convolutions of its head are a 1x1 and a 3x3, not a 3x3 and a 1x1. It enlarges with aligned corners, ours by where
    maps are centered, and its coarsest level has a bias in place of a norm: so predictions differ a little.
    """
    theirs = peer().PSPNet("resnet18", encoder_weights=None, classes=NUM_CLASSES)
    network = ResNet(18)
    network.layer3 = network.layer4 = nn.Identity()  # type: ignore[assignment]
    network.channels, network.strides = (64, 64, 128, 128, 128), (2, 4, 8, 8, 8)
    head = nn.Sequential(
        PyramidPooling(128), *conv_norm_relu(256, 512), nn.Dropout2d(0.2), nn.Conv2d(512, NUM_CLASSES, 3, padding=1)
    )
    ours = DilatedSegmenter(network, head, num_classes=NUM_CLASSES, settings={"preprocess": Letterbox(256, stride=8)})
    copy_backbone(theirs, ours)
    levels, blocks = head[0].levels, theirs.decoder.psp.blocks
    with torch.no_grad():
        levels[0][1].weight.copy_(blocks[0].pool[1][0].weight)
        levels[0][2].bias.copy_(blocks[0].pool[1][0].bias)
    copy_in_order(
        [theirs.decoder.psp.blocks[1:], theirs.decoder.conv, theirs.segmentation_head], [levels[1:], *head[1:]]
    )
    with torch.no_grad():  # the map stands first in ours, last in theirs
        head[1].weight.copy_(head[1].weight.roll(128, 1))
    return ours, theirs


PAIRS: dict[str, Callable[[], tuple[Any, nn.Module]]] = {"unet_resnet18": unets, "pspnet_resnet18": pyramids}


def copy_backbone(theirs: Any, ours: Any) -> None:
    known = theirs.encoder.state_dict()
    ours.backbone.load_state_dict({key: known[key] for key in ours.backbone.state_dict()})


def copy_in_order(theirs: Sequence[nn.Module], ours: Sequence[nn.Module]) -> None:
    """The values of networks that have the same layers in the same order under other names."""
    there = [value for network in theirs for value in network.state_dict().values()]
    here = [value for network in ours for value in network.state_dict().values()]
    if [value.shape for value in there] != [value.shape for value in here]:
        raise SystemExit(f"the networks differ: {[tuple(v.shape) for v in there]}, {[tuple(v.shape) for v in here]}")
    for value, other in zip(here, there, strict=True):
        value.copy_(other)


def scene(size: int, count: int) -> tuple[Tensor, Tensor]:
    """Random images, smooth enough to be images, with a class for every block of 16 pixels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (count, 3, size // 16, size // 16), generator=generator).float()
    images = nn.functional.interpolate(coarse, (size, size), mode="bilinear").byte()
    classes = torch.randint(0, NUM_CLASSES, (count, size // 16, size // 16), generator=generator)
    return images, classes.repeat_interleave(16, 1).repeat_interleave(16, 2)


def steps(
    name: str, size: int, batch: int, device: str, theirs_channels_last: bool
) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """For each kind of work ours and theirs."""
    torch.manual_seed(0)
    ours, theirs = PAIRS[name]()
    formats = torch.channels_last, torch.channels_last if theirs_channels_last else torch.contiguous_format
    ours.to(device=device, memory_format=formats[0])
    theirs.to(device=device, memory_format=formats[1])
    images, classes = scene(size, batch)
    place = Placement(size, size, input_height=size, input_width=size)
    ours_images, theirs_images = (images.to(device).contiguous(memory_format=one) for one in formats)
    targets, wanted = [Mask(one) for one in classes], classes.to(device)
    mean, std = (torch.tensor(one, device=device).view(1, 3, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_STD))
    ours_rule, theirs_rule = (torch.optim.SGD(network.parameters(), 1e-6) for network in (ours, theirs))

    def floats() -> Tensor:
        return (theirs_images.float() / 255 - mean) / std

    def learn(loss: Callable[[], Tensor], rule: torch.optim.SGD) -> None:
        rule.zero_grad()
        loss().backward()
        rule.step()

    def train_ours() -> None:
        ours.train()
        learn(lambda: torch.stack(list(ours.loss(ours(ours_images), targets).values())).sum(), ours_rule)

    def train_theirs() -> None:
        theirs.train()
        learn(lambda: nn.functional.cross_entropy(theirs(floats()), wanted), theirs_rule)

    @torch.inference_mode()
    def predict_ours() -> Any:
        return ours.eval().decode(ours(ours_images), [place] * batch)

    @torch.inference_mode()
    def predict_theirs() -> Any:
        return theirs.eval()(floats()).argmax(1).cpu()

    with torch.inference_mode():
        said, wanted_logits = ours.eval()(ours_images).main, theirs.eval()(floats())
    apart = (said - wanted_logits).norm() / wanted_logits.norm()
    print(f"{name}: before training the scores are apart by {float(apart):.1e} of their length")
    return {"training step": (train_ours, train_theirs), "prediction": (predict_ours, predict_theirs)}


def timed(work: Callable[[], Any], device: str) -> float:
    """Milliseconds of one call."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--size", type=int, default=256, help="of square images, a multiple of 32")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--channels-last", action="store_true", help="theirs too; ours always, as zorki trains and predicts"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for name in options.models:
        pairs = steps(name, options.size, options.batch, options.device, options.channels_last)
        for kind, pair in pairs.items():
            for work in pair * 2:  # caches fill, kernels are chosen
                work()
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.repeats):
                for side, work in enumerate(pair):
                    times[side].append(timed(work, options.device))
            ours, theirs = (statistics.median(some) for some in times)
            rows.append(f"| {name} | {kind} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.2f} |")
            print(rows[-1], flush=True)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()} CPU"
    layout = "channels last" if options.channels_last else "channels first"
    print(
        f"\nImages of {options.size} x {options.size}, {NUM_CLASSES} classes, batch {options.batch}, float32, "
        f"{options.threads} thread(s), {where}, torch {torch.__version__}; theirs {layout}; milliseconds.\n"
    )
    print("| model | work | zorki | segmentation_models.pytorch | times as fast |\n|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()

"""Segmenters beside segmentation_models.pytorch: a training step, and a prediction from uint8 pictures to classes.

    pip install --target /tmp/smp --no-deps segmentation-models-pytorch
    PYTHONPATH=/tmp/smp python benchmarks/segmenters.py --size 256 --batch 4 --threads 1

Both sides have the same weights, pictures, masks, loss and optimiser, and both are timed in one process, turn and turn
about: what the machine does besides hits both. A row is the median; the last column says how many times as fast as
segmentation_models.pytorch ours is, and before all it is checked that both say the same.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zorki import registry
from zorki.errors import RecipeError
from zorki.nn.normalise import IMAGENET_MEAN, IMAGENET_STD
from zorki.types import Mask, Placement

NUM_CLASSES = 11

# Our name and options, and the other side's class and settings.
PAIRS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "unet_resnet18": ({}, "Unet", {}),
    "pspnet_resnet18": ({}, "PSPNet", {}),
}


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


def built(name: str) -> tuple[Any, nn.Module]:
    """Ours and theirs with the same weights."""
    options, kind, settings = PAIRS[name]
    theirs = getattr(peer(), kind)("resnet18", encoder_weights=None, classes=NUM_CLASSES, **settings)
    ours = registry.build(name, NUM_CLASSES, options)
    copy_in_order(theirs, ours)
    return ours, theirs


def copy_in_order(theirs: nn.Module, ours: nn.Module) -> None:
    """Values of theirs to ours: those of the same name behind the backbone's, the others by order and shape."""
    with torch.no_grad():
        known = {key.removeprefix("encoder."): value for key, value in theirs.state_dict().items()}
        own = {
            key.removeprefix("backbone."): value for key, value in ours.state_dict().items() if "normalise" not in key
        }
        shared = [key for key in own if key in known and known[key].shape == own[key].shape]
        for key in shared:
            own[key].copy_(known[key])
        left = [value for key, value in known.items() if key not in shared]
        mine = [(key, value) for key, value in own.items() if key not in shared]
        if [value.shape for value in left] != [value.shape for _, value in mine]:
            raise SystemExit(
                f"the networks differ: {[tuple(v.shape) for v in left]} beside "
                f"{[(key, tuple(v.shape)) for key, v in mine]}"
            )
        for (_, value), other in zip(mine, left, strict=True):
            value.copy_(other)
    print(f"{len(shared) + len(left)} tensors shared")


def scene(size: int, count: int) -> tuple[Tensor, Tensor]:
    """Random pictures, smooth enough to be pictures, with a class for every block of 16 pixels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (count, 3, size // 16, size // 16), generator=generator).float()
    pictures = nn.functional.interpolate(coarse, (size, size), mode="bilinear").byte()
    classes = torch.randint(0, NUM_CLASSES, (count, size // 16, size // 16), generator=generator)
    return pictures, classes.repeat_interleave(16, 1).repeat_interleave(16, 2)


def steps(
    name: str, size: int, batch: int, device: str, theirs_channels_last: bool
) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """For each kind of work ours and theirs."""
    torch.manual_seed(0)
    ours, theirs = built(name)
    formats = torch.channels_last, torch.channels_last if theirs_channels_last else torch.contiguous_format
    ours.to(device=device, memory_format=formats[0])
    theirs.to(device=device, memory_format=formats[1])
    pictures, classes = scene(size, batch)
    place = Placement(size, size, input_height=size, input_width=size)
    ours_pictures, theirs_pictures = (pictures.to(device).contiguous(memory_format=one) for one in formats)
    targets, wanted = [Mask(one) for one in classes], classes.to(device)
    mean, std = (torch.tensor(one, device=device).view(1, 3, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_STD))
    ours_rule, theirs_rule = (torch.optim.SGD(network.parameters(), 1e-6) for network in (ours, theirs))

    def floats() -> Tensor:
        return (theirs_pictures.float() / 255 - mean) / std

    def learn(loss: Callable[[], Tensor], rule: torch.optim.SGD) -> None:
        rule.zero_grad()
        loss().backward()
        rule.step()

    def train_ours() -> None:
        ours.train()
        learn(lambda: torch.stack(list(ours.loss(ours(ours_pictures), targets).values())).sum(), ours_rule)

    def train_theirs() -> None:
        theirs.train()
        learn(lambda: nn.functional.cross_entropy(theirs(floats()), wanted), theirs_rule)

    @torch.inference_mode()
    def predict_ours() -> Any:
        return ours.eval().decode(ours(ours_pictures), [place] * batch)

    @torch.inference_mode()
    def predict_theirs() -> Any:
        return theirs.eval()(floats()).argmax(1).cpu()

    agree = (torch.stack([mask.classes for mask in predict_ours()]) == predict_theirs()).float().mean()
    print(f"{name}: the same class at {float(agree):.2%} of the pixels before training")
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
    parser.add_argument("--size", type=int, default=256, help="of square pictures, a multiple of 32")
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
        try:
            registry.find(name)
        except RecipeError as error:
            print(f"{name} is left out: {error}")
            continue
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
        f"\nPictures of {options.size} x {options.size}, {NUM_CLASSES} classes, batch {options.batch}, float32, "
        f"{options.threads} thread(s), {where}, torch {torch.__version__}; theirs {layout}; milliseconds.\n"
    )
    print("| model | work | zorki | segmentation_models.pytorch | times as fast |\n|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()

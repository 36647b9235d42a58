"""Which stage holds a training step up, and the setting that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zorki.engine.profiling.stage_clock import DATA, NETWORK

WAITING = 0.2  # share of a step from which on the loader holds it up


@dataclass(frozen=True)
class Circumstances:
    """What of a training decides which settings can help.

    Attributes:
        cores: of the processor, that this process may use.
        quick_bf16: whether the device is quick at it.
        reducible_jpeg: whether `--reduced-jpeg` is there, off, and the images are JPEG files.
        image_size: side of the network's input, in pixels.
    """

    device: str
    precision: str
    workers: int
    cores: int
    batch_size: int
    image_size: int
    quick_bf16: bool = False
    reducible_jpeg: bool = False
    compiles: bool = False


@dataclass(frozen=True)
class Bottleneck:
    """The stage that holds a step up, why, and what to set; empty where nothing is worth it."""

    stage: str
    reason: str
    remedy: str


def bottleneck(
    alone: Mapping[str, float], step: float | None, waiting: float | None, facts: Circumstances
) -> Bottleneck:
    """What holds a step up.

    Args:
        alone: ms of each stage of a step, one after the other.
        step: ms of a step with the loader's workers; None: there are none.
        waiting: ms of it in which the loader was waited for.
    """
    data, network = sum(alone[name] for name in DATA), sum(alone[name] for name in NETWORK)
    if step is not None and waiting is not None:
        is_held_up, share = waiting > WAITING * step, waiting / max(step, 1e-9)
        told = f"{share:.0%} of a step waits for the loader's {facts.workers} workers"
    else:
        is_held_up, share = data > WAITING * (data + network), data / max(data + network, 1e-9)
        told = f"{share:.0%} of a step makes its batch, since there are no workers"
    if is_held_up:
        stage = max(DATA, key=lambda name: alone[name])
        return Bottleneck(stage, f"{told}, most of it in {stage}", _data_remedy(stage, data, network, facts))
    stage = max(NETWORK, key=lambda name: alone[name])
    return Bottleneck(
        stage, f"the network: {alone[stage] / max(network, 1e-9):.0%} of its time is in {stage}", _remedy(stage, facts)
    )


def _data_remedy(stage: str, data: float, network: float, facts: Circumstances) -> str:
    needed = min(facts.cores - 1, max(1, -int(-data // max(network, 1e-9))))
    more = f"--workers {needed}" if needed > facts.workers and facts.device != "cpu" else ""
    if stage == "decode" and facts.reducible_jpeg:
        return "--reduced-jpeg" + (f", or {more}" if more else "")
    if more:
        return more
    if facts.workers == 0 and facts.cores > 1:
        return "--workers 1"
    return {
        "read": "put the files on a local disk: reading their bytes takes longest",
        "decode": f"smaller files: convert the images once to little more than --image-size {facts.image_size}",
        "augment": "weaker augmentation: turn off what costs most, such as --elastic 0",
        "collate": f"a smaller --image-size than {facts.image_size}, or images converted once to nearly that size",
    }[stage]


def _remedy(stage: str, facts: Circumstances) -> str:
    if stage == "copy":
        return "a smaller --image-size; pixels are copied as bytes already"
    if stage == "optimizer":
        return f"a larger --batch-size than {facts.batch_size}: as many images take fewer steps of the optimizer"
    if facts.precision == "32" and facts.quick_bf16:
        return "--precision bf16"
    half = facts.image_size // 2
    if facts.device == "cpu":
        return f"a GPU (--device cuda); else a smaller --image-size, such as {half}, or --freeze backbone"
    compiled = "" if facts.compiles else "--compile; or "
    return f"{compiled}a smaller --image-size, such as {half}, or --freeze backbone"

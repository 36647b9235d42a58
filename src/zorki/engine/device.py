"""Where a network runs and in what numbers: choosing, checking, and laying images out for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, TypeVar

import torch

from zorki.devices import count_or_indices, device_name, index_of, kind_of
from zorki.errors import RecipeError
from zorki.types import map_tensors

Module = TypeVar("Module", bound=torch.nn.Module)


def best_device() -> tuple[str, str]:
    """The accelerator that is there, in Lightning's word, and why."""
    if torch.cuda.is_available():
        return "cuda", torch.cuda.get_device_name()
    if torch.backends.mps.is_available():
        return "mps", "Apple's GPU is there"
    return "cpu", "no GPU found"


def check_device(device: str | int | None, devices: str = "1") -> str:
    """The device as PyTorch calls it, where the machine has it, and as many as are asked for.

    Args:
        device: cpu, cuda, mps, or one of several GPUs: cuda:1, or 1; None: the best there is.
        devices: as in the recipe: how many, all, or GPUs by index.

    Raises:
        RecipeError: it is no device, or the machine has none such; with what it has.
    """
    device = device_name(str(best_device()[0] if device is None else device))
    kind, selection = kind_of(device), count_or_indices(devices)
    there = {
        "cpu": os.cpu_count() or 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if there[kind] == 0:
        has = ", ".join(name for name, count in there.items() if count)
        raise RecipeError(f"device is {device}, but PyTorch finds none here; it finds {has}")
    if isinstance(selection, list) and kind != "cuda":
        raise RecipeError(f"devices is {devices}, which are indices of GPUs, but device is {kind}; say how many")
    if kind != "cpu" and isinstance(selection, int) and selection > there[kind]:
        raise RecipeError(f"devices is {devices}, but this computer has {there[kind]} of {kind}")
    named = selection if isinstance(selection, list) else [index_of(device) or 0]
    if max(named) >= there[kind]:
        last = f"cuda:0 to cuda:{there[kind] - 1}" if there[kind] > 1 else "cuda:0 alone"
        raise RecipeError(f"no GPU here has the index {max(named)}; this computer has {last}")
    return device


def best_precision(device: str) -> tuple[str, str]:
    """bf16 where the device multiplies it quicker than float32, else float32."""
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16", "the GPU is quick at it"
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        for name, words in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512 BF16")):
            if capabilities.get(name):
                return "bf16", f"the processor has {words}"
    return "32", "the device has no quick bf16"


MEMORY_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
"""How images and the weights of convolutions lie in memory; the first where nothing was measured."""


def on_device(model: Module, device: str, memory_format: str | None = None) -> Module:
    """The model itself, moved, its weights laid out as its inputs will be.

    Args:
        memory_format: of `MEMORY_FORMATS`; None: the first.
    """
    layout = MEMORY_FORMATS[memory_format or next(iter(MEMORY_FORMATS))]
    model.to(device)
    for values in (*model.parameters(), *model.buffers()):
        # One by one: `Module.to` refuses volumes' weights, of five dimensions, where it is told this layout.
        if values.ndim == 4:
            values.data = values.data.contiguous(memory_format=layout)
    return model


def laid_out(inputs: Any, model: torch.nn.Module) -> Any:
    """Network inputs with images in the memory format of the model's weights; values stay."""
    layout = _layout_of(model)
    return map_tensors(inputs, lambda t: t.contiguous(memory_format=layout) if t.ndim == 4 else t)


def _layout_of(model: torch.nn.Module) -> torch.memory_format:
    """Of the first convolution that has one: of a single channel, or of 1x1, both layouts are the same."""
    for weight in model.parameters():
        if weight.ndim == 4 and weight.shape[1] > 1 and weight.shape[2] * weight.shape[3] > 1:
            is_last = weight.is_contiguous(memory_format=torch.channels_last)
            return torch.channels_last if is_last else torch.contiguous_format
    return torch.channels_last


def autocast(device: str | torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Lower precision where a recipe says so."""
    if precision == "32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16 if precision == "bf16" else torch.float16)


@contextlib.contextmanager
def seeded(device: str | torch.device, seed: int | None) -> Iterator[None]:
    """Within, chance on the processor and on the device follows from the seed; None leaves it. Afterwards as before."""
    if seed is None:
        yield
        return
    kind = torch.device(device)
    with torch.random.fork_rng(devices=[kind.index or 0] if kind.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def all_have_started(world: int) -> bool:
    """Whether the other processes of a training in `world` processes run already.

    torchrun and Slurm start all of them at once, and say how many; Lightning starts the others from the first.
    """
    return world > 1 and str(world) in (os.environ.get("WORLD_SIZE"), os.environ.get("SLURM_NTASKS"))


def rank() -> int:
    """This process's number among all that train together: torchrun's, Slurm's, or Lightning's."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0

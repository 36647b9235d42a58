"""Which devices: words such as cuda, cuda:1 or 1, and 2, all or 0,1 for several, read in one place."""

from __future__ import annotations

from zorki.errors import RecipeError

KINDS = ("cpu", "cuda", "mps")
ALL = "all"


def device_name(text: str) -> str:
    """A device as PyTorch calls it; a number alone is a GPU's.

    >>> device_name("1")
    'cuda:1'

    Raises:
        RecipeError: it is no device.
    """
    kind, colon, index = text.partition(":")
    if text.isdecimal():
        return f"cuda:{int(text)}"
    if kind in KINDS and (not colon or (kind == "cuda" and index.isdecimal())):
        return text
    raise RecipeError(f"device is {text!r}; expected cpu, cuda, mps, or one of several GPUs: cuda:1, or 1 alone")


def kind_of(device: str) -> str:
    """Cpu, cuda or mps.

    >>> kind_of("cuda:1")
    'cuda'
    """
    return device.partition(":")[0]


def index_of(device: str) -> int | None:
    """Which of several GPUs; None where the device names none."""
    index = device.partition(":")[2]
    return int(index) if index else None


def count_or_indices(text: str) -> int | list[int] | None:
    """How many devices, which GPUs, or None for all there are.

    >>> count_or_indices("2"), count_or_indices("0,1"), count_or_indices("all")
    (2, [0, 1], None)

    Raises:
        RecipeError: it is none of these, or names a GPU twice.
    """
    words = [word.strip() for word in text.strip("[]").split(",")]
    if text == ALL:
        return None
    if len(words) == 1 and words[0].isdecimal() and int(words[0]) >= 1 and "[" not in text:
        return int(words[0])
    listed = [int(word) for word in words if word.isdecimal()]
    if len(listed) < len(words) or len(set(listed)) < len(listed) or (len(words) == 1 and "[" not in text):
        raise RecipeError(f"devices is {text!r}; expected how many (2), all, or different GPUs by their indices (0,1)")
    return listed


def count_there(kind: str) -> int:
    """How many devices of a kind this computer has; its processor is one."""
    import torch

    return torch.cuda.device_count() if kind == "cuda" else 1

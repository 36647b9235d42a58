"""Values in numpy or in torch: reading, counting and drawing take numpy, since torch takes seconds to load."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from typing import TypeVar

    from numpy import ndarray
    from torch import Tensor

    Pixels = TypeVar("Pixels", Tensor, ndarray)  # of images that stay what they are, tensors or arrays
else:
    from typing import TypeVar

    Pixels = TypeVar("Pixels")


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor; torch is not loaded for the question, since whoever has a tensor has loaded it."""
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def array_of(values: Tensor | numpy.ndarray) -> numpy.ndarray[Any, numpy.dtype[Any]]:
    """The values in numpy: an array itself, a tensor's own memory where it lies on the CPU, else a copy."""
    return values if isinstance(values, numpy.ndarray) else values.detach().cpu().numpy()


def tensor_of(values: Tensor | numpy.ndarray) -> Tensor:
    """The values as a tensor: a tensor itself, or one in the memory of the array, which must be writable."""
    import torch

    return torch.from_numpy(values) if isinstance(values, numpy.ndarray) else values

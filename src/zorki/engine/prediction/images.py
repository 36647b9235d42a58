"""Images in memory, as other libraries hold them: numpy arrays, Pillow's images, torch tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zorki.data.images import Array, pixels_of, rgb_of
from zorki.errors import DataError
from zorki.types.arrays import is_tensor, tensor_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray
    from torch import Tensor

NUMPY = "numpy images are (height, width, 3) RGB, or (height, width) gray, of uint8 or uint16"
TORCH = "torch images are (3, height, width) RGB, or (1, height, width) gray, of uint8"


def in_memory(value: Any) -> bool:
    """Whether a value is meant to be an image in memory."""
    return isinstance(value, np.ndarray | Image.Image) or is_tensor(value)


def as_image(value: Any, name: str = "image", *, bgr: bool = False) -> UInt8[Tensor, "3 H W"]:
    """As `as_array`, as a tensor."""
    return tensor_of(as_array(value, name, bgr=bgr))


def as_array(value: Any, name: str = "image", *, bgr: bool = False) -> UInt8[ndarray, "3 H W"]:
    """An image in memory as the library holds images, in memory of its own.

    Args:
        value: a numpy array (H, W, 3) of RGB, (H, W) or (H, W, 1) of gray, (H, W, 4) with alpha, which is laid over
            white; a Pillow image of any mode, turned upright as its EXIF orientation says; or a tensor (3, H, W) or
            (1, H, W). Arrays of uint16 are scaled as 16-bit files are.
        name: stands in the messages.
        bgr: arrays and tensors hold blue first, as OpenCV's do.

    Raises:
        DataError: floats, whose range is anybody's guess, channels at the other end, batches, or no image at all.
    """
    if isinstance(value, Image.Image):
        return _channels_first(pixels_of(value))
    if is_tensor(value):
        return _of_tensor(value, name, bgr)
    if isinstance(value, np.ndarray):
        return _of_array(value, name, bgr)
    raise DataError(f"{name}: {type(value).__name__} is no image; expected a numpy array, a Pillow image or a tensor")


def _of_array(array: Array, name: str, bgr: bool) -> Array:
    if array.dtype.kind == "f":
        raise DataError(
            f"{name}: a numpy array of {array.dtype}, which may hold 0..1, 0..255 or normalized values; expected "
            "uint8: where it holds 0..1, pass (image * 255).round().astype('uint8')"
        )
    if array.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{name}: a numpy array of {array.dtype}; {NUMPY}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 4:
        raise DataError(f"{name}: a batch of shape {array.shape}; pass its images as a list: list(images)")
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = "; pass image.transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise DataError(f"{name}: a numpy array of shape {array.shape}; {NUMPY}{hint}")
    if 0 in array.shape:
        raise DataError(f"{name}: an image of shape {array.shape} has no pixels")
    if bgr and array.shape[2] >= 3:
        array = array[:, :, [2, 1, 0, *range(3, array.shape[2])]]
    return _channels_first(rgb_of(array))


def _of_tensor(tensor: Tensor, name: str, bgr: bool) -> Array:
    import torch

    shape = tuple(tensor.shape)
    if tensor.is_floating_point():
        raise DataError(
            f"{name}: a tensor of {tensor.dtype}, which may hold 0..1, 0..255 or normalized values; expected uint8: "
            "where it holds 0..1, pass (image * 255).round().to(torch.uint8)"
        )
    if tensor.dtype != torch.uint8:
        raise DataError(f"{name}: a tensor of {tensor.dtype}; {TORCH}")
    if tensor.ndim == 4:
        raise DataError(f"{name}: a batch of shape {shape}; pass its images as a list: list(images)")
    if tensor.ndim != 3 or shape[0] not in (1, 3):
        hint = "; pass image.permute(2, 0, 1)" if tensor.ndim == 3 and shape[2] in (1, 3) else ""
        raise DataError(f"{name}: a tensor of shape {shape}; {TORCH}{hint}")
    if 0 in shape:
        raise DataError(f"{name}: an image of shape {shape} has no pixels")
    channels = [2, 1, 0] if bgr and shape[0] == 3 else [0, 0, 0] if shape[0] == 1 else [0, 1, 2]
    return tensor.detach().cpu()[channels].numpy()  # type: ignore[no-any-return]


def _channels_first(pixels: Array) -> Array:
    return np.array(pixels, order="C").transpose(2, 0, 1)

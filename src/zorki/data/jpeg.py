"""JPEG decoders by public ways: Pillow's, and OpenCV's where it is installed and gives the same pixels.

Measured on images of 500 x 375 (`benchmarks/loader.py`): OpenCV takes 0.6 of Pillow's time, as torchvision's operator
did, which is deprecated and lies in a private library; to import it takes as long as it saves on a hundred images. So a
process begins with Pillow, and goes over to OpenCV at its hundredth image, once both have given the same pixels for
images made for it: whichever decodes, pixels are the same.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, __version__, features

Array = np.ndarray[Any, np.dtype[Any]]
Decode = Callable[[bytes], Array | None]

PATIENCE = 100
"""Images that a process decodes before OpenCV is imported for the others."""

_decoded = 0


def fast_decoder() -> Decode | None:
    """OpenCV's decoder, to RGB (H, W, 3) and not turned; None where Pillow is to decode. Counts the images."""
    global _decoded
    _decoded += 1
    if _decoded <= PATIENCE and "cv2" not in sys.modules:
        return None
    return _opencv()


def decoder_name() -> str:
    """Which decoder is in use for JPEG files, with its version, in words for a person.

    >>> decoder_name().startswith(("Pillow", "OpenCV"))
    True
    """
    turbo = "libjpeg-turbo" if features.check("libjpeg_turbo") else "libjpeg"
    pillow = f"Pillow {__version__} ({turbo} {features.version('libjpeg_turbo') or features.version('jpg')})"
    if importlib.util.find_spec("cv2") is None:
        return f"{pillow}; OpenCV, which is quicker, is not installed"
    if _opencv() is None:
        return f"{pillow}; OpenCV is installed and gives other pixels, so that it is not used"
    import cv2

    return f"OpenCV {cv2.__version__} from image {PATIENCE + 1} of a process on, before that {pillow}: equal pixels"


@cache
def _opencv() -> Decode | None:
    """OpenCV's decoder where it is there and agrees with Pillow's to the last bit."""
    try:
        import cv2
    except Exception:  # a broken installation fails in many ways
        return None
    if not hasattr(cv2, "IMREAD_COLOR_RGB"):
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION

    def decode(data: bytes) -> Array | None:
        # OpenCV fills what is missing with gray, and says so on the terminal: cut files are Pillow's to refuse.
        if data.rfind(b"\xff\xd9") < len(data) - _TAIL:
            return None
        try:
            pixels: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            return None
        return pixels

    return decode if _agrees(decode) else None


_TAIL = 64  # bytes that some cameras and tools leave behind the end marker


def _agrees(decode: Decode) -> bool:
    """Whether a decoder gives Pillow's pixels, of images whose every step of decoding is at work."""
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    smooth = np.add.outer(np.arange(37), np.arange(53))[..., None] * np.array([1, 2, 3]) % 256
    for pixels in (noise, smooth.astype(np.uint8)):
        for options in ({"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "jpeg", quality=85, **options)
            with Image.open(buffer) as image:
                expected = np.asarray(image)
            found = decode(buffer.getvalue())
            if found is None or not np.array_equal(found, expected):
                return False
    return True

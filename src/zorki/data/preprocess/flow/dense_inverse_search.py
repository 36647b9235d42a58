"""Optical flow by dense inverse search (Kroeger et al., 2016), OpenCV's."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from zorki.data.images import interleaved
from zorki.errors import ZorkiError

VERSION = "dis-medium-1"
"""Changes where the flow of the same frames does: what was stored before is found no more."""


def optical_flow(frames: UInt8[Tensor, "T 3 H W"]) -> Float[np.ndarray, "L 2 H W"]:
    """The shift (x, y) in pixels of what every pixel shows, from each frame to the next: L = T - 1 fields.

    Raises:
        ZorkiError: OpenCV is not installed, or was built without it.
    """
    cv2: Any = _cv2()
    # A search of the "medium" preset; "ultrafast", the quickest, sees hardly anything move in frames of 64 pixels.
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(interleaved(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = frames.shape[-2:]
    fields = np.empty((len(gray) - 1, 2, height, width), dtype=np.float32)
    for field, first, second in zip(fields, gray, gray[1:], strict=False):
        field[...] = search.calc(first, second, None).transpose(2, 0, 1)
    return fields


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ZorkiError("optical flow needs OpenCV, which is not installed: pip install 'zorki[cv]'") from error
    if not hasattr(cv2, "DISOpticalFlow_create"):
        raise ZorkiError("optical flow needs an OpenCV that was built with it: pip install 'zorki[cv]'")
    return cv2


def to_levels(flow: Float[np.ndarray, "L 2 H W"], limit: float) -> UInt8[np.ndarray, "L 2 H W"]:
    """Shifts of -limit..limit pixels to 0..255; what is larger is cut off (Simonyan and Zisserman, 2014, section 5)."""
    return np.clip(flow * (127.5 / limit) + 128.0, 0, 255).astype(np.uint8)

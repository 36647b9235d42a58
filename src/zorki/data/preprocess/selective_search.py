"""Where may an object lie? Selective search: segments of like pixels, merged step by step (Uijlings et al., 2013)."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int16, UInt8
from torch import Tensor

from zorki.errors import ZorkiError

SearchMode = Literal["fast", "quality"]

VERSION = 1
"""Goes up when the same image would give other boxes, so that kept ones are not taken for new ones."""

# Table 3 of the paper: thresholds k of the first segmentation. A segment has at least k / 2 pixels, where the
# authors' code has k: at the few hundred pixels of our networks' inputs smaller things are objects still.
_THRESHOLDS = {"fast": (50, 100), "quality": (50, 100, 150, 300)}
_SMOOTHING = 0.8


def selective_search(image: UInt8[Tensor, "3 H W"], mode: SearchMode = "fast", seed: int = 0) -> Int16[Tensor, "N 4"]:
    """Boxes in which an object may lie: xyxy in pixels of the image, best first, none twice.

    Segmentations of several color spaces and thresholds (Felzenszwalb and Huttenlocher, 2004) are merged, the most
    alike neighbors first, under several measures of likeness; every segment on the way gives its box (section 3).
    "fast" runs 8 such mergings, "quality" 80 (section 5.3). The work is OpenCV's, in one thread. Boxes of late mergings
    come first, shuffled by weight as in section 4.3; `seed` fixes that order where the C library's generator can be
    reached.

    Raises:
        ZorkiError: OpenCV is not installed, or lacks its contributed modules.
    """
    cv2 = opencv_with_selective_search()
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).flip(-1).numpy())  # OpenCV's colors are BGR
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(pixels)
    for colors in _color_spaces(cv2, pixels, mode):
        search.addImage(colors)
    for threshold in _THRESHOLDS[mode]:
        graph = cv2.ximgproc.segmentation.createGraphSegmentation(_SMOOTHING, float(threshold), threshold // 2)
        search.addGraphSegmentation(graph)
    for likeness in _likenesses(cv2, mode):
        search.addStrategy(likeness)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).srand(seed & 0xFFFFFFFF)
    try:
        found = search.process()
    finally:
        cv2.setNumThreads(threads)
    return _first_of_each(np.asarray(found, dtype=np.int16).reshape(-1, 4))


def opencv_with_selective_search() -> Any:
    """The module cv2. Raises ZorkiError with what to install where it cannot search."""
    advice = "run `pip install opencv-contrib-python-headless` (or `pip install zorki[cv]`)"
    try:
        import cv2
    except ImportError as error:
        raise ZorkiError(f"selective search needs OpenCV, which is not installed: {advice}") from error
    # Other packages of OpenCV have the module without the functions in it, so the function is asked for.
    segmentation = getattr(getattr(cv2, "ximgproc", None), "segmentation", None)
    if not hasattr(segmentation, "createSelectiveSearchSegmentation"):
        raise ZorkiError(
            "the installed OpenCV lacks selective search, which is among its contributed modules: remove opencv-python "
            f"and opencv-python-headless first, since they overwrite one another, then {advice}"
        )
    return cv2


def has_selective_search() -> bool:
    """Whether an OpenCV that can search is installed."""
    try:
        opencv_with_selective_search()
    except ZorkiError:
        return False
    return True


def _color_spaces(cv2: Any, pixels: Any, mode: SearchMode) -> list[Any]:
    """Section 3.3: hue, saturation and value; Lab; for quality also intensity, normalized red and green, and hue."""
    hsv, lab = cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV), cv2.cvtColor(pixels, cv2.COLOR_BGR2Lab)
    if mode == "fast":
        return [hsv, lab]
    gray = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    total = np.maximum(pixels.sum(2, dtype=np.float32), 1)
    chroma = (255 * pixels[..., [2, 1]] / total[..., None]).astype(np.uint8)
    return [hsv, lab, gray, np.dstack([chroma, gray]), np.ascontiguousarray(hsv[..., 0])]


def _likenesses(cv2: Any, mode: SearchMode) -> list[Any]:
    """Section 3.4: color, texture, size and filling together; those without color; for quality filling; size."""
    kinds = cv2.ximgproc.segmentation
    prefix = "createSelectiveSearchSegmentationStrategy"
    color, texture, size, fill = (getattr(kinds, prefix + name) for name in ("Color", "Texture", "Size", "Fill"))
    joined = getattr(kinds, prefix + "Multiple")
    likenesses = [joined(color(), fill(), texture(), size()), joined(fill(), texture(), size())]
    return likenesses if mode == "fast" else [*likenesses, fill(), size()]


def _first_of_each(xywh: Any) -> Tensor:
    xyxy = xywh.copy()
    xyxy[:, 2:] += xyxy[:, :2]
    _, first = np.unique(xyxy, axis=0, return_index=True)
    return torch.from_numpy(xyxy[np.sort(first)])

"""Whether masks lie where the images' edges are: borders are moved about, and should fit best where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.images import interleaved
from zorki.engine.checks.pixel_table import LUMA
from zorki.engine.checks.report import Inspection
from zorki.errors import DataError
from zorki.types import Instances, Mask

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from numpy import ndarray

REACH = 4  # pixels, either way, by which masks are moved
SAMPLES = 40  # images
FEW = 5
MAX_PIXELS = 1 << 21  # of an image
OFF = 0.75  # pixels: annotators and reduced masks leave up to half of one


def check_masks(inspection: Inspection, dataset: Dataset[Any], indices: Sequence[int]) -> None:
    """Whether the borders of all masks lie beside the images' edges by one and the same shift."""
    kinds = [dataset.target_arrays(index) for index in indices[:1]]
    if not kinds or not isinstance(kinds[0], Mask | Instances) or not inspection.wants("ZD017"):
        return
    surfaces, files = [], []
    for index in indices[:: max(1, len(indices) // SAMPLES)][:SAMPLES]:
        if not inspection.has_time("borders of some masks", 0.9):
            break
        try:
            sample = dataset.arrays(index)
        except DataError:
            continue
        ids = _ids(sample.target)
        if ids is None or ids.size > MAX_PIXELS or ids.shape != sample.image.shape[1:]:
            continue
        surface = alignment(interleaved(sample.image) @ LUMA, ids)
        if surface is not None:
            surfaces.append(surface)
            files.append(dataset.path(index))
    if len(surfaces) < FEW:
        inspection.leave_out(f"borders of masks: {len(surfaces)} images have some; {FEW} are needed")
        inspection.pass_over("ZD017")
        return
    found = best_shift(np.stack(surfaces))
    inspection.report.facts["borders of masks fit best"] = f"moved by ({found[0]:+.2f}, {found[1]:+.2f}) pixels"
    if max(abs(shift) for shift in found) >= OFF:
        reason = (
            f"borders of masks lie ({-found[0]:+.1f}, {-found[1]:+.1f}) pixels (x, y) beside the edges in the images, "
            f"in the mean of {len(surfaces)} images"
        )
        inspection.add("ZD017", reason, files, len(surfaces))


def _ids(target: Any) -> Int[ndarray, "H W"] | None:
    """A number a pixel that changes at borders; -1 where it is ignored."""
    if isinstance(target, Mask):
        return np.where(target.classes == target.ignore, -1, target.classes)
    if len(target) == 0:
        return None
    ids = np.zeros(target.masks.shape[1:], np.int64)
    for number, mask in enumerate(target.masks):
        ids[mask] = number + 1
    return ids


def alignment(gray: Float[ndarray, "H W"], ids: Int[ndarray, "H W"]) -> Float[ndarray, "2 shifts"] | None:
    """Mean contrast of the image across borders of the masks, for each shift of the masks, along x and along y.

    A border between the columns i and i + 1 fits the image where |image[i + 1] - image[i]| is large.
    """
    found = []
    for axis in (1, 0):
        edges = np.abs(np.diff(gray, axis=axis))
        borders = _borders(ids, axis)
        if borders.sum() < 32:
            return None
        found.append(_moved(edges, borders, axis))
    return np.stack(found)


def _borders(ids: Int[ndarray, "H W"], axis: int) -> Bool[ndarray, "H2 W2"]:
    """Where two neighbors differ and neither is ignored."""
    first = np.take(ids, range(ids.shape[axis] - 1), axis)
    second = np.take(ids, range(1, ids.shape[axis]), axis)
    return np.asarray((first != second) & (first >= 0) & (second >= 0))


def _moved(edges: Float[ndarray, "H W"], borders: Bool[ndarray, "H W"], axis: int) -> Float[ndarray, " shifts"]:
    length = edges.shape[axis]
    inner = range(REACH, length - REACH)
    own = np.take(borders, inner, axis)
    scale = float(edges.mean()) + 1e-6
    values = [
        float(np.take(edges, range(REACH + shift, length - REACH + shift), axis)[own].mean()) / scale
        for shift in range(-REACH, REACH + 1)
    ]
    return np.array(values)


def best_shift(surfaces: Float[ndarray, "N 2 shifts"]) -> tuple[float, float]:
    """The shift along x and y by which masks fit best, over all images, to parts of a pixel (a parabola's peak)."""
    mean = surfaces.mean(0)
    return _peak(mean[0]), _peak(mean[1])


def _peak(values: Float[ndarray, " shifts"]) -> float:
    place = int(values.argmax())
    if place in (0, len(values) - 1):
        return float(place - REACH)
    left, middle, right = values[place - 1 : place + 2].tolist()
    bend = left - 2 * middle + right
    return place - REACH + (0.5 * (left - right) / bend if bend < 0 else 0.0)

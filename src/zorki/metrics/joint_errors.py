"""How far joints are from where they belong, in units of a length of the object: NME, PCK, PCKh, PDJ and PCP.

A share of an object's own length is what all of them go by; which length makes another measure, so it is in the name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray


def joint_distances(predicted: Float64[ndarray, "N P 2"], points: Float64[ndarray, "N P 2"]) -> Float64[ndarray, "N P"]:
    """Euclidean distances in pixels."""
    return np.asarray(np.hypot(*np.moveaxis(predicted - points, 2, 0)), np.float64)


def segment_length(
    points: Float64[ndarray, "N P 2"], labeled: Bool[ndarray, "N P"], first: int, second: int
) -> Float64[ndarray, " N"]:
    """The distance between two joints of each object, in pixels; nan where one is not labeled, or both are one place.

    Joints 36 and 45 of 300-W's faces are the outer corners of the eyes, a left shoulder and a right hip the ends of
    the torso.
    """
    length = np.hypot(*(points[:, first] - points[:, second]).T)
    measurable = labeled[:, first] & labeled[:, second] & (length > 0)
    return np.where(measurable, length, np.nan)


def normalized_mean_error(
    distances: Float64[ndarray, "N P"], labeled: Bool[ndarray, "N P"], length: Float64[ndarray, " N"]
) -> float | None:
    """NME: the mean over objects of the mean error of their labeled joints, in shares of a length of each object.

    As in 300-W (Sagonas et al., 2013). Objects without a length, or without labeled joints, are left out; None where
    none is left.
    """
    count = labeled.sum(1)
    kept = (count > 0) & np.isfinite(length)
    if not kept.any():
        return None
    means = np.where(labeled, distances, 0.0).sum(1)[kept] / count[kept]
    return float((means / length[kept]).mean())


def correct_joints(
    distances: Float64[ndarray, "N P"], length: Float64[ndarray, " N"], share: float
) -> Bool[ndarray, "N P"]:
    """Joints at most a share of the object's length off; none of an object without one."""
    with np.errstate(invalid="ignore"):
        return np.asarray(distances <= share * length[:, None])


def share_of_joints(
    correct: Bool[ndarray, "N P"], labeled: Bool[ndarray, "N P"], length: Float64[ndarray, " N"]
) -> float | None:
    """The share of labeled joints that are correct, of all objects with a length: PCK and PDJ; None of no joint."""
    counted = labeled & np.isfinite(length)[:, None]
    return float((correct & counted).sum() / counted.sum()) if counted.any() else None


def correct_parts(
    distances: Float64[ndarray, "N P"],
    points: Float64[ndarray, "N P 2"],
    labeled: Bool[ndarray, "N P"],
    limbs: Sequence[tuple[int, int]],
    *,
    strict: bool,
    share: float = 0.5,
) -> float | None:
    """PCP: the share of limbs found (Ferrari et al., 2008); None where no limb has both its joints labeled.

    Strict: both ends are at most `share` of the limb's length off. Loose: the mean of both ends is; papers have used
    either under the one name (Pishchulin et al., 2012).
    """
    right = count = 0
    for first, second in limbs:
        length = segment_length(points, labeled, first, second)
        measurable = np.isfinite(length)
        ends = distances[measurable][:, [first, second]]
        error = ends.max(1) if strict else ends.mean(1)
        right, count = right + int((error <= share * length[measurable]).sum()), count + int(measurable.sum())
    return right / count if count else None

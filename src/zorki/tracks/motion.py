"""Where boxes will be: a Kalman filter of constant velocity, for many boxes at once.

A box is (center x, center y, aspect = width / height, height) and the velocity of each, and its uncertainty grows with
its height (Wojke et al., 2017, section 2.1; ByteTrack uses the same). There no number is related to another but to its
own velocity, and so a box is four filters of two numbers, without matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:  # takes longer to load than an exported file to answer
    from jaxtyping import Float64

_POSITION, _VELOCITY = 1 / 20, 1 / 160  # standard deviations a frame, shares of the height
_ASPECT, _ASPECT_VELOCITY, _ASPECT_MEASURED = 1e-2, 1e-5, 1e-1
_START_POSITION, _START_VELOCITY = 2, 10  # times as unsure at the first sight
_SIZE = 3  # the column of the height


def to_measured(xyxy: Float64[ndarray, "N 4"]) -> Float64[ndarray, "N 4"]:
    """Center x, center y, aspect and height of boxes; those without an area are taken as a pixel large."""
    size = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1.0)
    center = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    return np.concatenate([center, size[:, :1] / size[:, 1:], size[:, 1:]], 1)


def to_xyxy(measured: Float64[ndarray, "N 4"]) -> Float64[ndarray, "N 4"]:
    """The inverse of `to_measured`; a filter may believe in sizes below 0, which become empty boxes."""
    height = np.maximum(measured[:, 3], 0.0)
    half = np.stack([np.maximum(measured[:, 2], 0.0) * height, height], 1) / 2
    return np.concatenate([measured[:, :2] - half, measured[:, :2] + half], 1)


@dataclass(frozen=True)
class Motion:
    """What is believed of N boxes: a value, columns as of `to_measured`; velocities are a frame.

    Attributes:
        place, velocity: means.
        spread, relation, velocity_spread: variance of the place, its covariance with the velocity, and the variance of
            this.
    """

    place: Float64[ndarray, "N 4"]
    velocity: Float64[ndarray, "N 4"]
    spread: Float64[ndarray, "N 4"]
    relation: Float64[ndarray, "N 4"]
    velocity_spread: Float64[ndarray, "N 4"]

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: ndarray) -> Motion:
        """Rows by a mask or an index."""
        return Motion(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def xyxy(self) -> Float64[ndarray, "N 4"]:
        return to_xyxy(self.place)


def join_motions(parts: list[Motion]) -> Motion:
    """All rows of all parts."""
    return Motion(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Motion)))


def start_motion(measured: Float64[ndarray, "N 4"]) -> Motion:
    """What a first sight tells: the place, and nothing of the velocity."""
    position, velocity = _deviations(measured[:, _SIZE])
    zeros = np.zeros_like(measured)
    position[:, [0, 1, 3]] *= _START_POSITION
    velocity[:, [0, 1, 3]] *= _START_VELOCITY
    return Motion(measured, zeros, position**2, zeros, velocity**2)


def predict_motion(motion: Motion, frames: float) -> Motion:
    """The belief after some frames without a sight; equal to so many steps of one frame where that is a whole number.

    Frames that were dropped, and rates that vary, so make one step of their length: the noise of n steps adds up to
    n q_p + q_v (n-1) n (2n-1) / 6 of the place, q_v n (n-1) / 2 of the relation and n q_v of the velocity.
    """
    n = frames
    noise, velocity_noise = (deviation**2 for deviation in _deviations(motion.place[:, _SIZE]))
    spread = motion.spread + 2 * n * motion.relation + n * n * motion.velocity_spread
    return Motion(
        motion.place + n * motion.velocity,
        motion.velocity,
        spread + n * noise + (n - 1) * n * (2 * n - 1) / 6 * velocity_noise,
        motion.relation + n * motion.velocity_spread + n * (n - 1) / 2 * velocity_noise,
        motion.velocity_spread + n * velocity_noise,
    )


def update_motion(motion: Motion, measured: Float64[ndarray, "N 4"]) -> Motion:
    """The belief after each box was seen there."""
    total = motion.spread + _measurement_noise(motion)
    gain, velocity_gain = motion.spread / total, motion.relation / total
    surprise = measured - motion.place
    return Motion(
        motion.place + gain * surprise,
        motion.velocity + velocity_gain * surprise,
        motion.spread - gain * motion.spread,
        motion.relation - gain * motion.relation,
        motion.velocity_spread - velocity_gain * motion.relation,
    )


def surprise(motion: Motion, measured: Float64[ndarray, "M 4"]) -> Float64[ndarray, "N M"]:
    """Squared Mahalanobis distance of each sight from what each filter expects (Wojke et al., 2017, equation 1)."""
    total = motion.spread + _measurement_noise(motion)
    return ((measured[None] - motion.place[:, None]) ** 2 / total[:, None]).sum(2)


def stop_growth(motion: Motion, rows: ndarray) -> Motion:
    """Boxes that are lost keep their height, as in ByteTrack: a growth of an occlusion's edge would go on."""
    velocity = motion.velocity.copy()
    velocity[rows, _SIZE] = 0.0
    return Motion(motion.place, velocity, motion.spread, motion.relation, motion.velocity_spread)


def _deviations(height: Float64[ndarray, " N"]) -> tuple[Float64[ndarray, "N 4"], Float64[ndarray, "N 4"]]:
    """Of the place and of the velocity, a frame."""
    one = np.ones_like(height)
    position = np.stack([height, height, one, height], 1) * [_POSITION, _POSITION, _ASPECT, _POSITION]
    velocity = np.stack([height, height, one, height], 1) * [_VELOCITY, _VELOCITY, _ASPECT_VELOCITY, _VELOCITY]
    return position, velocity


def _measurement_noise(motion: Motion) -> Float64[ndarray, "N 4"]:
    position, _ = _deviations(motion.place[:, _SIZE])
    position[:, 2] = _ASPECT_MEASURED
    return position**2

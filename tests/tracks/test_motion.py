"""The filter again with matrices, as SORT's and DeepSORT's papers write it, and its laws."""

import numpy as np
import pytest

from zorki.tracks.motion import Motion, predict_motion, start_motion, stop_growth, surprise, to_measured, update_motion

BOXES = np.array([[10.0, 20, 50, 140], [300, 5, 420, 65]])
FIELDS = ("place", "velocity", "spread", "relation", "velocity_spread")


class SlowFilter:
    """One box: a state of eight numbers and its covariance (Wojke et al., 2017; values of its code)."""

    def __init__(self, measured):
        self.x = np.concatenate([measured, np.zeros(4)])
        h = measured[3]
        self.p = np.diag(np.square([h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16]))
        self.f = np.eye(8) + np.eye(8, k=4)
        self.h = np.eye(4, 8)

    def predict(self):
        h = self.x[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]))
        self.x, self.p = self.f @ self.x, self.f @ self.p @ self.f.T + noise

    def projected(self):
        h = self.x[3]
        return self.h @ self.p @ self.h.T + np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))

    def update(self, measured):
        total = self.projected()
        gain = self.p @ self.h.T @ np.linalg.inv(total)
        self.x = self.x + gain @ (measured - self.h @ self.x)
        self.p = self.p - gain @ total @ gain.T


def test_as_with_matrices():
    chance = np.random.default_rng(0)
    seen = to_measured(BOXES)
    motion, slow = start_motion(seen), [SlowFilter(row) for row in seen]
    for _ in range(8):
        motion = predict_motion(motion, 1)
        seen = seen + chance.normal(0, 3, seen.shape) * [1, 1, 0.01, 1]
        for one in slow:
            one.predict()
        other = seen[0] + [4, -2, 0.1, 3]
        expected = [(other - one.x[:4]) @ np.linalg.inv(one.projected()) @ (other - one.x[:4]) for one in slow]
        assert surprise(motion, other[None])[:, 0] == pytest.approx(expected)
        motion = update_motion(motion, seen)
        for one, row in zip(slow, seen, strict=True):
            one.update(row)
        assert motion.place == pytest.approx(np.array([one.x[:4] for one in slow]))
        assert motion.velocity == pytest.approx(np.array([one.x[4:] for one in slow]), abs=1e-9)
        for name, block in (("spread", (0, 0)), ("relation", (0, 4)), ("velocity_spread", (4, 4))):
            rows, columns = np.arange(4) + block[0], np.arange(4) + block[1]
            assert getattr(motion, name) == pytest.approx(np.array([one.p[rows, columns] for one in slow]))


def test_frames_that_were_dropped_are_one_step_of_their_length():
    motion = start_motion(to_measured(BOXES))
    motion = update_motion(predict_motion(motion, 1), to_measured(BOXES + np.array([6, 1, 6, 1])))
    motion = stop_growth(motion, np.ones(2, dtype=bool))
    one_by_one = motion
    for _ in range(5):
        one_by_one = predict_motion(one_by_one, 1)
    at_once = predict_motion(motion, 5)
    for name in FIELDS:
        assert getattr(at_once, name) == pytest.approx(getattr(one_by_one, name)), name


def test_parts_of_a_frame_leave_a_variance():
    for frames in (1e-3, 0.25, 0.5, 0.9):
        motion = start_motion(to_measured(BOXES))
        for _ in range(30):
            motion = update_motion(predict_motion(motion, frames), to_measured(BOXES))
            assert (motion.spread > 0).all()
            assert (motion.velocity_spread > 0).all()
            assert (motion.relation**2 <= motion.spread * motion.velocity_spread * (1 + 1e-9)).all()


def test_a_steady_walk_is_foreseen():
    motion = start_motion(to_measured(BOXES))
    for frame in range(1, 40):
        motion = update_motion(predict_motion(motion, 1), to_measured(BOXES + np.array([3, -1, 3, -1]) * frame))
    ahead = predict_motion(motion, 1).xyxy
    assert ahead == pytest.approx(BOXES + np.array([3, -1, 3, -1]) * 40, abs=0.2)
    assert isinstance(motion[np.array([True, False])], Motion)


def test_boxes_without_an_area_are_a_pixel():
    assert to_measured(np.array([[5.0, 5, 5, 5], [4, 4, 2, 10]])).tolist() == [[5, 5, 1, 1], [3, 7, 1 / 6, 6]]

"""Predictions for videos that are filtered over time: by the times of the frames, and only where something moves."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from zorki import registry
from zorki.contracts import Model
from zorki.data.preprocess.resize import Resize
from zorki.engine.prediction.predict import predict
from zorki.engine.prediction.video import timed_frames
from zorki.engine.run.open import TrainedModel
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.tasks.pose.one_euro import OneEuro, step
from zorki.types import ClassInfo, Keypoints, Skeleton


class Bright(Model):
    """Sees two joints, as far to the right as the image is bright."""

    preprocess = Resize(8)

    def forward(self, inputs):
        return inputs.float().mean((1, 2, 3))

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        return [
            Keypoints(
                torch.tensor([[[float(x), 0.0], [float(x) + 3, 4.0]]]),
                torch.full((1, 2), 2),
                xyxy=torch.tensor([[0.0, 0.0, 8.0, 8.0]]),
                scores=torch.ones(1),
            )
            for x in outputs
        ]


def run_of(task, info):
    about = {"model": "bright", "task": task, "data": None}
    return TrainedModel(Path("bright"), "bright", registry.tasks()[task], info, Recipe(), about, Bright())


POSE = run_of("pose", ClassInfo(("dog",), skeleton=Skeleton(("nose", "tail"))))


def images(values):
    return (np.full((8, 8, 3), value, np.uint8) for value in values)


def expected(values, times):
    state, found = None, []
    for value, seconds in zip(values, times, strict=True):
        points = torch.tensor([[float(value), 0.0], [float(value) + 3, 4.0]])
        state = step(OneEuro(beta=0.1), state, points, seconds, 5.0)
        found.append(float(state.points[0, 0]))
    return found


def test_frames_of_an_iterator_are_filtered_one_after_the_other():
    values = [10, 20, 15, 30]
    found = predict(POSE, images(values), smooth="one-euro:beta=0.1", stream=True, quiet=True, batch_size=3)
    results = list(found)
    assert [float(one.annotation.points[0, 0, 0]) for one in results] == pytest.approx(
        expected(values, [place / 25 for place in range(4)]), rel=1e-5
    )
    assert [one.annotation.identities.tolist() for one in results] == [[0]] * 4
    plain = list(predict(POSE, images(values), stream=True, quiet=True))
    assert [float(one.annotation.points[0, 0, 0]) for one in plain] == values


def test_a_video_whose_frames_come_unevenly_is_filtered_by_their_times(tmp_path):
    av = pytest.importorskip("av")
    values, ticks = [10, 40, 40, 90], [0, 1, 7, 8]
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt, stream.time_base = "bgr0", Fraction(1, 10)
        for value, tick in zip(values, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), value, np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = list(timed_frames(tmp_path / "a.mkv"))
    assert [frame.seconds for frame in frames] == pytest.approx([tick / 10 for tick in ticks])
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    found = predict(POSE, tmp_path / "a.mkv", smooth="one-euro:beta=0.1", quiet=True)
    seen = [float(frame.image.float().mean()) for frame in frames]
    # Six ticks pass between the second and the third, which is longer than an object may be out of sight.
    want = [*expected(seen[:2], [0.0, 0.1]), *expected(seen[2:], [0.7, 0.8])]
    assert [float(one.annotation.points[0, 0, 0]) for one in found] == pytest.approx(want, rel=1e-4)


def test_what_cannot_be_filtered_is_refused(tmp_path):
    photo = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(RecipeError, match="all sources are images, not videos"):
        predict(POSE, photo, smooth="one-euro")
    with pytest.raises(RecipeError, match="expected one-euro"):
        predict(POSE, images([1]), smooth="kalman", stream=True)
    with pytest.raises(RecipeError, match="classification has nothing that moves"):
        predict(run_of("classification", ClassInfo(("a", "b"))), images([1]), smooth="one-euro", stream=True)

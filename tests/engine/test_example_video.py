"""A trained network on a built-in video: files and scores of one object that is followed, and of all that are found."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.engine.video_tracks.drifting import Drifting
from zorki.contracts import Model
from zorki.contracts.example import ExampleVideo
from zorki.data.preprocess.resize import Resize
from zorki.engine.run.open import TrainedModel
from zorki.recipe import Recipe
from zorki.tasks.detection.task import Detection
from zorki.tasks.tracking.task import Tracking
from zorki.types import Boxes, ClassInfo, TrackedBoxes


def drifting_square():
    """One object that goes a pixel to the right in each frame, as the model says."""
    numbers = torch.arange(4)
    xyxy = torch.tensor([8.0, 6.0, 20.0, 18.0]) + numbers[:, None] * torch.tensor([1.0, 0.0, 1.0, 0.0])
    frames = torch.full((4, 3, 32, 48), 90, dtype=torch.uint8)
    return frames, TrackedBoxes(numbers, torch.full((4,), 5), xyxy)


def test_what_is_followed_in_it_is_written_and_scored(tmp_path):
    pytest.importorskip("av")
    from zorki.engine.example_video import try_on_video

    said = []
    run = TrainedModel(Path("run"), "drifting", Tracking(), ClassInfo(("object",)), Recipe(), {}, Drifting())
    try_on_video(run, ExampleVideo(drifting_square), tmp_path, said.append)
    assert {path.name for path in tmp_path.iterdir()} == {
        "film.mp4", "gt.txt", "tracked.mp4", "tracked.csv", "tracked-mot.txt",
    }  # fmt: skip
    assert (tmp_path / "gt.txt").read_text().startswith("1,5,9.000,7.000,12.000,12.000,1.0000")
    assert f"    zorki track run {tmp_path / 'film.mp4'} --box 8,6,12,12 --out tracked.mp4" in said
    assert "idf1 1.000, hota 1.000, mota 1.000" in said[-1]


class Bright(Model):
    """Finds what is brighter than the ground, of a network's input as large as the film."""

    preprocess = Resize(32)

    def forward(self, inputs):
        return inputs[:, 0]

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        found = []
        for image, placement in zip(outputs, placements, strict=True):
            y, x = (image > 150).nonzero(as_tuple=True)
            corners = [[float(x.min()), float(y.min()), float(x.max()) + 1, float(y.max()) + 1]]
            boxes = Boxes(torch.tensor(corners), torch.zeros(1, dtype=torch.int64), torch.tensor([0.9]))
            found.append(boxes.restore(placement))
        return found


def test_objects_that_a_detector_finds_in_it_get_ids_counts_and_scores(tmp_path):
    pytest.importorskip("av")
    from zorki.engine.example_video import try_on_video

    def walking():
        frames, tracks = drifting_square()
        for frame, (left, top, right, bottom) in zip(frames, tracks.xyxy.int().tolist(), strict=True):
            frame[:, top:bottom, left:right] = 250
        return frames, tracks

    said = []
    run = TrainedModel(Path("run"), "bright", Detection(), ClassInfo(("thing",)), Recipe(), {}, Bright())
    try_on_video(
        run, ExampleVideo(walking, {"count_lines": ["15,0,15,32"]}, "--count-line 15,0,15,32"), tmp_path, said.append
    )
    assert (tmp_path / "tracked" / "film.mp4").is_file()
    assert f"    zorki predict run {tmp_path / 'film.mp4'} --track --count-line 15,0,15,32 --out tracked" in said
    assert "idf1 1.000" in said[-1]
    with (tmp_path / "tracked" / "counts" / "film.csv").open() as file:
        assert len(file.readlines()) == 2

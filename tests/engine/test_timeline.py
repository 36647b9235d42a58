"""A long film through a run: the files that tell what is shown when."""

import csv
import json
from types import SimpleNamespace

import pytest
import torch

from zorki import registry
from zorki.contracts import Model
from zorki.engine import timeline
from zorki.engine.timeline import timelines
from zorki.errors import RecipeError
from zorki.types import ClassInfo, VideoLabel


class Brightness(Model):
    """In the place of a network: dark films are of the first class, bright ones of the second."""

    def __init__(self, preprocess):
        super().__init__()
        self.preprocess = preprocess

    def forward(self, inputs):
        return inputs.float().flatten(1).mean(1)

    def loss(self, outputs, targets):
        raise AssertionError("nothing is learned")

    def decode(self, outputs, placements):
        shares = [torch.tensor([1 - mean / 255, mean / 255]) for mean in outputs.tolist()]
        return [VideoLabel(int(share.argmax()), share) for share in shares]


@pytest.fixture
def run(monkeypatch):
    entry = registry.find("c3d_small")
    preprocess = entry.build(2, image_size=16, frames=4).preprocess
    opened = SimpleNamespace(
        task=entry.task, model=Brightness(preprocess), info=ClassInfo(("dark", "bright")),
        recipe=SimpleNamespace(max_pixels=None),
    )  # fmt: skip
    monkeypatch.setattr(timeline, "open_all", lambda runs, weights: [opened])
    return opened


def test_what_is_shown_when(run, tmp_path):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter

    with VideoWriter(tmp_path / "film.mp4", 10) as video:
        for number in range(60):
            level = 240 if 20 <= number < 40 else 10
            video.write(torch.full((3, 16, 24), level, dtype=torch.uint8))
    (found,) = timelines("run", [str(tmp_path / "film.mp4")], step=0.5, out=tmp_path / "out")
    assert [segment.label for segment in found.segments] == [0, 1, 0]
    assert [segment.start for segment in found.segments] == pytest.approx([0.0, 2.0, 4.0], abs=0.51)
    with found.table.open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["start", "end", "label", "score"]
    assert [row[2] for row in rows[1:]] == ["dark", "bright", "dark"]
    ranges = [one["value"] for one in json.loads(found.label_studio.read_text())[0]["predictions"][0]["result"]]
    assert ranges[1]["timelinelabels"] == ["bright"]
    assert ranges[0]["ranges"][0]["start"] == 1
    assert ranges[2]["ranges"][0]["end"] == 60
    assert found.strip.is_file()


def test_numbers_that_cannot_be_are_refused(run, tmp_path):
    with pytest.raises(RecipeError, match="timeline is 0"):
        next(timelines("run", [str(tmp_path / "film.mp4")], step=0.0))

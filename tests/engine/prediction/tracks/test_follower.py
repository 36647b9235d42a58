"""Objects of a film get ids, files and counts; by a detector that sees squares, one of each gray."""

import csv
import json
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from zorki import registry
from zorki.contracts import Model
from zorki.data.images import write_image
from zorki.data.preprocess.resize import Resize
from zorki.engine.evaluation.tracks_file import evaluate_tracks
from zorki.engine.prediction.predict import predict
from zorki.engine.prediction.tracks.options import AppearanceEmbedder
from zorki.engine.prediction.video import VideoWriter
from zorki.engine.run.open import TrainedModel
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe
from zorki.types import Boxes, ClassInfo, Embedding, Instances, Keypoints, Label, Skeleton

SIDE = 64
NAMES = ("cat", "dog")


class Squares(Model):
    """Finds the square of each gray; those of 200 and more are dogs. The score is that of its gray."""

    preprocess = Resize(SIDE)
    scores = {80: 0.9, 120: 0.2, 160: 0.8, 200: 0.7, 240: 0.9}

    def forward(self, inputs):
        return inputs[:, 0]

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        return [self.boxes(image) for image in outputs]

    def boxes(self, image):
        rows = []
        for gray, score in self.scores.items():
            y, x = ((image.float() - gray).abs() < 12).nonzero(as_tuple=True)
            if len(x) > 20:
                box = [float(x.min()), float(y.min()), float(x.max()) + 1, float(y.max()) + 1]
                rows.append((box, int(gray >= 200), score))
        return Boxes(
            torch.tensor([box for box, _, _ in rows]).reshape(-1, 4),
            torch.tensor([label for _, label, _ in rows], dtype=torch.int64),
            torch.tensor([score for _, _, score in rows]),
        )


class Masks(Squares):
    def boxes(self, image):
        found = super().boxes(image)
        return Instances(found.xyxy, found.labels, torch.ones((len(found), SIDE, SIDE)) > 0, found.scores)


class Joints(Squares):
    with_boxes = True

    def boxes(self, image):
        found = super().boxes(image)
        points = found.xyxy.reshape(-1, 2, 2)
        flags = torch.full(points.shape[:2], 2)
        boxes = found.xyxy if self.with_boxes else None
        return Keypoints(points, flags, xyxy=boxes, labels=found.labels, scores=found.scores)


class Grays(Model):
    """Embeds an image by its gray, as an angle."""

    preprocess = Resize(4)
    seen = 0

    def forward(self, inputs):
        return inputs.float().mean((1, 2, 3)) / 255 * 2

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        Grays.seen += len(outputs)
        return [Embedding(torch.stack([angle.cos(), angle.sin()])) for angle in outputs]


class Classes(Grays):
    def decode(self, outputs, placements):
        return [Label(0, torch.tensor([1.0, 0.0])) for _ in outputs]


def run_of(model, task="detection", info=None):
    about = {"model": "squares", "task": task, "data": None}
    return TrainedModel(
        Path("squares"), "squares", registry.tasks()[task], info or ClassInfo(NAMES), Recipe(), about, model
    )


DETECTOR = run_of(Squares())
POSE = ClassInfo(NAMES, skeleton=Skeleton(("a", "b")))


def frame(*squares, size=10):
    """Squares of (gray, left, top)."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for gray, left, top in squares:
        image[top : top + size, left : left + size] = gray
    return image


def film(count=20):
    """Two that cross, one from the left and one from the right, a little below."""
    return [frame((80, 2 + 2 * t, 10), (240, 50 - 2 * t, 13)) for t in range(count)]


def ids(results):
    return [{row.name: row.id for row in result} for result in results]


def test_objects_keep_their_ids_through_a_crossing():
    results = list(predict(DETECTOR, iter(film()), stream=True, track=True, quiet=True))
    assert ids(results) == [{"cat": 1, "dog": 2}] * 20
    assert results[3].to_coco()[0]["track_id"] == 1
    assert results[3].columns()["id"] == [1, 2]


def test_without_tracking_nothing_has_an_id():
    results = list(predict(DETECTOR, iter(film(3)), stream=True, quiet=True))
    assert ids(results) == [{"cat": None, "dog": None}] * 3
    assert "track_id" not in results[0].to_coco()[0]


def test_masks_and_joints_are_followed_as_boxes_are():
    for run in (run_of(Masks(), "instance_segmentation"), run_of(Joints(), "pose", POSE)):
        results = list(predict(run, iter(film()), stream=True, track=True, quiet=True, out=f"out/{run.task.name}"))
        assert [[row.id for row in result] for result in results] == [[1, 2]] * 20
        assert Path(f"out/{run.task.name}/frames-1.mp4").is_file()
    bare = Joints()
    bare.with_boxes = False
    with pytest.raises(RecipeError, match="say where objects are with --boxes-from"):
        list(predict(run_of(bare, "pose", POSE), iter(film()), stream=True, track=True, quiet=True))


def test_what_scores_little_goes_on_with_a_track_and_begins_none():
    """The gray of 120 scores .2; a run shows what scores .5, or `conf`."""
    faint = [frame((80, 10, 10)), frame((120, 11, 10), (160, 40, 40)), frame((80, 12, 10), (120, 20, 50))]
    results = list(predict(DETECTOR, iter(faint), stream=True, track=True, quiet=True))
    assert [[(round(row.score, 1), row.id) for row in one] for one in results] == [[(0.9, 1)], [(0.2, 1)], [(0.9, 1)]]
    assert results[1].caption == "1 x cat", "tracked, and so worth showing"
    sure = list(predict(DETECTOR, iter(faint), stream=True, track={"low_score": "0.3"}, quiet=True))
    assert [len(one) for one in sure] == [1, 0, 1]
    low = list(predict(DETECTOR, iter(faint[1:2] * 2), stream=True, track=True, conf=0.15, quiet=True))
    assert [len(one) for one in low] == [2, 2]


def rows(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_files_of_tracks_and_counts(capsys):
    lines = ["32,0,32,64"]  # told downwards: "in" is to the left
    zones = [(20, 0, 44, 0, 44, 64, 20, 64)]
    predict_all = predict(
        DETECTOR, iter(film(25)), stream=True, track=True, out="out", count_lines=lines, count_zones=zones
    )
    results = list(predict_all)
    told = rows("out/tracks/frames-1.csv")
    assert len(told) == sum(len(result) for result in results)
    assert told[2] == {
        "frame": "1", "seconds": "0.040", "id": "1", "label": "cat", "left": "4.000", "top": "10.000",
        "right": "14.000", "bottom": "20.000", "score": "0.9000",
    }  # fmt: skip
    Path("gt.txt").write_text(
        "".join(f"{t + 1},1,{3 + 2 * t},11,10,10,1,1,1\n{t + 1},2,{51 - 2 * t},14,10,10,1,1,1\n" for t in range(25))
    )
    scores = evaluate_tracks("out/mot/frames-1.txt", "gt.txt").metrics
    assert scores.idf1 > 0.95, "one hides the other in part as they cross"
    assert (scores.id_switches, scores.false_negatives + scores.false_positives) == (0, 2)
    counted = [
        (row["place"], row["label"], row["direction"], row["in"], row["out"]) for row in rows("out/counts/frames-1.csv")
    ]
    assert sorted(counted) == [
        ("line 1", "cat", "out", "0", "1"), ("line 1", "dog", "in", "1", "0"),
        ("zone 1", "cat", "in", "1", "0"), ("zone 1", "cat", "out", "1", "1"),
        ("zone 1", "dog", "in", "1", "0"), ("zone 1", "dog", "out", "1", "1"),
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "tracking: boxes that score 0.50 begin tracks, from 0.10 on they go on with them" in printed
    assert "frames-1: line 1: 1 in, 1 out (cat 0 in, 1 out; dog 1 in, 0 out)" in printed
    assert "frames-1: zone 1: 2 in, 2 out, 0 inside" in printed
    assert sorted(path.name for path in Path("out").rglob("*.part*")) == []


def test_what_was_tracked_is_kept_where_work_stops_or_a_film_breaks_off():
    def breaking():
        yield from film(6)
        raise OSError("the cable was pulled")

    with pytest.raises(DataError, match="the cable was pulled"):
        list(predict(DETECTOR, breaking(), stream=True, track=True, out="broken", quiet=True, batch_size=1))
    kept = list(
        predict(DETECTOR, breaking(), stream=True, track=True, out="kept", quiet=True, batch_size=1, strict=False)
    )
    assert (len(kept), rows("kept/tracks/frames-1.csv")[-1]["frame"]) == (6, "5")
    with closing(predict(DETECTOR, iter(film()), stream=True, track=True, out="out", quiet=True, batch_size=1)) as some:
        assert len(list(islice(some, 5))) == 5
    assert [row["frame"] for row in rows("out/tracks/frames-1.csv")][-1] == "4"
    assert Path("out/mot/frames-1.txt").read_text().count("\n") == 10


def test_tails_ids_lines_and_zones_are_drawn_in_the_video():
    pytest.importorskip("av")
    write_film("a.mp4", film())
    plain = predict(DETECTOR, "a.mp4", out="plain", quiet=True)
    tracked = predict(DETECTOR, "a.mp4", out="out", track=True, count_lines=["0,40,64,40"], quiet=True)
    assert [len(result) for result in tracked] == [len(result) for result in plain]
    assert tracked[0].drawn == Path("out/a.mp4")
    assert json.loads(Path("out/predictions.json").read_text())[0]["track_id"] == 1
    assert Path("out/tracks/a.csv").is_file()
    again = predict(DETECTOR, ["a.mp4", "a.mp4"], out="twice", track=True, quiet=True)
    assert len(again) == 20, "one file, once"


def test_appearance_is_asked_for_of_what_begins_tracks():
    """Of each square of .9, and not of that of .2; by the pixels in its box."""
    images = [frame((80, 2 + 2 * t, 10), (240, 50 - 2 * t, 30), (120, 20, 50)) for t in range(5)]
    Grays.seen = 0
    embed = run_of(Grays(), "retrieval")
    results = list(predict(DETECTOR, iter(images), stream=True, track=True, embed=embed, quiet=True))
    assert ids(results) == [{"cat": 1, "dog": 2}] * 5
    assert Grays.seen == 10
    image = images[0].transpose(2, 0, 1)
    boxes = np.array([[2.0, 10, 12, 20], [50, 30, 60, 40], [0, 0, 0, 0], [90, 90, 99, 99]])
    angles = np.array([80, 240, 0, 0]) / 255 * 2
    assert AppearanceEmbedder(embed, "cpu")(image, boxes) == pytest.approx(
        np.stack([np.cos(angles), np.sin(angles)], 1)
    )


def write_film(path, images):
    with VideoWriter(Path(path), 25) as video:
        for image in images:
            video.write(torch.from_numpy(image).permute(2, 0, 1))


def test_a_prediction_that_was_stopped_goes_on_with_new_tracks():
    """Of two films the first is done and keeps its files; the second begins anew, with ids from 1."""
    pytest.importorskip("av")
    write_film("a.mp4", film(4))
    write_film("b.mp4", film(6))
    settings = {"track": True, "count_lines": ["32,0,32,64"], "quiet": True, "batch_size": 1}
    predict(DETECTOR, ["a.mp4", "b.mp4"], out="whole", **settings)
    some = predict(DETECTOR, ["a.mp4", "b.mp4"], out="out", stream=True, **settings)
    for _ in range(7):
        next(some)
    with pytest.raises(KeyboardInterrupt):
        some.throw(KeyboardInterrupt())
    assert rows("out/tracks/b.csv")[-1]["frame"] == "2"
    rest = predict(DETECTOR, ["a.mp4", "b.mp4"], out="out", resume=True, **settings)
    assert [result.frame for result in rest] == [0, 1, 2, 3, 4, 5]
    for name in ("tracks/a.csv", "tracks/b.csv", "mot/b.txt", "counts/b.csv", "predictions.json"):
        assert Path("out", name).read_text() == Path("whole", name).read_text(), name
    assert sorted(path.name for path in Path("out").rglob("*.*")) == sorted(
        path.name for path in Path("whole").rglob("*.*")
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"track": {"max_lots": "2"}}, "no 'max_lots'. Did you mean max_lost"),
        ({"track": {"max_lost": "long"}}, "max_lost is 'long'; expected a number"),
        ({"track": {"match_classes": "perhaps"}}, "expected true or false"),
        ({"track": {"high_score": 0.05, "low_score": 0.2}}, "above its high_score"),
        ({"count_lines": ["1,2,3,4"]}, "count_lines needs tracks"),
        ({"track": True, "count_lines": ["1,2,3"]}, "'1,2,3' is not a line"),
        ({"track": True, "count_zones": [(100, 0, 120, 0, 120, 9)]}, "outside of the frames of 64 x 64"),
        ({"track": True, "embed": run_of(Classes(), "classification")}, "which embeds no images"),
    ],
)
def test_what_cannot_be_is_told(settings, words):
    with pytest.raises(RecipeError, match=words):
        list(predict(DETECTOR, iter(film()), stream=True, quiet=True, **settings))


def test_images_and_runs_without_boxes_are_not_tracked():
    write_image(Path("a.png"), torch.zeros((3, 8, 8), dtype=torch.uint8))
    with pytest.raises(RecipeError, match=r"a\.png: it is an image, and objects are tracked through videos"):
        predict(DETECTOR, "a.png", track=True, quiet=True)
    with pytest.raises(RecipeError, match="the run predicts a Label, and no objects with boxes"):
        list(predict(run_of(Classes(), "classification"), iter(film()), stream=True, track=True, quiet=True))

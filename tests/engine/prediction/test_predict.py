import json
from pathlib import Path

import pytest
import torch

from zorki.data.images import write_image
from zorki.engine.evaluation.results_file import evaluate_file
from zorki.engine.prediction.predict import predict
from zorki.engine.run.open import Run
from zorki.recipe import Recipe
from zorki.registry import find
from zorki.types import ClassInfo


def untrained(name, class_names, **options):
    torch.manual_seed(0)
    entry = find(name)
    model = entry.build(len(class_names), **options).eval()
    return Run(Path(name), name, entry.task, ClassInfo(tuple(class_names)), Recipe(), {"model": name}, model)


@pytest.fixture
def photos():
    for number in (1, 2):
        write_image(Path(f"photos/{number:03}.png"), torch.randint(0, 256, (3, 80, 120), dtype=torch.uint8))
    return "photos"


def test_detections_are_written_as_results_of_coco_and_judged(photos):
    run = untrained("ssd_squeezenet", ["cat", "dog"], size=96)
    run.model.min_score = 0.0
    answers = predict(run, photos, out="out")
    entries = json.loads(Path("out/predictions.json").read_text())
    assert len(entries) == sum(len(answer.prediction) for answer in answers) > 0
    first = answers[0].prediction
    assert entries[0]["image_id"] == 1
    assert entries[0]["file_name"] == "photos/001.png"
    assert entries[0]["category_name"] == ["cat", "dog"][int(first.labels[0])]
    x, y, width, height = entries[0]["bbox"]
    assert [x, y, x + width, y + height] == pytest.approx(first.xyxy[0].tolist(), abs=0.02)
    # Taken for the truth, the detections find themselves, but for the rounding.
    truth = {
        "images": [{"id": number, "file_name": f"{number:03}.png", "height": 80, "width": 120} for number in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": number, **{key: entry[key] for key in ("image_id", "category_id", "bbox")}, "iscrowd": 0}
            for number, entry in enumerate(entries, 1)
        ],
    }
    Path("truth.json").write_text(json.dumps(truth))
    figures = evaluate_file("out/predictions.json", "truth.json").metrics.to_json()
    assert figures["objects"] == figures["detections"] == len(entries)
    assert figures["recall"] == figures["precision"] == 1.0


def test_tasks_without_a_format_of_their_own_write_one_object_a_image(photos):
    predict(untrained("lenet5", ["cat", "dog"]), photos, out="out")
    page = json.loads(Path("out/predictions.json").read_text())
    assert page["task"] == "classification"
    assert [row["source"] for row in page["predictions"]] == ["photos/001.png", "photos/002.png"]


def attaching(run):
    """The run's task with a file of its own for each answer."""

    class Noting(type(run.task.presentation)):
        def write_files(self, annotation, info, place):
            path = place("notes", ".txt")
            path.parent.mkdir(exist_ok=True)
            path.write_text(info.names[annotation.index])
            return {"note": path, "length": 3}

    class Attaching(type(run.task)):
        presentation = Noting()

    run.task = Attaching()
    return run


def test_tasks_may_write_files_of_their_own_that_nobody_elses_overwrite(photos):
    Path("more").mkdir()
    Path("photos/001.png").rename("more/002.png")
    answers = predict(attaching(untrained("lenet5", ["cat", "dog"])), [photos, "more"], out="out")
    rows = json.loads(Path("out/predictions.json").read_text())["predictions"]
    assert [row["note"] for row in rows] == ["notes/002.txt", "notes/002-2.txt"]
    assert [row["length"] for row in rows] == [3, 3]
    assert [Path("out", row["note"]).read_text() for row in rows] == [row["class_name"] for row in rows]
    assert all(answer.prediction is not None for answer in answers)


def test_predictions_are_let_go_where_nobody_needs_them(photos):
    answers = predict(attaching(untrained("lenet5", ["cat", "dog"])), photos, out="out", keep=False)
    assert [answer.prediction for answer in answers] == [None, None]
    assert {answer.words[:3] for answer in answers} <= {"cat", "dog"}
    run = untrained("ssd_squeezenet", ["cat", "dog"], size=96)
    run.model.min_score = 0.0
    predict(run, photos, out="boxes", keep=False)
    assert json.loads(Path("boxes/predictions.json").read_text()), "COCO's results need them"


def test_a_film_has_files_of_their_own_for_its_frames(tmp_path):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter

    with VideoWriter(tmp_path / "film.mp4") as video:
        for _ in range(2):
            video.write(torch.zeros((3, 32, 32), dtype=torch.uint8))
    predict(attaching(untrained("lenet5", ["cat", "dog"])), "film.mp4", out="out")
    rows = json.loads(Path("out/predictions.json").read_text())["predictions"]
    assert [row["note"] for row in rows] == ["notes/film-000000.txt", "notes/film-000001.txt"]

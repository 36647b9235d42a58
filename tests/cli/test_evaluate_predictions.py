"""Anybody's detections are evaluated from the command line: no run, and no images."""

import json
from pathlib import Path

import pytest

from zorki.cli import main
from zorki.data import formats
from zorki.engine.data_check import usual_split
from zorki.recipe import describe

TRUTH = {
    "images": [{"id": 3, "file_name": "a.jpg", "height": 100, "width": 100}],
    "categories": [{"id": 1, "name": "[red]cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0},
        {"id": 2, "image_id": 3, "category_id": 2, "bbox": [60, 10, 30, 30], "area": 900, "iscrowd": 0},
    ],
}
FOUND = [
    {"image_id": 3, "category_id": 1, "bbox": [10, 10, 40, 40], "score": 0.9},
    {"image_id": 3, "category_id": 1, "bbox": [60, 10, 30, 30], "score": 0.95},
    {"image_id": 8, "category_id": 1, "bbox": [60, 10, 30, 30], "score": 0.8},
]


@pytest.fixture
def files():
    Path("truth.json").write_text(json.dumps(TRUTH))
    Path("found.json").write_text(json.dumps(FOUND))


def refused(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return " ".join(told.split())


@pytest.mark.usefixtures("files")
def test_the_metrics_are_printed_and_written(capsys):
    main(["evaluate", "--predictions", "found.json", "truth.json", "--json", "metrics.json"])
    told = capsys.readouterr().out
    for words in ("all: 1 images", "ap_small", "voc_ap_11", "best_threshold", "per class, found.json", "[red]cat"):
        assert words in told, words
    assert "1 detections are of images" in told
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in told.splitlines() if "│" in line}
    assert rows["ap"][0].strip() == "0.2500"
    assert [cell.strip() for cell in rows["classification"]] == ["1", "1.0000"]  # the dog, taken for a cat
    metrics = json.loads(Path("metrics.json").read_text())["results"][0]
    assert metrics["metrics"]["errors"][0] == {"error_type": "classification", "count": 1, "share": 1.0}
    assert metrics["count"] == 1
    main(["evaluate", "--predictions", "found.json", "truth.json", "--json", "-", "--task", "detection"])
    assert json.loads(capsys.readouterr().out) == {"results": [metrics]}


@pytest.mark.usefixtures("files")
def test_bad_wishes_end_with_one_message(capsys):
    words = ["evaluate", "--predictions", "found.json"]
    assert "expected --predictions FILE and the data alone" in refused(capsys, *words)
    assert "--weights with --predictions" in refused(capsys, *words, "truth.json", "--weights", "x.pth")
    assert "Did you mean detection?" in refused(capsys, *words, "truth.json", "--task", "detektion")
    assert "classification knows no file of predictions" in refused(
        capsys, *words, "truth.json", "--task", "classification"
    )
    assert "--task belongs to --predictions" in refused(capsys, "evaluate", "run", "--task", "detection")
    idle = {"--strict": [], "--device": ["cpu"], "--options.depth": ["3"], "--batch-size": ["2"], "--tile": ["64"]}
    for word, value in idle.items():
        assert f"{word.split('.')[0]} with --predictions" in refused(capsys, *words, "truth.json", word, *value)
    assert "nowhere: " in refused(capsys, *words, "nowhere")
    assert "missing.json: there is no such file" in refused(capsys, *words[:2], "missing.json", "truth.json")


def test_the_split_that_is_evaluated_where_nobody_said():
    assert usual_split({"train": [0], "val": [1], "test": [2]}) == "test"
    assert usual_split({"train": [0], "val": [1], "test": []}) == "val"
    assert usual_split({"train": [0], "val": [], "test": []}) == "all"
    assert usual_split({"train": [0]}) == "all"


def test_help_names_every_reader(capsys):
    main(["evaluate", "--help"])
    told = capsys.readouterr().out
    for name in formats.names():
        assert name in told
        assert name in describe("format")["help"]

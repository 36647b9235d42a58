"""The commands of docs/detection.md, one after another, on built-in images."""

import json
import os

import forked
import pytest
import torch

import zorki
from zorki import registry
from zorki.cli import main
from zorki.data.formats.readers import read_boxes
from zorki.data.images import read_image, write_image
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.scenes.boxes import SceneDetection
from zorki.engine.training.checks import check_forward
from zorki.errors import RecipeError

SETTINGS = {
    "image_size": 64,
    "epochs": 1,
    "precision": "32",
    "batch_size": 8,
    "workers": 0,
    "mosaic": 0.5,
    "mixup": 1.5,
    "vflip": 0.5,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return zorki.train("fcos_squeezenet", "scenes:24@64", out=str(out), quiet=True, **SETTINGS)


@pytest.fixture(scope="module")
def voc(tmp_path_factory):
    """Six scenes as Pascal VOC has them; one box of the second has no area."""
    root = tmp_path_factory.mktemp("voc")
    dataset = SceneDetection(20, size=(96, 96))
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for index in range(6):
        sample = dataset[index]
        write_image(root / "JPEGImages" / f"{index}.png", sample.image)
        rows = [
            [*map(int, row), name]
            for row, name in zip(sample.target.xyxy.tolist(), _names(dataset, index), strict=True)
        ]
        if index == 1:
            rows.append([5, 5, 5, 9, "disc"])
        (root / "Annotations" / f"{index}.xml").write_text(_xml(f"{index}.png", rows))
    (root / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n2\n3\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("4\n5\n")
    return root


def _names(dataset, index):
    return [dataset.class_names[label] for label in dataset.target(index).labels.tolist()]


def _xml(name, rows):
    objects = "".join(
        f"<object><name>{name}</name>\n<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        "</bndbox></object>\n"
        for x0, y0, x1, y1, name in rows
    )
    size = "<size><width>96</width><height>96</height><depth>3</depth></size>"
    return f"<annotation>\n<filename>{name}</filename>\n{size}\n{objects}</annotation>\n"


def test_the_run_is_evaluated_and_reported(run):
    results = run.results
    assert set(results) == {"val", "test"}
    assert 0 <= results["val"]["metrics"]["ap50"] <= 1
    page = run.report.read_text()
    assert "baseline" not in page  # detectors have none
    for words in ("Average precision", "Boxes per class", "Aspect ratio of boxes", "Most wrong"):
        assert words in page, words


def test_loading_gives_the_same_predictions_and_the_threshold_of_validation(run):
    again = zorki.load(run.folder)
    best = run.results["val"]["metrics"]["best_threshold"]
    assert again.info == run.info
    assert again.info.score_threshold == best
    assert again.info.threshold_split == (None if best is None else "val")
    found = again.evaluate(split="test")
    assert found.metrics.to_json()["ap50"] == pytest.approx(run.results["test"]["metrics"]["ap50"], abs=1e-9)


def test_evaluate_two_runs_and_their_ensemble(run, tmp_path):
    main(["evaluate", str(run.folder), str(run.folder), "scenes:24@64", "--split", "test", "--json", "metrics.json"])
    page = {row["run"]: row for row in json.loads((tmp_path / "metrics.json").read_text())["results"]}
    assert set(page) == {str(run.folder), "ensemble"}
    assert page["ensemble"]["count"] == 4


def test_predictions_are_in_pixels_of_the_image(run, tmp_path, capsys):
    image = SceneDetection(20, size=(80, 130))[3].image
    write_image(tmp_path / "one.png", image)
    main(["predict", str(run.folder), "one.png", "--out", "predictions"])
    rows = json.loads((tmp_path / "predictions" / "predictions.json").read_text())
    for row in rows:
        assert row["category_name"] in run.class_names
        x, y, width, height = row["bbox"]
        assert x >= 0 <= y
        assert x + width <= 130.01
        assert y + height <= 80.01
    drawn = read_image(tmp_path / "predictions" / "one.png")
    assert drawn.shape == (3, 240, 390), "enlarged for names to be read"
    assert "one.png: " in capsys.readouterr().out
    (result,) = run.predict(tmp_path / "one.png")
    assert len(result) == len(rows)
    assert [(row.name, round(row.score, 6)) for row in result] == [(row["category_name"], row["score"]) for row in rows]


def test_the_same_seed_gives_the_same_numbers_with_and_without_workers(tmp_path):
    settings = {**SETTINGS, "quiet": True}
    first = zorki.train("fcos_squeezenet", "scenes:24@64", out=str(tmp_path / "a"), **settings)
    second = zorki.train("fcos_squeezenet", "scenes:24@64", out=str(tmp_path / "b"), **settings | {"workers": 1})
    assert first.results == second.results
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    )


def test_show_finds_out_that_boxes_are_meant(voc, tmp_path, capsys):
    main(["show", str(voc), "--out", "sheet.png", "--json", "facts.json"])
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["task"], facts["format"]) == ("detection", "voc")
    (train,) = [row for row in facts["tables"]["boxes"] if row["split"] == "train"]
    assert train["boxes"] == sum(row["count"] for row in facts["classes"] if row["split"] == "train")
    (defect,) = [one for one in facts["defects"] if "no area" in one["reason"]]
    assert defect["path"].endswith("1.xml")
    assert defect["line"] > 1
    out = capsys.readouterr().out
    assert "task: detection (recognized by the format" in out
    assert "Box sizes" in out
    assert "Aspect ratio of boxes" not in out, "what is less important is shown with --all"
    main(["show", str(voc), "--out", "again.png", "--all"])
    assert "Aspect ratio of boxes" in capsys.readouterr().out
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def _refused(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_show_tells_what_is_broken_and_does_not_take_it_for_classes(tmp_path, capsys):
    for name in ("images", "labels", "Annotations"):
        (tmp_path / "data" / name).mkdir(parents=True)
    image = SceneDetection(20, size=(96, 96))[3].image
    for name in ("images", "labels"):
        write_image(tmp_path / "data" / name / "1.png", image)
    (tmp_path / "data/data.yaml").write_text("train: images\nnames: [cat\n")
    assert "data.yaml:3: the YAML is broken" in _refused(["show", str(tmp_path / "data")], capsys)
    (tmp_path / "data/data.yaml").unlink()
    (tmp_path / "data/Annotations/1.xml").write_text("")
    assert "1.xml:1: the XML is broken" in _refused(["show", str(tmp_path / "data")], capsys)


def test_what_a_detector_cannot_do_is_told_before_a_run_is_made(voc, tmp_path, capsys):
    """Mosaics of images whose regions were proposed one by one."""
    plain = [str(voc), "--epochs", "1", "--workers", "0", "--out", str(tmp_path / "runs")]
    told = _refused(["train", "rcnn_squeezenet", *plain, "--image-size", "64", "--mosaic", "0.5"], capsys)
    assert "mosaic is 0.5 and mixup 0.0, but this network takes proposed regions" in told
    assert not (tmp_path / "runs").exists()


def test_images_that_vanish_in_the_network_are_told(voc):
    network = registry.build("ssd_squeezenet", 9)
    network.restore_preprocess(Letterbox(5, 16))
    with pytest.raises(RecipeError, match=r"cannot take inputs of 16x16 pixels.*set a larger --image-size"):
        check_forward(network, read_boxes(voc), [0])


def test_show_wants_a_image_on_its_sheet(voc, capsys):
    assert "--images is 0: expected one image" in _refused(["show", str(voc), "--images", "0"], capsys)


def test_a_reader_that_has_seen_enough_is_no_failure(voc, tmp_path):
    """As `zorki show ... | head -1`, for a line of ours and for a table of rich's."""
    for unbuffered in (False, True):
        reader, pipe = os.pipe()
        os.close(reader)
        words = ["show", voc, "--out", tmp_path / f"{unbuffered}.png"]
        process = forked.Forked("zorki", *words, stdout=pipe, unbuffered=unbuffered)
        os.close(pipe)
        assert process.communicate() == ("", "")
        assert process.returncode == 0


def test_data_without_boxes_are_refused(voc, tmp_path, capsys):
    for path in (voc / "Annotations").iterdir():
        path.write_text(_xml(f"{path.stem}.png", []))
    with pytest.raises(SystemExit) as end:
        main(["train", "fcos_squeezenet", str(voc), "--image-size", "64"])
    assert end.value.code == 2
    assert "box" in capsys.readouterr().err


def test_demos_are_of_models_that_there_are():
    from zorki import registry
    from zorki.task_settings import recipe_for

    for name in {entry.task.name for entry in registry.entries()}:
        presentation = registry.tasks()[name].presentation
        for example in (presentation.example, *presentation.further_examples.values()):
            assert registry.find(example.model).task.name == name
            assert registry.find(example.own_model).task.name == name
            recipe_for(registry.tasks()[name].settings or zorki.Recipe, name, example.settings)

"""The commands of docs/semantic_segmentation.md, one after another, on built-in images."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import zorki
from zorki.cli import main
from zorki.data.annotations.masks.stored import write_mask
from zorki.data.images import read_image, write_image
from zorki.data.scenes.masks import SceneSegmentation
from zorki.errors import DataError, RecipeError

SETTINGS = {
    "image_size": 64,
    "epochs": 1,
    "precision": "32",
    "batch_size": 8,
    "workers": 0,
    "loss": "ce,dice",
    "class_weights": True,
    "class_balanced": True,
    "vflip": 0.5,
}
DATA = "scenes:24@64"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return zorki.train("unet_squeezenet", DATA, out=str(out), quiet=True, **SETTINGS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Eight scenes as folders side by side; the mask of the third is cut off in its middle."""
    root = tmp_path_factory.mktemp("folders")
    dataset = SceneSegmentation(20, size=(48, 64))
    for index in range(8):
        split = "train" if index < 6 else "val"
        write_image(root / split / "images" / f"{index}.png", dataset[index].image)
        write_mask(root / split / "masks" / f"{index}.png", dataset.target(index).classes)
    broken = root / "train/masks/2.png"
    broken.write_bytes(broken.read_bytes()[:100])
    return root


def test_the_run_is_evaluated_and_reported(run):
    results = run.results
    assert set(results) == {"val", "test"}
    figures = results["val"]["metrics"]
    assert 0 <= figures["miou"] <= 1
    assert 0 <= figures["boundary_f1"] <= 1
    # Predictions are evaluated in the pixels of the original images, all of which are evaluated.
    assert np.sum(figures["confusion_matrix"]) == results["val"]["count"] * 64 * 64
    assert results["test"]["baseline"]["miou"] < 0.2
    page = run.report.read_text()
    for words in ("IoU by class", "Worst classes", "Pixels per class", "Most wrong", "Confusion matrix"):
        assert words in page, words


def test_loading_gives_the_same_predictions(run):
    again = zorki.load(run.folder)
    found = again.evaluate(split="test")
    assert found.metrics.to_json()["confusion_matrix"] == run.results["test"]["metrics"]["confusion_matrix"]


def test_evaluate_two_runs_and_their_ensemble(run, tmp_path, capsys):
    main(["evaluate", str(run.folder), str(run.folder), DATA, "--split", "test", "--json", "metrics.json"])
    page = {row["run"]: row for row in json.loads((tmp_path / "metrics.json").read_text())["results"]}
    assert page["ensemble"]["metrics"]["confusion_matrix"] == page[str(run.folder)]["metrics"]["confusion_matrix"]
    out = capsys.readouterr().out
    assert "miou" in out
    assert "baseline" in out
    assert "per class, ensemble" in out


def test_evaluate_tile_by_tile_is_what_predict_gives(run, tmp_path, capsys):
    dataset = SceneSegmentation(20, size=(80, 130))
    for index in range(4):
        write_image(tmp_path / "wide" / "val" / "images" / f"{index}.png", dataset[index].image)
        write_mask(tmp_path / "wide" / "val" / "masks" / f"{index}.png", dataset.target(index).classes)
    broken = tmp_path / "wide/val/images/3.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:200] + bytes(200) + content[400:])  # both ends are whole: seen when it is decoded
    words = ["evaluate", str(run.folder), str(run.folder), "wide", "--split", "val", "--tile", "64"]
    main([*words, "--overlap", "16", "--json", "metrics.json"])
    page = {row["run"]: row for row in json.loads((tmp_path / "metrics.json").read_text())["results"]}
    metric = run.task.evaluation.metric(run.info)
    for index in range(3):
        (result,) = run.predict(tmp_path / f"wide/val/images/{index}.png", tile=64, overlap=16)
        metric.update([result.annotation], [dataset.target(index)])
    assert page[str(run.folder)]["count"] == 3
    assert page[str(run.folder)]["metrics"]["confusion_matrix"] == metric.compute().to_json()["confusion_matrix"]
    assert page["ensemble"]["metrics"]["confusion_matrix"] == metric.compute().to_json()["confusion_matrix"]
    assert "3.png: " in capsys.readouterr().out
    whole = run.evaluate("wide", split="val").metrics.to_json()
    assert whole["confusion_matrix"] != metric.compute().to_json()["confusion_matrix"], "tiles show everything larger"
    tiled = run.evaluate("wide", split="val", tile=64, overlap=16).metrics.to_json()
    assert tiled["confusion_matrix"] == metric.compute().to_json()["confusion_matrix"]
    with pytest.raises(DataError, match="without strict"):
        run.evaluate("wide", split="val", tile=64, strict=True)
    with pytest.raises(RecipeError, match="no tiles to overlap"):
        run.evaluate("wide", split="val", overlap=16)
    with pytest.raises(RecipeError, match="overlap is 64"):
        run.evaluate("wide", split="val", tile=64, overlap=64)
    capsys.readouterr()
    main([*words, "--json", "-"])
    out, err = capsys.readouterr()
    assert json.loads(out)["results"][-1]["count"] == 3, "nothing but JSON"
    assert "tiles of 64 pixels, overlap" in err


def test_a_run_predicts_with_other_options_than_it_was_trained_with(run, tmp_path, capsys):
    larger = zorki.load(run.folder, {"image_size": 128})
    assert (larger.model.preprocess.size, run.model.preprocess.size) == (128, 64)
    weights = run.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in larger.model.state_dict().items())
    wanted = larger.evaluate(split="test").metrics.to_json()["confusion_matrix"]
    main(["evaluate", str(run.folder), "--split", "test", "--options.size", "128", "--json", "metrics.json"])
    page = {row["run"]: row for row in json.loads((tmp_path / "metrics.json").read_text())["results"]}
    assert page[str(run.folder)]["metrics"]["confusion_matrix"] == wanted
    assert wanted != run.results["test"]["metrics"]["confusion_matrix"]
    write_image(tmp_path / "one.png", SceneSegmentation(20, size=(80, 130))[3].image)
    main(["predict", str(run.folder), "one.png", "--out", "predictions", "--options.size", "128"])
    (row,) = json.loads((tmp_path / "predictions" / "predictions.json").read_text())["predictions"]
    with Image.open(tmp_path / "predictions" / row["mask"]) as written:
        assert np.array_equal(np.asarray(written), larger.predict("one.png")[0].numpy()["classes"])
    capsys.readouterr()
    told = {
        "sise 96": "Did you mean image_size?",
        "upsampling transposed": "does not fit unet_squeezenet with upsampling tra",
    }
    for option, reason in told.items():
        with pytest.raises(SystemExit):
            main(["evaluate", str(run.folder), *f"--options.{option}".split()])
        assert reason in capsys.readouterr().err
    with pytest.raises(RecipeError, match="open already"):
        zorki.evaluate([run], options={"image_size": "128"})


def test_predict_writes_overlays_and_maps_of_classes(run, tmp_path, capsys):
    image = SceneSegmentation(20, size=(80, 130))[3].image
    write_image(tmp_path / "one.png", image)
    main(["predict", str(run.folder), "one.png", "--out", "predictions"])
    (row,) = json.loads((tmp_path / "predictions" / "predictions.json").read_text())["predictions"]
    assert (row["drawn"], row["mask"]) == ("one.png", "masks/one.png")
    assert sum(part["share"] for part in row["classes"]) == pytest.approx(1, abs=1e-4)
    assert "classes" in row
    with Image.open(tmp_path / "predictions" / row["mask"]) as written:
        assert written.mode == "P"
        labels = np.asarray(written)
    assert labels.shape == (80, 130)
    (result,) = run.predict(tmp_path / "one.png")
    assert np.array_equal(labels, result.annotation.classes.numpy())
    drawn = read_image(tmp_path / "predictions" / "one.png")
    assert drawn.shape[2] == 390, "enlarged for the legend to be read"
    assert drawn.shape[1] > 240
    assert "one.png: " in capsys.readouterr().out


def test_predict_films(run, tmp_path):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter

    with VideoWriter(tmp_path / "film.mp4") as video:
        for index in range(3):
            video.write(SceneSegmentation(20, size=(64, 64))[index].image)
    main(["predict", str(run.folder), "film.mp4", "--out", "predictions"])
    rows = json.loads((tmp_path / "predictions" / "predictions.json").read_text())["predictions"]
    assert [row["mask"] for row in rows] == [f"masks/film-00000{number}.png" for number in range(3)]
    assert all((tmp_path / "predictions" / row["mask"]).is_file() for row in rows)
    assert (tmp_path / "predictions" / "film.mp4").is_file()


def test_the_same_seed_gives_the_same_numbers_with_and_without_workers(tmp_path):
    settings = {**SETTINGS, "quiet": True, "border_weight": 5.0}
    first = zorki.train("unet_squeezenet", DATA, out=str(tmp_path / "a"), **settings)
    second = zorki.train("unet_squeezenet", DATA, out=str(tmp_path / "b"), **settings | {"workers": 1})
    assert first.results == second.results
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    "name",
    [
        "unet_resnet18", "unet", "fcn8s_squeezenet", "pspnet_squeezenet", "deeplabv3_squeezenet", "segnet_basic",
        "full_resolution", "sliding_window_small", "fc_densenet56",
    ],
)  # fmt: skip
def test_every_way_to_segment_has_a_ledger(name, capsys):
    main(["info", name, "--size", "64", "--json", "-"])
    told = json.loads(capsys.readouterr().out)
    assert (told["task"], told["classes"]) == ("semantic_segmentation", 21)
    assert told["totals"]["parameters"] > 10_000


def test_show_finds_out_that_masks_are_meant_and_tells_the_broken_one(folders, tmp_path, capsys):
    main(["show", str(folders), "--out", "sheet.png", "--json", "facts.json"])
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["task"] == "semantic_segmentation"
    assert facts["splits"][0] == {"split": "train", "images": 5}
    assert any(defect["path"].endswith("2.png") for defect in facts["defects"])
    out = capsys.readouterr().out
    assert "task: semantic_segmentation (recognized by the format" in out
    assert "pixels per class" in out
    assert (tmp_path / "sheet.png").stat().st_size > 5_000


def test_runs_on_folders_resume_and_export(folders, tmp_path, capsys):
    pytest.importorskip("onnx")
    trained = zorki.train(
        "unet_squeezenet", folders, out=str(tmp_path / "runs"), quiet=True, image_size=64, epochs=1, workers=0
    )
    assert trained.about["train_count"] == 5
    main(["export", str(trained.folder), "--out", "model.onnx", "--height", "64", "--width", "64", "--images", "2"])
    assert (tmp_path / "model.onnx").stat().st_size > 1e6
    main(["train", "--resume", str(trained.folder), "--quiet"])
    (folders / "train/masks/1.png").rename(folders / "kept.png")
    try:
        write_mask(folders / "train/masks/1.png", torch.zeros((48, 64), dtype=torch.int64))
        with pytest.raises(SystemExit):
            main(["train", "--resume", str(trained.folder)])
        assert "have changed" in capsys.readouterr().err, "a mask that is another one is other data"
    finally:
        (folders / "kept.png").rename(folders / "train/masks/1.png")

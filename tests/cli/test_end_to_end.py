"""The commands of the README, one after another, on built-in images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zorki
from zorki.cli import main
from zorki.data.images import write_image
from zorki.data.scenes.dataset import SceneClassification


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos") / "data"
    SceneClassification(300, size=(32, 32), clutter=0.0).write_folders(root)
    return root


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return zorki.train(
        "cifar_resnet20",
        str(photos),
        epochs=8,
        batch_size=16,
        workers=0,
        out=str(out),
        quiet=True,
        lr=0.05,
        ema=0.9,
    )


def test_a_network_learns(run):
    results = run.results
    assert results["val"]["metrics"]["top1"] > 2 * results["val"]["baseline"]["top1"]
    assert set(results) == {"val", "test"}


def test_the_folder_holds_what_it_should(run):
    names = {path.name for path in run.folder.iterdir()}
    assert {"run.json", "recipe.yaml", "best.safetensors", "last.ckpt", "steps.csv", "epochs.csv", "results.json",
            "report.html", "tensorboard", "README.md"} <= names  # fmt: skip
    about = json.loads((run.folder / "run.json").read_text())
    assert about["class_names"] == run.class_names
    assert (
        about["environment"]["versions"]["torch"] == torch.__version__.split("+")[0] or about["environment"]["versions"]
    )
    assert {choice["name"] for choice in about["choices"]} >= {"device", "optimizer"}
    assert about["explicit"]["epochs"] == 8
    assert list((run.folder / "tensorboard").glob("events*"))


def test_loading_gives_the_same_predictions(run, photos):
    again = zorki.load(run.folder)
    found = again.evaluate(split="test")
    assert found.metrics.to_json()["correct"] == run.results["test"]["metrics"]["correct"]
    image = next((photos / "test").rglob("*.png"))
    (one,) = again.predict(image)
    (two,) = run.predict([image])  # a list of sources is as good
    assert one[0].name == two[0].name
    assert torch.equal(one.annotation.scores, two.annotation.scores)


def test_evaluate_several_runs_and_their_ensemble(run, photos, tmp_path, capsys):
    main(["evaluate", str(run.folder), str(run.folder), str(photos), "--split", "test", "--json", "metrics.json"])
    page = {row["run"]: row for row in json.loads((tmp_path / "metrics.json").read_text())["results"]}
    assert page["ensemble"]["metrics"]["correct"] == page[str(run.folder)]["metrics"]["correct"]
    assert "baseline" in capsys.readouterr().out


def test_a_model_with_weights_serves_where_a_run_does(run, photos, capsys):
    weights = run.folder / "best.safetensors"
    main(["evaluate", "cifar_resnet20", str(photos), "--weights", str(weights), "--split", "test", "--json", "-"])
    (page,) = json.loads(capsys.readouterr().out)["results"]
    assert page["metrics"]["correct"] == run.results["test"]["metrics"]["correct"]


def test_predict_files_folders_globs_and_videos(run, photos, tmp_path, capsys):
    av = pytest.importorskip("av")
    assert av
    from zorki.engine.prediction.video import VideoWriter

    dataset = SceneClassification(30, size=(48, 64))
    with VideoWriter(tmp_path / "film.mp4") as film:
        for index in range(6):
            film.write(dataset[index].image)
    write_image(tmp_path / "one.png", dataset[7].image)
    sources = [str(tmp_path / "one.png"), str(photos / "test" / "*" / "*1.png"), str(tmp_path / "film.mp4")]
    main(["predict", str(run.folder), *sources, "--out", "predictions"])
    page = json.loads((tmp_path / "predictions" / "predictions.json").read_text())
    films = [row for row in page["predictions"] if row["source"].endswith("film.mp4")]
    assert [row["frame"] for row in films] == list(range(6))
    for row in page["predictions"]:
        assert (tmp_path / "predictions" / row["drawn"]).is_file()
        assert row["class_name"] in run.class_names
        assert 0 <= row["score"] <= 1
    assert page["predictions"][0]["height"] == 48
    assert f"{len(page['predictions'])} predictions in predictions" in capsys.readouterr().out


def test_transfer_prints_what_matched_and_trains_the_head_alone(run, photos, tmp_path, capsys):
    from zorki.weights import read_weights

    main(["train", "cifar_resnet20", str(photos), "--weights", str(run.folder), "--freeze", "backbone", "--epochs", "1",
          "--batch-size", "16", "--workers", "0", "--out", "runs"])  # fmt: skip
    out = capsys.readouterr().out
    assert "tensors match" in out
    before = read_weights(run.folder / "best.safetensors").tensors
    after = read_weights(tmp_path / "runs" / "cifar_resnet20-1" / "best.safetensors").tensors
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith(("backbone", "normalize")))
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("head"))


def test_the_same_seed_gives_the_same_numbers(tmp_path):
    settings = {"epochs": 1, "batch_size": 16, "quiet": True, "cutout": 0.3, "cutmix": 1.0}
    first = zorki.train("lenet5", "scenes:60@32", out=str(tmp_path / "a"), workers=0, **settings)
    second = zorki.train("lenet5", "scenes:60@32", out=str(tmp_path / "b"), workers=2, **settings)
    other = zorki.train("lenet5", "scenes:60@32", out=str(tmp_path / "c"), workers=0, **settings, seed=1)
    assert first.results == second.results
    assert first.results != other.results


def test_show_writes_under_runs_and_over_nothing(capsys):
    for number in (1, 2):
        main(["show", "scenes:30@32", "--images", "2"])
        assert f"sheet: runs/show-{number}/sheet.png" in capsys.readouterr().out
        assert Path(f"runs/show-{number}/sheet.png").is_file()
    with pytest.raises(SystemExit):
        main(["show", "scenes:30@32", "--images", "2", "--out", "runs/show-1/sheet.png"])
    assert "runs/show-1/sheet.png: is there already" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["runs"]


def test_show_lists_counts_and_draws_a_sheet(photos, tmp_path, capsys):
    main(["show", str(photos), "--out", "sheet.png", "--json", "facts.json"])
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["format"] == "class_folders"
    assert sum(row["count"] for row in facts["classes"] if row["split"] == "train") == facts["splits"][0]["images"]
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    assert "disc" in capsys.readouterr().out


def test_two_processes_train_as_one(photos, tmp_path):
    """Two processes on the CPU, as two GPUs would be: both learn, metrics are merged, one folder is written."""
    words = ["train", "lenet5", str(photos), "--epochs", "1", "--devices", "2", "--batch-size", "20", "--workers", "0",
             "--device", "cpu", "--out", str(tmp_path / "runs")]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "zorki", *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["lenet5-1"]
    results = json.loads((tmp_path / "runs" / "lenet5-1" / "results.json").read_text())
    rows = (tmp_path / "runs" / "lenet5-1" / "epochs.csv").read_text().splitlines()
    assert results["test"]["count"] == 45
    assert len(rows) == 2


def test_nothing_is_trained_where_the_loss_is_no_number(photos, capsys):
    words = "--image-size 32 --lr 1e30 --clip-grad off --epochs 1 --workers 0 --options.hidden 64"
    words += " --precision 32 --log-every 1"
    with pytest.raises(SystemExit) as end:
        main(["train", "vgg11", str(photos), *words.split()])
    assert end.value.code == 2
    assert "Lower --lr" in capsys.readouterr().err

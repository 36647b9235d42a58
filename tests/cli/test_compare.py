"""Runs side by side, from the command line."""

import json
import subprocess
import types
from pathlib import Path
from xml.etree import ElementTree

import forked
import pytest

from zorki.cli import bench, main
from zorki.engine.comparison import compare


@pytest.fixture(autouse=True)
def _without_imports(monkeypatch):
    """Each run is trained and measured in a process of its own, as ever, which need not import all anew."""
    for module in (bench, compare):
        monkeypatch.setattr(module, "subprocess", types.SimpleNamespace(run=forked.run_command))


SHORT = ["--epochs", "1", "--limit", "32", "--workers", "0"]


def test_models_are_trained_and_compared_and_not_trained_twice(capsys, monkeypatch):
    words = ["bench", "classification", "scenes:60@32", "--models", "lenet5,cifar_resnet20", "--out", "b", *SHORT]
    main(words)
    printed = capsys.readouterr().out
    comparison = json.loads(Path("b/compare-1/comparison.json").read_text())
    compared = [run for recipe in comparison["recipes"] for run in recipe["runs"]]
    assert {one["model"] for one in compared} == {one["name"] for one in comparison["recipes"]}
    assert {one["model"] for one in compared} == {"lenet5", "cifar_resnet20"}
    assert compared[0]["metrics"]["top1"] >= compared[1]["metrics"]["top1"]
    (difference,) = comparison["differences"]
    assert difference["verdict"]["word"] == "too few seeds"
    assert [field["name"] for field in difference["fields"] if field["typed"]] == ["model"]
    assert difference["warning"] == ""
    for one in compared:
        assert one["images_per_second"] > 0
        assert one["train_seconds"] > 0
        assert 2**20 < one["peak_memory"] < 2**36
        assert one["epochs"] == 1
    table = Path("b/compare-1/comparison.md").read_text()
    assert table in printed
    assert "images/s" in table
    assert "<svg" in Path("b/compare-1/comparison.html").read_text()
    drawn = ElementTree.parse("b/compare-1/comparison.svg").getroot()
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg", "an image by itself, which browsers know by its name space"
    assert "background" in drawn.attrib["style"]
    before = Path("b/lenet5/best.safetensors").stat().st_mtime_ns
    measured = {one["run"]: {**one, "images": "", "replicates": {}, "replicates_missing": ""} for one in compared}
    with monkeypatch.context() as patch:
        patch.setattr(compare, "_measured", lambda folder, settings: measured[str(folder)])
        main(words)
    assert "trained already" in capsys.readouterr().out
    assert Path("b/compare-2/comparison.md").is_file(), "nothing is written over anything"
    assert Path("b/lenet5/best.safetensors").stat().st_mtime_ns == before
    main(["compare", "b/lenet5", "b/cifar_resnet20", "--seconds", "0.2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["monitor", "recipes", "differences", "images_missing", "repeats"]
    assert found["images_missing"] == "9 images are too few to draw from"
    assert list(found["recipes"][0]) == ["name", "runs", "metrics", "deviations"]
    assert list(found["recipes"][0]["runs"][0]) == [
        "run", "model", "seed", "split", "count", "metrics", "images_per_second", "train_seconds", "parameters",
        "peak_memory", "train_memory", "epochs", "device", "threads",
    ]  # fmt: skip
    monkeypatch.setattr(compare, "subprocess", subprocess)  # once in a process that starts from nothing
    main(["compare", "b/lenet5", "--seconds", "0.2", "--json"])
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["recipes"]] == ["lenet5"]
    assert "dashed" not in Path("runs/compare-2/comparison.html").read_text(), "one run has no line to be beaten by"
    assert sorted(path.name for path in Path().iterdir()) == ["b", "runs"]


def test_bad_input_ends_with_one_message(capsys):
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    for words, message in (
        (["bench", "classification", "scenes:60@32", "--models", "lenet6"], "lenet5"),
        (["bench", "klassification", "scenes:60@32", "--models", "lenet5"], "classification"),
        (["bench", "classification", "scenes:60@32", "--models", "lenet5", "--name", "x"], "--out"),
        (["compare", "nowhere", "neither"], "neither: no such run, and no such data"),
        (["compare", "nowhere", "."], "nowhere"),
        (["compare", "nowhere", "--out", "full"], "holds files already"),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
        assert message in capsys.readouterr().err


def test_a_run_of_other_settings_is_not_compared(capsys, monkeypatch):
    facts = {"images_per_second": 1.0, "peak_memory": 2**20, "device": "cpu", "threads": 1}
    found = {"model": "lenet5", "split": "test", "count": 9, "metrics": {"top1": 0.5}, "parameters": 5, **facts}
    words = ["bench", "classification", "scenes:60@32", "--models", "lenet5", "--out", "b", *SHORT]
    with monkeypatch.context() as patch:
        patch.setattr(compare, "_measured", lambda folder, settings: found)
        main(words)
    for other in ([*words, "--lr", "0.5"], [word.replace(":60", ":61") for word in words]):
        with pytest.raises(SystemExit) as end:
            main(other)
        assert end.value.code == 2
        assert "differs in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare", "b/lenet5", "--split", "training"])
    assert "no split 'training'" in capsys.readouterr().err

"""Runs that differ in the seed alone, from the command line."""

import json
from pathlib import Path

import pytest

from zorki.cli import main
from zorki.engine import seeds
from zorki.engine.seeds import resume_seeds, train_seeds
from zorki.errors import RecipeError, WeightsError

DATA = "scenes:40@32"
SHORT = ["--epochs", "1", "--batch-size", "16", "--workers", "0", "--lr", "0.01"]


def test_runs_are_made_and_finished_ones_are_not_made_again(capsys, monkeypatch):
    monkeypatch.setattr("zorki.engine.run.report.page", lambda *words, **more: "")  # which takes most of the time
    main(["train", "lenet5", DATA, "--seeds", "2", "--seed", "3", *SHORT])
    printed = capsys.readouterr().out
    folder = Path("runs/lenet5-seeds-1")
    assert sorted(path.name for path in folder.iterdir()) == ["seed-3", "seed-4", "seeds.json"]
    assert "of 2 seeds" in printed
    abouts = [json.loads((folder / name / "run.json").read_text()) for name in ("seed-3", "seed-4")]
    assert [about["recipe"]["seed"] for about in abouts] == [3, 4]
    assert all(about["recipe"]["lr"] == 0.01 for about in abouts)
    weights = [(folder / name / "best.safetensors").read_bytes() for name in ("seed-3", "seed-4")]
    assert weights[0] != weights[1]
    begun = []
    monkeypatch.setattr(seeds, "train", lambda *words, **settings: begun.append(settings))
    monkeypatch.setattr(seeds, "resume", lambda place, quiet: begun.append(place.name))
    (folder / "seed-4/results.json").unlink()
    main(["train", "--resume", str(folder), "--seeds", "3"])
    assert "seed 3: is trained already" in capsys.readouterr().out
    assert begun[0] == "seed-4"
    assert (begun[1]["seed"], begun[1]["name"], begun[1]["epochs"], begun[1]["quiet"]) == (5, "seed-5", "1", False)
    with pytest.raises(RecipeError, match="has 3 runs already"):
        resume_seeds(folder, 2)


def test_bad_input_leaves_nothing(capsys):
    for words, message in (
        (["lenet5", DATA, "--seeds", "1"], "at least 2"),
        ([DATA, "--seeds", "3"], "name of a model"),
        (["lenet6", DATA, "--seeds", "3"], "lenet5"),
        (["lenet5", DATA, "--seeds", "3", "--devices", "2", "--device", "cpu"], "take one each"),
        (["lenet5", "nowhere", "--seeds", "3"], "nowhere"),
        (["lenet5", DATA, "--seeds", "3", "--folds", "group"], "say one of them"),
        (["--resume", "nowhere", "--seeds", "3"], "nowhere"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["train", *words])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_a_broken_list_of_seeds_is_told(tmp_path):
    (tmp_path / "seeds.json").write_text('{"model": "lenet5"}')
    with pytest.raises(WeightsError, match="expected model, data, seeds"):
        resume_seeds(tmp_path)
    (tmp_path / "seeds.json").write_text("{")
    with pytest.raises(WeightsError, match=r"seeds\.json"):
        resume_seeds(tmp_path)


def test_settings_are_checked_before_anything_is_made(tmp_path):
    with pytest.raises(RecipeError, match="lr is"):
        train_seeds("lenet5", DATA, 2, lr=-1, out=str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()

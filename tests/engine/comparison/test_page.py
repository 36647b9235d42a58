"""What a comparison looks like on paper, and what it says of runs that cannot be compared."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from zorki.engine.comparison import compare as comparing
from zorki.engine.comparison.compare import ComparedRecipe, ComparedRun, Comparison, Difference, all_runs, compare
from zorki.engine.comparison.page import markdown, remarks, write_comparison
from zorki.engine.comparison.recipes import FieldDifference
from zorki.engine.comparison.verdict import Scores, verdict
from zorki.errors import DataError


def run(name, score, seed=0, speed=35.96):
    metrics = {"top1": score, "top5": 0.9}
    return ComparedRun(
        f"runs/{name}", "lenet5", seed, "test", 9, metrics, speed, 3.2, 61706, 2**28, 2**29, 1, "cpu", 1
    )  # fmt: skip


def recipe(name, scores):
    runs = [run(f"{name}-{seed}", score, seed, 36.0 if seed == 0 else None) for seed, score in enumerate(scores)]
    deviations = {"top1": float(np.std(scores, ddof=1))} if len(scores) > 1 else {}
    return ComparedRecipe(name, runs, {"top1": float(np.mean(scores)), "top5": 0.9}, deviations)


def made(first, second, *fields):
    recipes = [recipe("lenet5 lr=0.1", second), recipe("lenet5 lr=0.05", first)]
    found = verdict(Scores(tuple(first)), Scores(tuple(second)))
    difference = Difference(recipes[0].name, recipes[1].name, list(fields), found)
    return Comparison("top1", ("top1", "top5"), recipes, [difference], "the metric is slow")


LR = FieldDifference("lr", 0.05, 0.1, True)
LOW, HIGH = [0.50, 0.51, 0.49, 0.5, 0.505], [0.60, 0.61, 0.59, 0.6, 0.605]


def test_a_single_run_has_a_row_and_no_verdict():
    one = Comparison("top1", ("top1",), [recipe("lenet5", [0.51234])], [], "")
    assert markdown(one).splitlines() == [
        "| recipe | top1 | images/s | training [min] | epochs | parameters [M] | predicting [MiB] | training [MiB] |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        "| lenet5 | 0.512 | 36.0 | 0.05 | 1 | 0.06 | 256 | 512 |",
    ]


def test_recipes_have_deviations_and_a_verdict():
    lines = markdown(made(LOW, HIGH, LR)).splitlines()
    assert "| recipe | top1 | top1 deviation | seeds | top5 |" in lines[0]
    assert lines[2].startswith("| lenet5 lr=0.1 | 0.601 | 0.0074 | 5 | 0.900 |")
    assert "| lenet5 lr=0.1 | lenet5 lr=0.05 | better | +0.1000 | +0.0892 to +0.1108 | lr 0.05 -> 0.1 |" in lines
    assert lines[-1] == "other test images are not counted: the metric is slow"


def test_what_changed_with_something_else_is_warned_of():
    chosen = FieldDifference("weight_decay", 0.0, 0.1, False)
    assert made(LOW, HIGH, LR, chosen).differences[0].warning == ""
    mixup = FieldDifference("mixup", 0.0, 0.2, True)
    both = made(LOW, HIGH, LR, mixup, chosen)
    assert "differ in 2 settings (lr, mixup)" in both.differences[0].warning
    assert "lr 0.05 -> 0.1; mixup 0 -> 0.2 (1 more follow)" in markdown(both)
    assert any("zorki train --seeds 5" in line for line in remarks(made(LOW[:1], HIGH[:1], LR)))


@pytest.fixture
def logged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for one in (*LOW, *HIGH):
        for name in ("lenet5 lr=0.1", "lenet5 lr=0.05"):
            for seed in range(5):
                folder = Path(f"runs/{name}-{seed}")
                folder.mkdir(parents=True, exist_ok=True)
                folder.joinpath("epochs.csv").write_text(
                    f"epoch,step,train/loss,val/top1\n0,9,1.{seed},0.4\n1,18,0.{seed},{one}\n"
                )


def test_all_files_are_written(logged, tmp_path):
    page = write_comparison(made(LOW, HIGH, LR), tmp_path / "out", title="Comparison").read_text()
    for words in ("better", "Validation", "Training loss", "difference of top1", "lr 0.05 -&gt; 0.1"):
        assert words in page
    rows = list(csv.DictReader((tmp_path / "out/comparison.csv").read_text().splitlines()))
    assert [(row["recipe"], row["seed"], row["top1"]) for row in rows[:2]] == [
        ("lenet5 lr=0.1", "0", "0.6"), ("lenet5 lr=0.1", "1", "0.61"),
    ]  # fmt: skip
    found = json.loads((tmp_path / "out/comparison.json").read_text())
    assert found["differences"][0]["verdict"]["word"] == "better"
    assert found["recipes"][0]["deviations"]["top1"] == pytest.approx(0.00742, rel=1e-2)


def a_run(folder, **recipe):
    folder.mkdir(parents=True)
    about = {"model": "lenet5", "task": "classification", "class_names": ["a", "b"], "recipe": recipe, "data": "x"}
    (folder / "run.json").write_text(json.dumps(about))


def test_folders_of_runs_are_all_of_their_runs(tmp_path):
    for seed in (0, 2, 10):
        a_run(tmp_path / f"seeds/seed-{seed}", seed=seed)
    a_run(tmp_path / "one")
    found = [path.name for path in all_runs([tmp_path / "seeds", tmp_path / "one", tmp_path / "seeds/seed-2"])]
    assert found == ["seed-0", "seed-2", "seed-10", "one"]


def test_recipes_are_measured_and_held_against_the_first(tmp_path, monkeypatch):
    scores = {
        f"{name}-{seed}": value for name, values in (("a", LOW), ("b", HIGH)) for seed, value in enumerate(values)
    }
    for name in scores:
        a_run(tmp_path / name, seed=int(name[-1]), lr=0.1 if name[0] == "b" else 0.05)
    seconds = []

    def measured(folder, settings):
        seconds.append(settings["seconds"])
        drawn = {"top1": [scores[folder.name] + 0.001 * step for step in range(50)]}
        return {
            "model": "lenet5", "split": "test", "count": 9, "metrics": {"top1": scores[folder.name]}, "parameters": 5,
            "images_per_second": 5.0, "peak_memory": 2**20, "device": "cpu", "threads": 1, "images": "same",
            "replicates": drawn, "replicates_missing": "",
        }  # fmt: skip

    monkeypatch.setattr(comparing, "_measured", measured)
    found = compare(sorted(tmp_path.iterdir()), quiet=True, seconds=7.0)
    assert seconds == [7.0, 0, 0, 0, 0] * 2, "one run of each recipe is timed"
    assert [one.name for one in found.recipes] == ["lenet5 lr=0.1", "lenet5 lr=0.05"], "best first"
    (difference,) = found.differences
    assert (difference.against, difference.verdict.word) == ("lenet5 lr=0.05", "better")
    assert difference.verdict.image_error == pytest.approx(0.0, abs=1e-9), "images move both alike"

    a_run(tmp_path / "a-9", seed=0, lr=0.05)
    again = compare(sorted(tmp_path.iterdir()), quiet=True)
    assert [len(one.runs) for one in again.recipes] == [5, 5], "the same recipe and seed is the same run"
    assert again.repeats == remarks(again)

    def elsewhere(folder, settings):
        return {**measured(folder, settings), "images": "same" if folder.name == "a-0" else "others"}

    monkeypatch.setattr(comparing, "_measured", elsewhere)
    with pytest.raises(DataError, match="different images or annotations"):
        compare(sorted(tmp_path.iterdir()), quiet=True)

"""A time to train in: epochs are chosen by timed steps that leave no trace, and training stops when it is over."""

import itertools
import json
from types import SimpleNamespace

import pytest
import torch

from zorki.engine.training import duration, loop, time_trial
from zorki.engine.training.duration import Workload
from zorki.engine.training.loop import Interrupted
from zorki.engine.training.plan import new_plan
from zorki.engine.training.train import resume, train
from zorki.errors import RecipeError
from zorki.recipe import Recipe

DATA = "scenes:40@32"
SETTINGS = {
    "batch_size": 8, "workers": 0, "normalize": "mean_std", "hflip": 0.5, "quiet": True,
    "memory_format": "channels_last",  # said, so that no probe of speed decides between runs that are compared
}  # fmt: skip


def epochs_of(run):
    return len((run.folder / "epochs.csv").read_text().splitlines()) - 1


@pytest.mark.parametrize(
    ("said", "seconds"), [("10m", 600), ("600", 600), (90, 90), ("1h30m", 5400), ("off", None), (None, None)]
)
def test_a_time_with_and_without_units(said, seconds):
    assert Recipe.of({"time": said}).time == seconds
    assert Recipe.of(Recipe.of({"max_time": said}).to_json()).time == seconds


@pytest.mark.parametrize("said", ["soon", "0s", "-5m", "", float("nan")])
def test_what_is_no_time_is_refused(said):
    with pytest.raises(RecipeError, match="time is"):
        Recipe.of({"time": said})


def test_epochs_that_fit_are_chosen_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(time_trial, "measure", lambda plan, workload: (0.6, 7.0))
    monkeypatch.setattr(time_trial.time, "monotonic", lambda: 5.0)
    words = []
    plan = new_plan("lenet5", DATA, None, {"time": "10m", "out": str(tmp_path)}, None, words.append)
    assert plan.recipe.epochs is None
    choice = time_trial.choose_epochs(plan, Workload(0, 60, 10, 20), words.append)  # 43 s an epoch, 14 s at the end
    assert str(choice) == "epochs = 13 (10 min at 0.6 s a step, measured)"
    assert not any("longer" in line for line in words)
    choice = time_trial.choose_epochs(plan, Workload(0, 2000, 10, 20), words.append)
    assert (choice.value, words[-1]) == (
        1, "one epoch takes about 20 min, longer than --time; it is trained all the same"
    )  # fmt: skip


def test_timed_steps_leave_a_training_as_it_is(tmp_path, monkeypatch):
    """Dropout, batch norm, flips and the order of the data: all as where the epochs were named."""
    monkeypatch.setattr(duration, "ENOUGH_SECONDS", 0.0)
    monkeypatch.setattr(Workload, "epochs_within", lambda self, seconds, step, evaluation: 2)
    named = train("resnet18", DATA, image_size=32, dropout=0.3, epochs=2, out=str(tmp_path / "a"), **SETTINGS)
    timed = train("resnet18", DATA, image_size=32, dropout=0.3, time="10m", out=str(tmp_path / "b"), **SETTINGS)
    for name, value in named.model.state_dict().items():
        assert torch.equal(value, timed.model.state_dict()[name]), name
    assert (named.folder / "steps.csv").read_text() == (timed.folder / "steps.csv").read_text()
    about = json.loads((timed.folder / "run.json").read_text())
    assert (about["recipe"]["epochs"], about["recipe"]["time"], about["choices"][-1]["name"]) == (2, 600, "epochs")


def test_training_stops_after_the_epoch_in_which_the_time_ends_and_goes_on_with_more(tmp_path, monkeypatch, capsys):
    clock = itertools.count(step=0.5)  # half a second passes at each look
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    run = train("lenet5", DATA, epochs=3, time=1, out=str(tmp_path), **{**SETTINGS, "quiet": False})
    assert epochs_of(run) == 1
    assert (run.folder / "results.json").exists()
    printed = capsys.readouterr().out
    assert "the time of 1 s is over: training stops before its 3 epochs; go on with: zorki train --resume" in printed
    assert epochs_of(resume(run.folder, quiet=True)) == 1  # the time used before counts
    assert epochs_of(resume(run.folder, time="off", quiet=True)) == 3


def test_epochs_that_are_taken_away_end_the_schedule_and_a_resumed_run_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setattr(time_trial, "measure", lambda plan, workload: (0.1, 0.0))
    monkeypatch.setattr(Workload, "epochs_within", lambda self, seconds, step, evaluation: 5)
    monkeypatch.setattr(duration.EpochBudget, "epochs", lambda self, done, *seconds: 3)
    out = str(tmp_path)
    whole = train("lenet5", DATA, time="10m", scheduler="cosine", out=out, name="whole", **SETTINGS)
    assert epochs_of(whole) == 3

    def stop(self, trainer):
        if self.seconds:  # not before the first epoch
            raise Interrupted("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(loop.Conductor, "_stop_in_time", stop)
        with pytest.raises(Interrupted):
            train("lenet5", DATA, time="10m", scheduler="cosine", out=out, name="parted", **SETTINGS)
    monkeypatch.setattr(loop.Conductor, "_keep_to_time", lambda self, *values: None)
    parted = resume(tmp_path / "parted", quiet=True)
    assert epochs_of(parted) == 3
    rows = [(run.folder / "epochs.csv").read_text().splitlines() for run in (whole, parted)]
    place = rows[0][0].split(",").index("lr")
    assert [row.split(",")[place] for row in rows[0]] == [row.split(",")[place] for row in rows[1]]
    assert float(rows[0][-1].split(",")[place]) < 0.2 * float(rows[0][1].split(",")[place])

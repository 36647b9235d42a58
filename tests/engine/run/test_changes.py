import json
import os

import pytest
import torch

from zorki.engine.run import logs
from zorki.engine.run.changes import changed, last_run
from zorki.engine.training.train import resume, train
from zorki.errors import RecipeError, WeightsError

ABOUT = {"recipe": {"epochs": 2, "lr": 0.1, "workers": 0, "scheduler": "cosine"}, "explicit": {"lr": 0.1}}


def test_epochs_and_the_machine_may_change():
    about, told = changed(ABOUT, {"epochs": 5, "num_workers": 0})
    assert about["recipe"] == {**ABOUT["recipe"], "epochs": 5}
    assert about["explicit"] == {"lr": 0.1, "epochs": 5, "workers": 0}
    assert told == ["epochs: 2 -> 5", "the cosine schedule now spans 5 epochs"]
    assert changed(ABOUT, {}) == (ABOUT, [])


def test_another_machine_is_told():
    about = {**ABOUT, "recipe": {**ABOUT["recipe"], "device": "cpu", "devices": 1, "batch_size": 32}}
    found, told = changed(about, {"device": "1", "devices": "1", "batch": 16})
    assert (found["recipe"]["device"], found["recipe"]["devices"], found["recipe"]["batch_size"]) == ("cuda:1", "1", 16)
    assert told[:2] == ["device: cpu -> cuda:1", "batch_size: 32 -> 16"]
    assert told[2].startswith("with another device and batch_size, losses are no longer those")


def test_more_nodes_are_another_machine():
    about = {**ABOUT, "recipe": {**ABOUT["recipe"], "nodes": 1}}
    assert changed(about, {"nodes": 2})[1][0] == "nodes: 1 -> 2"


def test_what_changes_the_training_is_refused_by_name():
    with pytest.raises(RecipeError, match=r"--lr, --hflip: would change the training"):
        changed(ABOUT, {"rate": 0.2, "hflip": 0.5, "epochs": 3})


def test_a_finished_run_gets_more_epochs(tmp_path):
    settings = {"batch_size": 6, "workers": 0, "quiet": True, "out": str(tmp_path), "scheduler": "constant"}
    run = train("lenet5", "scenes:60@32", epochs=1, **settings)
    longer = resume(run.folder, quiet=True, epochs=3)
    rows = (longer.folder / "epochs.csv").read_text().splitlines()
    assert len(rows) == 1 + 3
    state = torch.load(run.folder / "last.ckpt", weights_only=True)
    state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
    torch.save(state, tmp_path / "within")
    steps = [row["step"] for row in logs.read(run.folder / logs.EPOCHS)]
    smaller = resume(run.folder, quiet=True, epochs=4, batch_size=3)
    told = [row["step"] for row in logs.read(smaller.folder / logs.EPOCHS)]
    assert told[:3] == steps
    assert told[3] - told[2] == 2 * (told[1] - told[0]), "twice as many steps an epoch"
    (tmp_path / "within").rename(run.folder / "last.ckpt")
    with pytest.raises(RecipeError, match="the run stopped within an epoch of batches of 3"):
        resume(run.folder, quiet=True, batch_size=6)
    assert json.loads((run.folder / "run.json").read_text())["recipe"]["epochs"] == 4


def test_last_is_the_newest_that_can_go_on(tmp_path):
    for age, name in enumerate(["new", "old"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        os.utime(tmp_path / name / "run.json", (1000 - age, 1000 - age))
    assert last_run(tmp_path).name == "new"
    (tmp_path / "new" / "results.json").write_text("{}")
    assert last_run(tmp_path).name == "old"
    assert last_run(tmp_path, finished=True).name == "new"
    with pytest.raises(WeightsError, match="expected a run to go on with"):
        last_run(tmp_path / "none")

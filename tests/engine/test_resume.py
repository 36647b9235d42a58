"""A run that is killed and resumed goes on as if nothing had happened, to the last bit."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from forked import Forked

from zorki.engine.run import logs
from zorki.engine.training.loop import Conductor, Interrupted
from zorki.engine.training.train import resume, train
from zorki.weights import read_weights

SETTINGS = {
    "epochs": 2, "batch_size": 8, "workers": 1, "log_every": 1, "checkpoint_steps": 5, "dropout": 0.3, "seed": 3,
    "hflip": 0.5, "mixup": 0.2, "ema": 0.9, "out": "runs", "image_size": 32,
}  # fmt: skip
MODEL, DATA = "squeezenet1_1", "scenes:120@32"


def flags(settings):
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def step_losses(folder):
    return {row["step"]: row["loss"] for row in logs.read(folder / logs.STEPS)}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken")
    return train(MODEL, DATA, quiet=True, **{**SETTINGS, "out": str(out)})


@pytest.mark.parametrize("steps_before", [7, 13])
def test_killed_within_an_epoch_and_resumed_gives_the_same_losses(unbroken, tmp_path, steps_before):
    process = Forked("zorki", "train", MODEL, DATA, *flags({**SETTINGS, "out": str(tmp_path)}))
    folder = tmp_path / f"{MODEL}-1"
    deadline = time.monotonic() + 120
    while len(logs.read(folder / logs.STEPS)) < steps_before:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(logs.read(folder / logs.STEPS))
    run = resume(folder, quiet=True)
    expected = step_losses(unbroken.folder)
    assert len(expected) == 20
    assert done < 20
    assert step_losses(folder) == expected
    assert run.results == unbroken.results


@pytest.mark.parametrize(
    "settings",
    [
        {"freeze": "-1"},  # frozen batch norm must stay frozen in the rest of the epoch
        {
            "grad_accum": 2,
            "scheduler": "plateau",
            "class_balanced": True,
            "cutmix": 1.0,
            "mixup": 0.0,
            "optimizer": "adamw",
        },
    ],
)
def test_stopped_within_an_epoch_and_resumed_gives_the_same_losses(tmp_path, monkeypatch, settings):
    wanted = {**SETTINGS, "dropout": 0.2, "quiet": True, "workers": 0, **settings}
    unbroken = train("cifar_resnet20", "scenes:120@32", **{**wanted, "out": str(tmp_path / "a")})
    real = Conductor._asked_to_stop
    monkeypatch.setattr(Conductor, "_asked_to_stop", lambda self, trainer, done: done == 4)
    with pytest.raises(Interrupted):
        train("cifar_resnet20", "scenes:120@32", **{**wanted, "out": str(tmp_path / "b")})
    monkeypatch.setattr(Conductor, "_asked_to_stop", real)
    folder = tmp_path / "b" / "cifar_resnet20-1"
    assert 0 < len(step_losses(folder)) < 10
    run = resume(folder, quiet=True)
    assert step_losses(folder) == step_losses(unbroken.folder)
    assert run.results == unbroken.results
    a, b = (read_weights(r.folder / "best.safetensors").tensors for r in (unbroken, run))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    run = train("lenet5", "scenes:60@32", epochs=9, lr=1e-9, patience=2, workers=0, quiet=True, out=str(tmp_path))
    before = (run.folder / logs.EPOCHS).read_text()
    resume(run.folder, quiet=True)
    assert (run.folder / logs.EPOCHS).read_text() == before


def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(tmp_path):
    settings = {**SETTINGS, "epochs": 50, "out": str(tmp_path), "workers": 0, "checkpoint_steps": 10_000}
    process = Forked("zorki", "train", MODEL, DATA, *flags(settings))
    folder = tmp_path / f"{MODEL}-1"
    deadline = time.monotonic() + 120
    while len(logs.read(folder / logs.STEPS)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert f"zorki train --resume {folder}" in err
    assert "Traceback" not in err
    assert (folder / "last.ckpt").exists()
    assert json.loads((folder / "run.json").read_text())["recipe"]["seed"] == 3
    assert not list(Path(folder).glob("*.part"))


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(tmp_path):
    wanted = {"epochs": 1, "batch_size": 8, "workers": 0, "log_every": 1, "quiet": True}
    run = train("lenet5", "scenes:40@32", **wanted, out=str(tmp_path))
    before = step_losses(run.folder)
    (run.folder / "last.ckpt").unlink()
    again = resume(run.folder, quiet=True)
    assert step_losses(again.folder) == before
    steps = [row["step"] for row in logs.read(again.folder / logs.STEPS)]
    assert steps == list(range(1, len(before) + 1)), "no row of what was killed stays"


def test_data_are_known_by_what_is_learned_of_them():
    """Masks too, whose pixels as words would take longer than training."""
    from zorki.types import Boxes, Label, Mask

    assert Label(3).mark() == "{'index': 3}"
    row = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    assert Boxes(row, torch.tensor([1])).mark() == Boxes(row, torch.tensor([1]), areas=torch.tensor([3.0])).mark()
    masks = [torch.tensor([[0, 1, 2]]), torch.tensor([[0], [1], [2]]), torch.tensor([[0, 1, 3]])]
    marks = {Mask(one).mark() for one in masks} | {Mask(masks[0], ignore=2).mark()}
    assert len(marks) == 4
    assert Mask(masks[0].to(torch.uint8)).mark() == Mask(masks[0]).mark(), "the kind of number is nothing to learn"
    assert max(len(mark) for mark in marks) < 100


FORMER = {"normalize": "normalise", "optimizer": "optimiser", "lr": "rate", "ema": "average", "image_size": "size"}


def as_earlier_versions_wrote_it(folder):
    """Other names of fields and of tensors, and a size that was read off the first training image."""
    about = json.loads((folder / "run.json").read_text())
    about["recipe"] = {FORMER.get(name, name): value for name, value in about["recipe"].items()} | {"size": 96}
    (folder / "run.json").write_text(json.dumps(about))
    state = torch.load(folder / "last.ckpt", weights_only=True)

    def renamed(tensors):
        return {".".join(FORMER.get(part, part) for part in name.split(".")): tensors[name] for name in tensors}

    state["state_dict"] = renamed(state["state_dict"])
    assert "model.normalise.mean" in state["state_dict"]
    (conductor,) = [value for value in state["callbacks"].values() if "average" in value]
    conductor["average"] = renamed(conductor["average"])
    torch.save(state, folder / "last.ckpt")


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    """A run on upright images with no size said, whole and stopped within its first epoch."""
    wanted = {"epochs": 2, "batch_size": 4, "workers": 0, "log_every": 1, "ema": 0.9, "quiet": True}
    wanted |= {"options": {"width": "4"}, "optimizer": "adamw"}
    out = tmp_path_factory.mktemp("upright")
    whole = train("unet", "scenes:12@96x64", **wanted, out=str(out), name="whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conductor, "_asked_to_stop", lambda self, trainer, done: done == 1)
        with pytest.raises(Interrupted):
            train("unet", "scenes:12@96x64", **wanted, out=str(out), name="stopped")
    return whole, out / "stopped"


@pytest.mark.parametrize("version", ["this", "earlier"])
def test_a_run_on_upright_images_with_no_size_said_goes_on_as_it_was_trained(upright, tmp_path, version):
    whole, stopped = upright
    folder = shutil.copytree(stopped, tmp_path / "run")
    assert len(step_losses(folder)) == 1
    if version == "earlier":
        as_earlier_versions_wrote_it(folder)
    run = resume(folder, quiet=True)
    assert run.model.preprocess.size == 256
    assert step_losses(folder) == step_losses(whole.folder)
    assert run.results == whole.results

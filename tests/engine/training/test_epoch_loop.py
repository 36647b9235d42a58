"""The short loop trains as Lightning's own does, to the last bit, and counts alike."""

import sys

import pytest
import torch
from lightning.pytorch.loops import training_epoch_loop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

from zorki.engine.run import logs
from zorki.engine.training import epoch_loop
from zorki.engine.training.loop import make_trainer
from zorki.engine.training.train import train
from zorki.errors import ZorkiError
from zorki.recipe import Recipe
from zorki.tasks.classification.classifier import Classifier
from zorki.weights import read_weights


@pytest.mark.parametrize("settings", [{"grad_accum": 3, "clip_grad": 0.5}, {"precision": "bf16", "mixup": 0.2}])
def test_as_lightnings_own(tmp_path, monkeypatch, settings):
    wanted = {"epochs": 2, "batch_size": 8, "limit": 60, "workers": 0, "log_every": 1, "ema": 0.9, "quiet": True}
    short = train("lenet5", "scenes:120@32", **wanted, **settings, out=str(tmp_path / "a"))
    monkeypatch.setattr(epoch_loop, "EpochLoop", _TrainingEpochLoop)
    long = train("lenet5", "scenes:120@32", **wanted, **settings, out=str(tmp_path / "b"))
    rows, expected = (logs.read(run.folder / logs.STEPS) for run in (short, long))
    assert len(rows) == 2 * 7
    assert rows == expected
    assert short.results == long.results
    a, b = (read_weights(run.folder / "best.safetensors").tensors for run in (short, long))
    assert all(torch.equal(a[name], b[name]) for name in b)
    one, other = (torch.load(run.folder / "last.ckpt", weights_only=True) for run in (short, long))
    assert one["loops"]["fit_loop"] == other["loops"]["fit_loop"]
    assert (one["global_step"], one["epoch"]) == (other["global_step"], other["epoch"])


def trainer_and_words(tmp_path):
    words = []
    recipe = Recipe(device="cpu", epochs=1)
    return make_trainer(recipe, [], [], tmp_path, words.append), words


def test_the_short_loop_is_used_with_the_lightning_of_today(tmp_path):
    trainer, words = trainer_and_words(tmp_path)
    assert type(trainer.fit_loop.epoch_loop) is epoch_loop.EpochLoop
    assert words == []


def test_lightnings_own_loop_serves_where_what_is_used_of_it_is_gone(tmp_path, monkeypatch):
    monkeypatch.delattr(_TrainingEpochLoop, "_should_accumulate")
    trainer, words = trainer_and_words(tmp_path)
    assert type(trainer.fit_loop.epoch_loop) is _TrainingEpochLoop
    assert len(words) == 1
    assert "_should_accumulate" in words[0]


def test_lightnings_own_loop_serves_where_its_class_is_gone(tmp_path, monkeypatch):
    monkeypatch.delattr(training_epoch_loop, "_TrainingEpochLoop")
    monkeypatch.delitem(sys.modules, epoch_loop.__name__)
    monkeypatch.delattr("zorki.engine.training.epoch_loop")
    trainer, words = trainer_and_words(tmp_path)
    assert type(trainer.fit_loop.epoch_loop) is _TrainingEpochLoop
    assert len(words) == 1
    assert "_TrainingEpochLoop" in words[0]


def limit_memory(monkeypatch, most):
    """Classifiers that run out of memory with more images than that."""
    loss, seen = Classifier.loss, []

    def limited(model, outputs, targets):
        if model.training:
            seen.append(len(targets))
            if len(targets) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return loss(model, outputs, targets)

    monkeypatch.setattr(Classifier, "loss", limited)
    return seen


def test_a_batch_too_large_for_memory_is_learned_in_halves(tmp_path, monkeypatch, capsys):
    """As if its gradients had been those of the whole."""
    wanted = {"epochs": 1, "batch_size": 8, "limit": 40, "workers": 0, "log_every": 1, "precision": "32"}
    whole = train("lenet5", "scenes:120@32", **wanted, quiet=True, out=str(tmp_path / "a"))
    seen = limit_memory(monkeypatch, 4)
    capsys.readouterr()
    halves = train("lenet5", "scenes:120@32", **wanted, out=str(tmp_path / "b"))
    assert seen == [8, *[4, 4] * 5]
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("out of memory with 8 images at once") == 1
    assert "--batch-size of 4 with --grad-accum 2" in told
    rows, expected = (logs.read(run.folder / logs.STEPS) for run in (halves, whole))
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in expected], rel=1e-4)
    a, b = (read_weights(run.folder / "best.safetensors").tensors for run in (halves, whole))
    assert all(torch.allclose(a[name], b[name], atol=1e-5) for name in b)


@pytest.mark.parametrize(
    ("most", "batch", "message"), [(1, 8, "also with half of a batch of 8"), (0, 1, "single image")]
)
def test_where_halves_do_not_fit_either_it_is_told(tmp_path, monkeypatch, most, batch, message):
    limit_memory(monkeypatch, most)
    with pytest.raises(ZorkiError, match=message):
        train("lenet5", "scenes:60@32", epochs=1, batch_size=batch, limit=16, workers=0, quiet=True, out=str(tmp_path))


def test_lightnings_own_step_names_the_setting_that_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(epoch_loop, "EpochLoop", _TrainingEpochLoop)
    limit_memory(monkeypatch, 4)
    with pytest.raises(ZorkiError, match="Take --batch-size 4 and --grad-accum 2"):
        train("lenet5", "scenes:60@32", epochs=1, batch_size=8, limit=16, workers=0, quiet=True, out=str(tmp_path))

"""The short loop trains as Lightning's own does, to the last bit, and counts alike."""

import pytest
import torch
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

from zorki.engine.run import logs
from zorki.engine.training import loop
from zorki.engine.training.train import train
from zorki.weights import read_weights


@pytest.mark.parametrize("settings", [{"grad_accum": 3, "clip_grad": 0.5}, {"precision": "bf16", "mixup": 0.2}])
def test_as_lightnings_own(tmp_path, monkeypatch, settings):
    wanted = {"epochs": 2, "batch_size": 8, "limit": 60, "workers": 0, "log_every": 1, "ema": 0.9, "quiet": True}
    short = train("lenet5", "scenes:120@32", **wanted, **settings, out=str(tmp_path / "a"))
    monkeypatch.setattr(loop, "EpochLoop", _TrainingEpochLoop)
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

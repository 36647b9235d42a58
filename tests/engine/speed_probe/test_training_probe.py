"""A probe before training chooses how a network is computed, and nothing else."""

import pytest
import torch

from zorki.engine.device import laid_out, on_device
from zorki.engine.run.open import load
from zorki.engine.speed_probe import training_probe
from zorki.engine.speed_probe.ways import Way
from zorki.engine.training.plan import new_plan
from zorki.engine.training.train import train

DATA = "scenes:30@32"
SETTINGS = {"epochs": 1, "batch_size": 8, "workers": 0, "device": "cpu", "lr": 0.01, "quiet": True, "image_size": 32}


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _contiguous_is_quick(monkeypatch):
    """Every step is taken, and the clock says that contiguous ones are quick."""

    def timed(steps):
        for step in steps.values():
            step()
        return {way: 1.0 if way.memory_format == "contiguous" else 2.0 for way in steps}

    monkeypatch.setattr(training_probe, "timed", timed)
    monkeypatch.setattr(training_probe, "WORTH", 0)


@pytest.fixture
def plan(tmp_path):
    settings = {**SETTINGS, "out": str(tmp_path)}
    del settings["quiet"]
    return lambda name="lenet5", **more: new_plan(name, DATA, None, {**settings, **more}, None, lambda text: None)


@pytest.mark.usefixtures("_contiguous_is_quick")
def test_a_run_is_the_same_whether_it_was_measured_or_said(tmp_path):
    runs = [
        train("lenet5", DATA, **SETTINGS, out=str(tmp_path), precision="32", **more)
        for more in ({}, {"memory_format": "contiguous"})
    ]
    measured, said = (load(run.folder) for run in runs)
    assert measured.recipe.memory_format == said.recipe.memory_format == "contiguous"
    weights, others = measured.model.state_dict(), said.model.state_dict()
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    computing = measured.about["environment"]["computing"]
    assert computing["inference"]["memory_format"] == measured.memory_format("cpu") == "contiguous"
    assert "computing" not in said.about["environment"]
    assert said.memory_format("cpu") is None
    computing["machine"]["processor"] = "another"
    assert measured.memory_format("cpu") is None


@pytest.mark.usefixtures("_contiguous_is_quick")
def test_it_is_told_and_leaves_chance_and_network_alone(plan):
    begun, words = plan(), []
    before = {name: value.clone() for name, value in begun.model.state_dict().items()}
    state = torch.get_rng_state()
    chosen = training_probe.with_fastest_way(begun, words.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in begun.model.state_dict().items())
    assert words[0].startswith("chosen: memory_format = contiguous (measured: 1,000 ms a step with contiguous")
    assert chosen.about["recipe"]["memory_format"] == "contiguous"
    assert [one["name"] for one in chosen.about["choices"]].count("precision") == 1


def test_what_was_said_and_short_trainings_are_not_measured(plan, monkeypatch):
    monkeypatch.setattr(training_probe, "timed", None)
    said = plan(memory_format="nchw")
    assert training_probe.with_fastest_way(said, print) is said
    words = []
    assert training_probe.with_fastest_way(plan(memory_format="auto"), words.append).recipe.memory_format
    assert words == [
        "chosen: memory_format = channels_last (usual for convolutions; a training this short is over before a probe "
        "pays)"
    ]


@pytest.mark.parametrize(("best", "open"), [(("bf16", "quick"), True), (("32", "slow"), False)])
def test_bf16_is_tried_only_where_the_device_is_quick_at_it(plan, monkeypatch, best, open):
    monkeypatch.setattr("zorki.engine.run.defaults.best_precision", lambda device: best)
    monkeypatch.setattr(training_probe, "best_precision", lambda device: best)
    monkeypatch.setattr(training_probe, "WORTH", 0)
    seen = []
    monkeypatch.setattr(training_probe, "timed", lambda steps: seen.extend(steps) or dict.fromkeys(steps, 1.0))
    chosen = training_probe.with_fastest_way(plan("cifar_resnet20"), print)
    assert any(way.precision == "bf16" for way in seen) == open
    assert seen[0] == Way("channels_last", "32", torch.get_num_threads())
    assert chosen.recipe.precision == "32"  # as quick: then what is more exact
    seen.clear()
    training_probe.with_fastest_way(plan("cifar_resnet20", precision="32", batch_size=4), print)
    assert all(way.precision == "32" for way in seen)


def test_inputs_are_laid_out_as_the_weights_are():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 4, 3))
    x = torch.zeros(2, 3, 8, 8)
    for layout, kind in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        assert laid_out(x, on_device(network, "cpu", layout)).is_contiguous(memory_format=kind)

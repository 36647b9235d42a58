"""Which devices are meant, by words and lists, and what Lightning and PyTorch are told of it. No GPU is needed."""

from types import SimpleNamespace

import lightning.pytorch as lightning
import pytest
import torch

from zorki.devices import count_or_indices
from zorki.engine.device import check_device
from zorki.engine.training.loop import make_trainer
from zorki.errors import RecipeError
from zorki.recipe import Recipe


@pytest.fixture
def three_gpus(monkeypatch):
    """And one of Apple's."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.fixture
def told(monkeypatch):
    """What the Trainer is made with."""
    found = {}
    monkeypatch.setattr(lightning.Trainer, "__init__", lambda self, **settings: found.update(settings))
    monkeypatch.setattr(lightning.Trainer, "fit_loop", SimpleNamespace(epoch_loop=None), raising=False)
    return found


@pytest.mark.parametrize(
    ("settings", "accelerator", "devices", "world", "main"),
    [
        ({"device": "cpu"}, "cpu", 1, 1, "cpu"),
        ({"device": "cpu", "devices": 2}, "cpu", 2, 2, "cpu"),
        ({"device": "cpu", "devices": "all"}, "cpu", 1, 1, "cpu"),
        ({"device": "mps"}, "mps", 1, 1, "mps"),
        ({"device": "cuda"}, "cuda", 1, 1, "cuda"),
        ({"device": "cuda:1"}, "cuda", [1], 1, "cuda:1"),
        ({"device": "2"}, "cuda", [2], 1, "cuda:2"),
        ({"device": 0}, "cuda", [0], 1, "cuda:0"),
        ({"device": "cuda", "devices": "2"}, "cuda", 2, 2, "cuda"),
        ({"device": "cuda", "devices": "all"}, "cuda", 3, 3, "cuda"),
        ({"device": "cuda", "devices": "1,2", "nodes": 2}, "cuda", [1, 2], 4, "cuda:1"),
        ({"device": "cuda", "devices": [0, 2]}, "cuda", [0, 2], 2, "cuda:0"),
        ({"device": "cuda", "devices": [1]}, "cuda", [1], 1, "cuda:1"),
    ],
)
def test_what_lightning_is_told(settings, accelerator, devices, world, main, three_gpus, told, tmp_path):
    recipe = Recipe.of({"epochs": 1, **settings})
    make_trainer(recipe, [], [], tmp_path)
    assert (told["accelerator"], told["devices"], told["num_nodes"]) == (accelerator, devices, recipe.nodes)
    assert told["strategy"] == ("ddp" if world > 1 else "auto")
    assert (recipe.accelerator, recipe.world, recipe.main_device) == (accelerator, world, main)
    assert check_device(recipe.device, recipe.devices) == recipe.device


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "gpu"}, r"device is 'gpu'; expected cpu, cuda, mps, or one of several GPUs: cuda:1, or 1 alone"),
        ({"device": "cpu:1"}, "device is 'cpu:1'"),
        ({"device": "cuda:x"}, "device is 'cuda:x'"),
        ({"devices": "0"}, r"devices is '0'; expected how many \(2\), all, or different GPUs"),
        ({"devices": "1,1"}, "devices is '1,1'"),
        ({"devices": "0,x"}, "devices is '0,x'"),
        ({"device": "cuda:1", "devices": "2"}, "device is cuda:1, which is one, but devices is 2"),
    ],
)
def test_what_no_device_is(settings, message):
    with pytest.raises(RecipeError, match=message):
        Recipe.of(settings)


@pytest.mark.parametrize(
    ("device", "devices", "message"),
    [
        ("cuda:3", "1", "no GPU here has the index 3; this computer has cuda:0 to cuda:2"),
        ("cuda", "0,4", "no GPU here has the index 4"),
        ("cuda", "4", "devices is 4, but this computer has 3 of cuda"),
        ("cpu", "0,1", "devices is 0,1, which are indices of GPUs, but device is cpu"),
    ],
)
def test_what_this_computer_does_not_have(device, devices, message, three_gpus):
    with pytest.raises(RecipeError, match=message):
        check_device(device, devices)


def test_a_computer_without_gpus_says_what_it_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(RecipeError, match="device is cuda:0, but PyTorch finds none here; it finds cpu"):
        check_device("0")


def test_the_best_device_where_none_is_said_and_numbers_as_they_are(monkeypatch, three_gpus):
    monkeypatch.setattr("zorki.engine.device.best_device", lambda: ("cuda", "the best"))
    assert [check_device(device) for device in (None, 0, 1, "cpu")] == ["cuda", "cuda:0", "cuda:1", "cpu"]


def test_runs_of_older_versions_count_devices():
    assert Recipe.of({"devices": 4}).devices == "4"
    assert count_or_indices("4") == 4

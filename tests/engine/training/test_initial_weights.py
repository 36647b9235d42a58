"""What a network knows before its first step, and what it will never learn."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from zorki import registry
from zorki.engine.training.initial_weights import initialize
from zorki.recipe import Recipe
from zorki.weights import save_weights


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """Weights of three classes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "classifier.safetensors"
    save_weights(path, registry.build("squeezenet1_1", 3, {"image_size": 32}), {})
    return str(path)


def lines_of(num_classes, recipe, name="localizer_squeezenet1_1", **options):
    dataset = registry.tasks()["localization"].data.read(Path("scenes:10@32"))
    network = registry.build(name, num_classes, {"image_size": 32, **options})
    lines: list[str] = []
    initialize(network, registry.find(name), recipe, dataset, [0], lines.append)
    return [line for line in lines if line.startswith("frozen")]


def test_what_is_frozen_and_was_never_learned_is_told(classifier):
    alone = {"box_head_alone": True}
    recipe = Recipe(weights=classifier)
    assert lines_of(3, recipe, **alone) == []
    assert lines_of(4, recipe, **alone) == [
        "frozen, but not filled by any weights, so it stays random: head.conv.weight"
    ]
    assert lines_of(1, recipe, **alone) == []  # one class has nothing to tell
    (line,) = lines_of(3, Recipe(), **alone)
    assert "backbone." in line
    assert "more" in line


def test_the_license_of_published_weights_is_told(classifier, monkeypatch):
    """The word stands for a file here, so that nothing is fetched."""
    monkeypatch.setattr("zorki.engine.training.initial_weights.resolve", lambda *words: Path(classifier))
    entry = registry.find("rtdetr_r18")
    network = registry.build("squeezenet1_1", 3, {"image_size": 32})
    dataset = registry.tasks()["localization"].data.read(Path("scenes:10@32"))
    lines: list[str] = []
    initialize(network, entry, Recipe(weights="coco"), dataset, [0], lines.append)
    assert "  license of the weights: apache-2.0 (huggingface:PekingU/rtdetr_r18vd)" in lines


def test_what_a_model_fills_itself_is_not_random():
    network = registry.build("moco_cifar_resnet20", 0, {"image_size": 32, "queue": 8})
    dataset = registry.tasks()["pretraining"].data.read(Path("scenes:30@32"))
    lines: list[str] = []
    initialize(network, registry.find("moco_cifar_resnet20"), Recipe(), dataset, [0], lines.append)
    assert lines == []
    assert not network.teacher.parts[0].conv1.weight.requires_grad


def test_stages_that_the_recipe_freezes_are_looked_at_too(classifier):
    frozen = Recipe(freeze="backbone")
    assert len(lines_of(3, frozen)) == 1
    assert lines_of(3, dataclasses.replace(frozen, weights=classifier)) == []
    assert lines_of(3, Recipe()) == []

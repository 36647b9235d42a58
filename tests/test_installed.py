"""An installed package brings a format of datasets and a transform; nothing of zorki's is edited."""

import importlib
import json
import sys

import pytest
import torch

from zorki.data import formats
from zorki.data.formats.readers import read_labels
from zorki.data.images import write_image
from zorki.data.transforms.installed import transforms_of
from zorki.engine.training.train import train
from zorki.errors import RecipeError
from zorki.recipe import Recipe

FORMAT = """
import json
from pathlib import Path

from zorki.data.annotations.labels import LabelRecords
from zorki.data.formats.probe import Probe

PROVIDES = {"labels"}
EXPECTED = "a file labels.json of names of images with their classes"


def probe(root):
    there = (root / "labels.json").is_file()
    return Probe(there, "labels.json is there" if there else "no labels.json")


def read(root):
    labels = json.loads((root / "labels.json").read_text())
    return LabelRecords(root, root, "json_labels", "labels.json", list(labels), list(labels.values()))
"""
TRANSFORM = """
from dataclasses import replace


def invert(sample, generator):
    return replace(sample, image=255 - sample.image)
"""
ENTRY_POINTS = """
[zorki.datasets]
json_labels = shapes_for_zorki.json_labels

[zorki.transforms]
invert = shapes_for_zorki.transforms:invert
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """As pip leaves it."""
    home, facts = tmp_path / "site" / "shapes_for_zorki", tmp_path / "site" / "shapes_for_zorki-0.1.dist-info"
    home.mkdir(parents=True)
    facts.mkdir()
    (home / "__init__.py").touch()
    (home / "json_labels.py").write_text(FORMAT)
    (home / "transforms.py").write_text(TRANSFORM)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: shapes_for_zorki\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    importlib.invalidate_caches()
    formats.formats.cache_clear()
    yield
    for name in [name for name in sys.modules if name.startswith("shapes_for_zorki")]:
        del sys.modules[name]
    formats.formats.cache_clear()
    formats.module_of.cache_clear()


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    labels = {}
    for number in range(20):
        value = 40 + 100 * (number % 2)
        write_image(folder / f"{number}.png", torch.full((3, 32, 32), value, dtype=torch.uint8))
        labels[f"{number}.png"] = ["dark", "light"][number % 2]
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def test_a_format_and_a_transform_of_an_installed_package_train(package, data, tmp_path):
    assert "json_labels" in formats.names("labels")
    dataset = read_labels(data)
    assert (dataset.format, dataset.class_names, len(dataset)) == ("json_labels", ["dark", "light"], 20)
    (invert,) = transforms_of("invert")
    sample = invert(dataset[0], torch.Generator())
    assert (int(dataset[0].image.max()), int(sample.image.max())) == (40, 215)
    settings = {"epochs": 1, "batch_size": 4, "workers": 0, "quiet": True, "out": str(tmp_path / "runs")}
    run = train("lenet5", str(data), transforms="invert", **settings)
    assert run.about["format"] == "json_labels"
    assert run.recipe.transforms == "invert"


def test_the_transform_is_applied_to_training_samples(package, data, monkeypatch):
    from zorki.engine.training import loaders

    def augment(sample, *, generator):
        return sample

    dataset = read_labels(data)
    changed = loaders._augment_and_transform(
        augment, transforms_of("invert, invert"), dataset[1], generator=torch.Generator()
    )
    assert torch.equal(changed.image, dataset[1].image), "twice is once more than none"


def test_a_transform_that_nobody_brings_is_refused(package):
    with pytest.raises(RecipeError, match=r"no installed package brings 'inverted'. Did you mean invert"):
        transforms_of("inverted")
    assert transforms_of(Recipe().transforms) == []

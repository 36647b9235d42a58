"""`zorki.export` from a run to a file with its parity."""

import json

import pytest
import torch

import zorki
from zorki import registry
from zorki.engine.export.export import spread
from zorki.engine.run.open import TrainedModel
from zorki.errors import ZorkiError
from zorki.recipe import Recipe
from zorki.types import ClassInfo


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("run"), "lenet5", "classification", {"image_size": 32})


def trained(folder, name, task, options):
    torch.manual_seed(0)
    model = registry.build(name, 3, options).eval()
    torch.nn.init.normal_(
        next(model.head.parameters()) if task == "classification" else next(model.parameters()), std=0.5
    )
    about = {"model": name, "task": task, "data": None}
    return TrainedModel(folder, name, registry.find(name).task, ClassInfo(("a", "b", "c")), Recipe(), about, model)


def test_a_program_of_torch_with_its_parity(run, tmp_path, capsys):
    path = zorki.export(run, to="torch", out=tmp_path / "deep" / "model.pt2", images=4)
    out = capsys.readouterr().out
    assert "outputs are compared on synthetic images: the run's data are not there" in out
    texts = {"zorki.task": "", "zorki.class_names": ""}
    program = torch.export.load(str(path), extra_files=texts)
    assert json.loads(texts["zorki.task"]) == "classification"
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images), run.model(images).main.softmax(1))
    parity = json.loads((tmp_path / "deep" / "model.parity.json").read_text())
    assert parity["passed"] is True
    assert parity["source"] == "synthetic images"
    assert parity["agreement"] == {"labels": 1.0}
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["model.parity.json", "model.pt2"]


def test_what_differs_is_set_aside(run, tmp_path, monkeypatch):
    monkeypatch.setattr("zorki.engine.export.parity.RELATIVE", -1.0)
    with pytest.raises(ZorkiError, match=r"scores differs by .* The file is kept as .*model.pt2.failed"):
        zorki.export(run, to="torch", out=tmp_path / "model.pt2", images=2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.parity.json", "model.pt2.failed"]


def test_words_and_names_that_cannot_be(run, tmp_path):
    with pytest.raises(ZorkiError, match=r"to is 'onxx'; expected onnx, openvino, torch, int8. Did you mean onnx"):
        zorki.export(run, to="onxx")
    with pytest.raises(ZorkiError, match=r"expected a name that ends with \.pt2"):
        zorki.export(run, to="torch", out=tmp_path / "model.onnx")
    with pytest.raises(ZorkiError, match="needs training images"):
        zorki.export(run, to="int8", out=tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_of_any_size_takes_images_as_the_run_does(tmp_path):
    run = trained(tmp_path / "run", "full_resolution", "semantic_segmentation", {"width": 4})
    path = zorki.export(run, to="torch", any_size=True, out=tmp_path / "model.pt2", images=0)
    program = torch.export.load(str(path))
    for count, rows, columns in ((1, 2, 5), (3, 3, 2)):
        images = torch.randint(0, 256, (count, 3, rows * 32, columns * 32), dtype=torch.uint8)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(images), run.model(images).main)
    with pytest.raises(ZorkiError, match="any_size leaves height and width free"):
        zorki.export(run, any_size=True, height=64)


def test_images_of_one_size_need_no_file_of_any(run, tmp_path):
    with pytest.raises(ZorkiError, match="--any-size: Pad of this run makes images of one size"):
        zorki.export(run, any_size=True, out=tmp_path / "model.onnx")


def test_samples_are_spread():
    assert spread(range(10), 4) == [0, 2, 5, 7]
    assert spread(range(3), 9) == [0, 1, 2]

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
    torch.manual_seed(0)
    name = "lenet5"
    model = registry.build(name, 3, {"image_size": 32}).eval()
    torch.nn.init.normal_(model.head.fc.weight if hasattr(model.head, "fc") else next(model.head.parameters()), std=0.5)
    folder = tmp_path_factory.mktemp("run")
    about = {"model": name, "task": "classification", "data": None}
    task = registry.find(name).task
    return TrainedModel(folder, name, task, ClassInfo(("a", "b", "c")), Recipe(), about, model)


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


def test_samples_are_spread():
    assert spread(range(10), 4) == [0, 2, 5, 7]
    assert spread(range(3), 9) == [0, 1, 2]

"""The public names, and that they can be used as the README says."""

import dataclasses
import inspect

import zorki
from zorki.engine.api import Run
from zorki.recipe import Recipe


def test_public_names_are_there():
    for name in zorki.__all__:
        assert getattr(zorki, name) is not None
    assert set(zorki.__all__) <= set(dir(zorki))


def test_train_shows_the_recipes_fields():
    parameters = inspect.signature(zorki.train).parameters
    assert list(parameters)[:2] == ["model", "data"]
    assert {field.name for field in dataclasses.fields(Recipe)} <= set(parameters)


def test_a_run_takes_what_the_functions_take_but_what_it_was_opened_with():
    opening = {"runs", "weights", "options"}
    for function, method in ((zorki.predict, Run.predict), (zorki.evaluate, Run.evaluate)):
        parameters = set(inspect.signature(function).parameters) - opening
        assert set(inspect.signature(method).parameters) - {"self"} == parameters


def test_models_by_wildcard():
    names = [entry.name for entry in zorki.models("resnet*")]
    assert names == ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    assert zorki.find("timm:resnet10t").name == "timm:resnet10t"


def test_pieces_need_no_registry():
    import torch

    from zorki.losses.cross_entropy import CrossEntropy
    from zorki.tasks.classification.metric import ClassificationMetric
    from zorki.tasks.classification.models.lenet import lenet5

    network = lenet5(10)
    logits = network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).main
    assert CrossEntropy()(logits, torch.tensor([1, 2])) > 0
    assert ClassificationMetric(["a"]).compute().count == 0

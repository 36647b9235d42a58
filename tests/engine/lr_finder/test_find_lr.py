"""The range test on real networks: it leaves no trace, and its page holds the plot."""

import copy
import random
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from zorki.engine.lr_finder.curve import LearningRateCurve, rising_rates
from zorki.engine.lr_finder.find_lr import find_lr, write_curve
from zorki.engine.lr_finder.range_test import range_test
from zorki.engine.run.checkpoints import same_chance
from zorki.engine.training.loaders import train_loader_of
from zorki.engine.training.plan import draft_plan
from zorki.engine.training.train import train
from zorki.errors import RecipeError

DATA = "scenes:40@32"
SETTINGS = {"batch_size": 8, "workers": 0, "hflip": 0.5, "quiet": True, "image_size": 32, "dropout": 0.3}


def state_of_chance():
    """Of PyTorch and NumPy. The checks of annotations draw from Python's own, see below."""
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()


def test_chance_goes_on_where_it_stood():
    before = (*state_of_chance(), random.getstate())
    with same_chance():
        torch.manual_seed(3), random.random(), np.random.standard_normal()
    assert (*state_of_chance(), random.getstate()) == before


def test_a_training_after_it_is_equal_to_the_last_bit(tmp_path):
    """Weights, optimizer, norms, chance, and the place in the data: the log of the losses hangs on all of them."""
    before = state_of_chance()
    find_lr("cifar_resnet20", DATA, steps=20, **SETTINGS, out=str(tmp_path / "none"))
    assert state_of_chance() == before
    assert not (tmp_path / "none").exists(), "nothing is written"
    after = train("cifar_resnet20", DATA, epochs=1, log_every=1, out=str(tmp_path / "a"), **SETTINGS)
    alone = train("cifar_resnet20", DATA, epochs=1, log_every=1, out=str(tmp_path / "b"), **SETTINGS)
    assert (after.folder / "steps.csv").read_text() == (alone.folder / "steps.csv").read_text()
    for name, value in alone.model.state_dict().items():
        assert torch.equal(value, after.model.state_dict()[name]), name
    checkpoints = [torch.load(run.folder / "last.ckpt", weights_only=True) for run in (after, alone)]
    first, second = (one["optimizer_states"][0]["state"] for one in checkpoints)
    assert all(torch.equal(first[key]["momentum_buffer"], second[key]["momentum_buffer"]) for key in second)


def test_the_plan_and_its_model_stay_as_they_are(tmp_path):
    settings = {name: value for name, value in SETTINGS.items() if name != "quiet"}
    plan = draft_plan("cifar_resnet20", DATA, None, settings, None, lambda text: None)
    weights, recipe = copy.deepcopy(plan.model.state_dict()), plan.recipe
    trains = {name: parameter.requires_grad for name, parameter in plan.model.named_parameters()}
    first = next(iter(train_loader_of(plan))).inputs.clone()
    curve = range_test(plan, rising_rates(1e-4, 1e3, 24))
    assert all(torch.equal(value, weights[name]) for name, value in plan.model.state_dict().items())
    assert trains == {name: parameter.requires_grad for name, parameter in plan.model.named_parameters()}
    assert all(parameter.grad is None for parameter in plan.model.parameters())
    assert plan.recipe == recipe
    assert torch.equal(next(iter(train_loader_of(plan))).inputs, first)
    again = range_test(plan, rising_rates(1e-4, 1e3, 24))
    assert curve.losses == again.losses


def test_accumulated_batches_are_one_step(tmp_path):
    curve = find_lr("lenet5", DATA, steps=20, grad_accum=2, min_lr=1e-6, max_lr=1e-4, **{**SETTINGS, "dropout": None})
    assert len(curve.rates) == 20
    assert curve.rates[-1] == pytest.approx(1e-4)
    assert not curve.stopped


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_lr": 0.1, "max_lr": 0.01}, "min_lr < max_lr"),
        ({"min_lr": 0.0}, "min_lr < max_lr"),
        ({"steps": 5}, "at least 20"),
        ({"device": "cpu", "devices": "2"}, "takes one"),
    ],
)
def test_what_is_no_range_is_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        find_lr("lenet5", DATA, quiet=True, **settings)


def test_the_page_shows_curve_and_marks(tmp_path):
    rates = rising_rates(1e-7, 10.0, 50)
    losses = tuple(2.3 - 0.03 * k for k in range(40)) + (3.0,) * 5 + (float("inf"), 99.0, 99.0, float("nan"), 99.0)
    curve = LearningRateCurve(rates, losses, 2.3, True)
    page = write_curve(curve, tmp_path, title="A title")
    text = page.read_text()
    for words in ("steepest descent: ", "a tenth of the minimum: ", "learning rate", f"{curve.proposal:g}"):
        assert words in text
    assert ElementTree.parse(tmp_path / "find_lr.svg").getroot().tag.endswith("svg")
    assert '"proposal"' in (tmp_path / "find_lr.json").read_text()


def test_pages_without_a_proposal(tmp_path):
    flat = LearningRateCurve(rising_rates(1e-7, 10.0, 20), (2.0,) * 20, 2.0)
    assert "the curve is flat" in write_curve(flat, tmp_path, title="Flat").read_text()
    broken = LearningRateCurve((0.1,), (float("nan"),), float("nan"), True)
    assert "no number" in write_curve(broken, tmp_path, title="Broken").read_text()

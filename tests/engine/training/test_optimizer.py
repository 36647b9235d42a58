import math

import pytest
import torch

from zorki.engine.training import optimizer as optimize
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.registry import build

FULL = {"lr": 0.1, "weight_decay": 1e-2, "optimizer": "sgd"}


def test_norms_and_biases_are_spared_from_decay():
    model = build("cifar_resnet20", 10)
    groups = optimize.parameter_groups(model, Recipe(**FULL))
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert decays[id(parameter)] == (0.0 if parameter.ndim == 1 else 1e-2), name


def test_the_backbone_learns_slower_where_asked():
    model = build("squeezenet1_1", 10)
    groups = optimize.parameter_groups(model, Recipe(**FULL, backbone_lr_scale=0.1))
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert math.isclose(rates[id(parameter)], 0.01 if name.startswith("backbone") else 0.1), name


def test_freezing_stops_learning_and_statistics():
    model = build("cifar_resnet20", 10)
    frozen = optimize.freeze(model, "backbone")
    model.train()
    optimize.keep_frozen(frozen)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    rule = optimize.optimizer(model, Recipe(**FULL))
    from zorki.types import Label

    outputs = model(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))
    model.loss(outputs, [Label(i) for i in range(4)])["cross_entropy"].backward()
    rule.step()
    after = model.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert sum(p.requires_grad for p in model.parameters()) == 2


def test_all_but_the_last_stages():
    model = build("resnet18", 10, {"image_size": 64})
    stages = model.backbone_stages()
    optimize.freeze(model, "-1")
    assert [any(p.requires_grad for p in stage.parameters()) for stage in stages] == [False] * (len(stages) - 1) + [
        True
    ]
    with pytest.raises(RecipeError, match="stages"):
        optimize.freeze(model, f"-{len(stages) + 1}")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"scheduler": "constant"}, {0: 1, 5: 1, 9.9: 1}),
        ({"scheduler": "cosine"}, {0: 1, 5: 0.5, 10: 0}),
        ({"scheduler": "multistep", "milestones": (0.5, 0.75)}, {0: 1, 4.9: 1, 5: 0.1, 7.5: 0.01}),
        ({"scheduler": "one-cycle"}, {0: 0.04, 3: 1, 6.5: 0.5, 10: 0}),
        ({"scheduler": "constant", "warmup_epochs": 2}, {0: 1e-3, 1: 0.5005, 2: 1}),
    ],
)
def test_schedules_by_hand(settings, expected):
    for epoch, factor in expected.items():
        assert math.isclose(optimize.rate_factor(Recipe(**settings), epoch, 10), factor, abs_tol=1e-6), epoch


def test_plateau_divides_after_three_stale_epochs():
    plateau = optimize.Plateau()
    factors = []
    for figure in (0.5, 0.6, 0.6, 0.6, 0.6, 0.7, 0.1, 0.1, 0.1):
        plateau.see(figure)
        factors.append(round(plateau.factor, 6))
    assert factors == [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_lowers_a_quadratic(name):
    torch.manual_seed(0)
    model = build("lenet5", 4)
    rule = optimize.optimizer(model, Recipe(lr=1e-3, weight_decay=0.0, optimizer=name))
    from zorki.types import Label

    inputs, labels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8), [Label(i % 4) for i in range(8)]
    losses = []
    for _ in range(15):
        loss = sum(model.loss(model(inputs), labels).values())
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_stages_share_the_epochs_and_each_has_a_schedule_of_its_own():
    stages = optimize.StageSchedule.of((0.5, 0.25, 0.25), 8)
    assert [stages.stage(epoch) for epoch in range(8)] == [1, 1, 1, 1, 2, 2, 3, 3]
    assert stages.place(3.5) == (3.5, 4)
    assert stages.place(4.0) == (0.0, 2)
    assert stages.place(7.5) == (1.5, 2)
    recipe = Recipe(scheduler="cosine")
    assert optimize.rate_factor(recipe, *stages.place(6.0)) == 1.0
    whole = optimize.StageSchedule.of((1.0,), 8)
    assert [whole.stage(epoch) for epoch in (0, 7.9)] == [1, 1]
    assert whole.place(7.5) == (7.5, 8)


def test_a_stage_of_no_share_is_passed_over_and_any_other_needs_an_epoch():
    stages = optimize.StageSchedule.of((0.0, 0.5, 0.5), 4)
    assert [stages.stage(epoch) for epoch in range(4)] == [2, 2, 3, 3]
    assert stages.place(1.0) == (1.0, 2)
    with pytest.raises(RecipeError, match="one of the 3 stages would get none; set epochs to at least 4"):
        optimize.StageSchedule.of((0.5, 0.25, 0.25), 2)

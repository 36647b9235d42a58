"""Faults planted into a planned training, in its network and on the way to it: each is named, and nothing else."""

import copy
import dataclasses

import pytest
import torch
from drawn_data import class_folders, coco, two_boxes
from tiny_backbone import tiny_squeezenet
from torch import nn

from zorki import registry
from zorki.contracts.capabilities import StartsFromPrior
from zorki.engine.checks.catalog import choose
from zorki.engine.checks.check_plan import check_plan
from zorki.engine.checks.check_training import _check_prior, check_training
from zorki.engine.checks.report import CheckReport, Inspection
from zorki.engine.checks.trial import Trial, trial_batches, watched
from zorki.engine.training.plan import draft_plan
from zorki.tasks.detection.data import DetectionData
from zorki.tasks.detection.task import Detection

SETTINGS = {"batch_size": 8, "epochs": 1, "workers": 0, "precision": "32", "device": "cpu"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    root = class_folders(tmp_path_factory.mktemp("data"), {"train": (16, 16), "val": (4, 4)})
    return draft_plan("lenet5", str(root), None, SETTINGS, None, lambda line: None)


@pytest.fixture
def plan(kept):
    return dataclasses.replace(kept, model=copy.deepcopy(kept.model))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    root = coco(tmp_path_factory.mktemp("boxes"), two_boxes, count=30)
    settings = SETTINGS | {"image_size": 64, "random_crop": 1.0}
    return draft_plan("fcos_squeezenet", str(root), None, settings, None, lambda line: None)


def found(plan, only="ZA,ZM", budget=60.0):
    inspection = Inspection(choose(only, None), CheckReport("x"), budget)
    check_plan(inspection, plan)
    return {one.id: one for one in inspection.finish().findings}


def test_a_clean_training_is_clean_and_leaves_the_plan_as_it_was(plan):
    before = copy.deepcopy(plan.model.state_dict())
    inspection = Inspection(choose("ZA,ZM", None), CheckReport("x"), 60.0)
    sections = check_plan(inspection, plan)
    report = inspection.finish()
    assert (report.findings, report.left_out) == ([], [])
    assert [one.title for one in sections] == ["What the network receives"]
    assert {"loss at the start", "a dummy reaches", "planned training", "normalized inputs"} <= set(report.facts)
    assert all(torch.equal(value, before[name]) for name, value in plan.model.state_dict().items())
    assert not any(parameter.grad is not None for parameter in plan.model.parameters())


def test_a_learning_rate_that_runs_away_is_held_against_lower_ones(plan):
    told = found(dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, lr=plan.recipe.lr * 1000)), "ZM")
    assert set(told) == {"ZM010"}
    assert "at the learning rate" in told["ZM010"].reason


def test_a_head_that_does_not_learn_is_named_unless_it_was_asked_for(plan):
    plan.model.head.requires_grad_(False)
    assert "head." in found(plan, "ZM005")["ZM005"].reason


def test_dead_relus_and_weights_without_gradient_are_named():
    plan = _relu_plan()
    assert found(plan, "ZM006,ZM008") == {}
    with torch.no_grad():
        plan.model.backbone.first.bias.fill_(-1000.0)
    assert set(found(plan, "ZM006,ZM008")) == {"ZM006", "ZM008"}


class _Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3)

    def top(self, x):
        return self.second(torch.relu(self.first(x))).mean((2, 3))

    def stages(self):
        return [self.first, self.second]


def _relu_plan():
    plan = _relu_plan.plan
    model = copy.deepcopy(plan.model)
    model.backbone, model.head = _Backbone(), nn.Linear(8, 2)
    return dataclasses.replace(plan, model=model)


@pytest.fixture(autouse=True)
def _for_relus(kept):
    _relu_plan.plan = kept


def test_relus_of_functions_are_seen_with_their_modules():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    model.add_module("more", _Functional())
    with torch.no_grad(), watched(model) as seen:
        model(torch.ones(3, 4))
    assert [(name, count) for name, count, _ in seen.dead] == [("1", 6), ("more", 6)]
    assert seen.dead[1][2] == 6
    assert torch.equal(seen.first, torch.ones(3, 4))


class _Functional(nn.Module):
    def forward(self, x):
        return nn.functional.relu(-x - 1)


def test_inputs_normalized_twice_or_not_at_all_are_named(plan):
    own = plan.model.normalize
    plan.model.normalize = nn.Sequential(own, copy.deepcopy(own))
    assert "twice" in found(plan, "ZA003")["ZA003"].reason
    plan.model.normalize = _Gray()
    assert "not at all" in found(plan, "ZA003")["ZA003"].reason


class _Gray(nn.Module):
    def forward(self, x):
        return x.float().mean(1, keepdim=True)


@dataclasses.dataclass(frozen=True)
class _Exchanged:
    """Preprocessing that takes RGB for BGR."""

    own: object
    size: int

    def __call__(self, images, generators=None):
        inputs, placements = self.own(images, generators)
        return inputs.flip(1), placements

    def whole(self):
        return self

    def to_json(self):
        return {}


def test_channels_that_are_exchanged_on_the_way_are_named(plan):
    assert found(plan, "ZA005") == {}
    plan.model.restore_preprocess(_Exchanged(plan.model.preprocess, plan.model.preprocess.size))
    assert set(found(plan, "ZA005")) == {"ZA005"}


def test_a_network_that_looks_at_its_batch_is_named(plan):
    plan.model.head = _Centered(plan.model.head)
    assert "beside 3 others" in found(plan, "ZM009")["ZM009"].reason


class _Centered(nn.Module):
    def __init__(self, own):
        super().__init__()
        self.own = own

    def forward(self, x):
        found = self.own(x)
        return found - found.mean(0)


def test_a_first_loss_far_from_theory_is_named(plan):
    with torch.no_grad():
        for parameter in plan.model.head.parameters():
            parameter.mul_(500)
    assert (
        "by theory" in found(plan, "ZM003")["ZM003"].reason or "knows nothing has 0.693" in found(plan)["ZM003"].reason
    )


class _LeftBehind(DetectionData):
    """Varies the image, and leaves the boxes where they were."""

    def augment(self, sample, recipe, info, generator):
        return dataclasses.replace(super().augment(sample, recipe, info, generator), target=sample.target)


class _Bare(DetectionData):
    def augment(self, sample, recipe, info, generator):
        varied = super().augment(sample, recipe, info, generator)
        return dataclasses.replace(varied, target=varied.target[:0])


def with_data(plan, data):
    class Faulty(Detection):
        pass

    Faulty.data = data()
    return dataclasses.replace(plan, entry=dataclasses.replace(plan.entry, task=Faulty()))


def test_targets_that_do_not_follow_their_image_are_named(boxes):
    assert found(boxes, "ZA001,ZA004") == {}
    told = found(with_data(boxes, _LeftBehind), "ZA001,ZA004")
    assert set(told) == {"ZA004"}
    assert "elsewhere than its object" in told["ZA004"].reason


def test_boxes_that_augmentation_loses_and_batches_without_any_are_named(boxes):
    told = found(with_data(boxes, _Bare), "ZA001,ZM011")
    assert set(told) == {"ZA001", "ZM011"}
    assert "100%" in told["ZA001"].reason
    assert "as they are in the data, 0 do" in told["ZM011"].reason


def test_mirrored_classes_of_two_sides_are_named_where_labels_stay(tmp_path):
    root = class_folders(tmp_path, {"train": (8, 8), "val": (2, 2)}, names=("arrow_left", "arrow_right"))
    plan = draft_plan("lenet5", str(root), None, SETTINGS | {"hflip": 0.5}, None, lambda line: None)
    assert found(plan, "ZA002") == {}
    own = plan.task.data

    class Kept(type(own)):
        def augment(self, sample, recipe, info, generator):
            return dataclasses.replace(super().augment(sample, recipe, info, generator), target=sample.target)

    class Faulty(type(plan.task)):
        data = Kept()

    faulty = dataclasses.replace(plan, entry=dataclasses.replace(plan.entry, task=Faulty()))
    assert "arrow_left and arrow_right" in found(faulty, "ZA002")["ZA002"].reason


def test_without_time_the_steps_are_left_out_aloud(plan):
    now = [0.0]
    inspection = Inspection(choose("ZM", None), CheckReport("x"), 10.0, clock=lambda: now[0])
    now[0] = 9.5
    assert check_training(inspection, plan) == []
    assert "steps of training: no time was left of 10 s" in inspection.report.left_out


def test_a_trial_learns_on_a_copy(plan):
    (batch,) = trial_batches(plan, 1)
    trial = Trial(plan, factor=0.5)
    assert trial.rates == [plan.recipe.lr / 2] * len(trial.rates)
    trace = trial.run(batch, 12, lambda trace: len(trace.losses) == 10)
    assert len(trace.losses) == len(trace.gradients) == 10
    assert trace.fall > 0


def test_a_detector_that_calls_everything_an_object_is_named(boxes):
    assert found(boxes, "ZM003") == {}
    for bias in (0.0, 3.0):  # at 0 the loss of tiny images is that of the prior
        model = copy.deepcopy(boxes.model)
        nn.init.constant_(model.class_output.bias, bias)
        told = found(dataclasses.replace(boxes, model=model), "ZM003")
        assert "half of all places are an object" in told["ZM003"].reason


@pytest.mark.parametrize("name", ["fcos_squeezenet", "retinanet_squeezenet", "yolo3_squeezenet"])
def test_detectors_start_from_their_prior(name, monkeypatch):
    tiny_squeezenet(monkeypatch)
    model = registry.build(name, 2, {"image_size": 64}).eval()
    assert isinstance(model, StartsFromPrior)
    with torch.no_grad():
        scores = model.place_scores(model(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)))
    assert 0.5 * model.prior < float(scores.median()) < 2 * model.prior


def test_weights_that_were_trained_may_know_more_than_nothing(plan):
    recipe = dataclasses.replace(plan.recipe, weights="runs/one")
    inspection = Inspection(choose("ZM003", None), CheckReport("x", facts={"loss at the start": "0.1"}), 60.0)
    _check_prior(inspection, dataclasses.replace(plan, recipe=recipe), {"": 0.1}, {"": 0.69})
    _check_prior(inspection, plan, {"": 0.1}, {"": 0.69})
    assert len(inspection.finish().findings) == 1


def test_a_head_that_no_target_reaches_is_a_fact_and_no_fault(plan):
    plan.model.head = _Spare(plan.model.head)
    inspection = Inspection(choose("ZM006", None), CheckReport("x"), 60.0)
    check_plan(inspection, plan)
    report = inspection.finish()
    assert report.findings == []
    assert report.facts["weights that no target of the batch reaches"] == "head.spare.weight"


class _Spare(nn.Module):
    """A head with a layer whose outputs no loss of these targets asks for."""

    def __init__(self, own):
        super().__init__()
        self.own, self.spare = own, nn.Linear(3, 2)

    def forward(self, x):
        return self.own(x) + 0 * self.spare.weight.sum()

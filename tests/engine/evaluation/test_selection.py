"""Evaluation with --conf, --iou, --max-det and --classes: average precision that a reader can check with a pencil."""

import dataclasses

import pytest
import torch
from torch import nn

import zorki
from zorki.cli import main
from zorki.data.preprocess.letterbox import Letterbox
from zorki.engine.api import Run
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.recipe import Recipe
from zorki.tasks.classification.task import Classification
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates
from zorki.tasks.detection.task import Detection
from zorki.types import ClassInfo

SIDE = 96
CAT, DOG = 0, 1
LEFT, RIGHT, BESIDE = [0.0, 0, 40, 40], [50.0, 50, 90, 90], [10.0, 0, 50, 40]  # BESIDE overlaps LEFT by 0.6


class NoBackbone(Backbone):
    channels, strides = (3,), (1,)

    def forward(self, x):
        return [x]

    def stages(self):
        return [nn.Identity()]


class Stubborn(Detector[torch.Tensor]):
    """Predicts the same for every image: both cats, one of them twice."""

    def forward(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return {"none": torch.zeros(())}

    def candidates(self, outputs):
        return NmsCandidates(
            torch.tensor([[LEFT, BESIDE, RIGHT]]).expand(len(outputs), -1, -1),
            torch.tensor([[0.9, 0.8, 0.3]]).expand(len(outputs), -1),
            torch.tensor([[CAT, CAT, CAT]]).expand(len(outputs), -1),
        )


@pytest.fixture
def run(tmp_path):
    settings = {"num_classes": 2, "preprocess": Letterbox(SIDE), "min_score": 0.05, "max_iou": 0.7, "max_boxes": 100}
    model = Stubborn(NoBackbone(), **settings)
    return Run(tmp_path, "stubborn", Detection(), ClassInfo(("cat", "dog")), Recipe(), {"data": None}, model)


def data(*labels):
    """One image with objects of these classes: at LEFT, at RIGHT, and a third in a corner that nobody finds."""
    boxes = torch.tensor([LEFT, RIGHT, [60.0, 0, 90, 30]])[: len(labels)]
    image = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    return {"val": Samples([(image, {"boxes": boxes, "labels": torch.tensor(labels)})])}


class Samples(list):
    classes = ("cat", "dog")


# 101 steps of recall: 51 of them, 0 to .5, are reached by the first of two cats.
ONE_OF_TWO = 51 / 101


@pytest.mark.parametrize(
    ("settings", "ap50"),
    [
        ({}, (51 + 50 * 2 / 3) / 101),  # right, wrong, right
        ({"conf": 0.5}, ONE_OF_TWO),  # right, wrong
        ({"iou": 0.5}, 1.0),  # right, right: the cat beside is suppressed
        ({"max_det": 1}, ONE_OF_TWO),
        ({"max_det": 2}, ONE_OF_TWO),
        ({"conf": 0.85, "iou": 0.5}, ONE_OF_TWO),
        ({"classes": "cat"}, (51 + 50 * 2 / 3) / 101),
    ],
    ids=str,
)
def test_by_hand(run, settings, ap50):
    (result,) = zorki.evaluate(run, data(CAT, CAT), quiet=True, workers=0, device="cpu", **settings)
    assert result.metrics.scalars()["ap50"] == pytest.approx(ap50, abs=1e-6)


@pytest.mark.parametrize(("classes", "ap50"), [(None, 0.5), ("cat", 1.0), ([DOG], 0.0), (["dog", 0], 0.5)], ids=str)
def test_classes_that_are_not_asked_for_count_nowhere(run, classes, ap50):
    """A dog that nobody finds halves the mean over classes, unless it is left out."""
    result = run.evaluate(data(CAT, CAT, DOG), classes=classes, iou=0.5, workers=0, device="cpu")
    assert result.metrics.scalars()["ap50"] == pytest.approx(ap50, abs=1e-6)
    assert result.count == 1, "images without objects stay"


def test_what_has_no_candidates_and_what_is_no_class_is_told(run):
    with pytest.raises(RecipeError, match="no class is named 'cow'"):
        zorki.evaluate(run, data(CAT), classes="cow", quiet=True)
    classifier = dataclasses.replace(run, task=Classification(), model=zorki.build("lenet5", num_classes=2))
    with pytest.raises(RecipeError, match="no conf, iou, max_det or classes"):
        zorki.evaluate(classifier, data(CAT), classes="cat", quiet=True)


def test_flags_reach_the_evaluation(monkeypatch):
    found = {}
    monkeypatch.setattr(
        "zorki.engine.evaluation.evaluate.evaluate", lambda *_, **settings: found.update(settings) or 1 / 0
    )
    flags = ["--conf", "0.1", "--iou", "0.5", "--max-det", "7", "--classes", "cat", "--classes", "dog"]
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", "runs/x", "scenes:20@64", *flags])
    assert {name: found[name] for name in ("conf", "iou", "max_det", "classes")} == {
        "conf": 0.1, "iou": 0.5, "max_det": 7, "classes": ["cat", "dog"],
    }  # fmt: skip

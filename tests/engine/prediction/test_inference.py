"""A detector tells another network where to look: of which classes, and from which score on."""

from pathlib import Path

import pytest
import torch

from zorki import registry
from zorki.contracts import Model
from zorki.data.preprocess.resize import Resize
from zorki.engine.prediction.inference import RegionSource, predict_images
from zorki.engine.run.open import TrainedModel
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.types import Boxes, ClassInfo, Label, Skeleton

IMAGE = torch.zeros((3, 30, 60), dtype=torch.uint8)


class FixedDetector(Model):
    """Finds the same three boxes in every image."""

    preprocess = Resize(32)

    def forward(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        xyxy = torch.tensor([[2.0, 3, 20, 25], [30, 5, 50, 28], [1, 1, 9, 9]])
        return [Boxes(xyxy, torch.tensor([1, 1, 0]), torch.tensor([0.9, 0.3, 0.8])) for _ in placements]


class Classifying(FixedDetector):
    def decode(self, outputs, placements):
        return [Label(0) for _ in placements]


def run_of(task, model, info, folder):
    about = {"model": folder, "task": task, "data": None}
    return TrainedModel(Path(folder), folder, registry.tasks()[task], info, Recipe(), about, model)


@pytest.fixture(scope="module")
def pose():
    torch.manual_seed(0)
    network = registry.build("deep_pose_squeezenet", 2, {"image_size": 32, "loss": "l2"}).eval()
    return run_of("pose", network, ClassInfo(("dog",), skeleton=Skeleton(("nose", "tail"))), "joints")


def test_boxes_of_the_classes_of_both_that_score_enough_are_looked_at(pose):
    info = ClassInfo(("cat", "dog"), score_threshold=0.5)
    source = RegionSource(run_of("detection", FixedDetector(), info, "boxes"), pose, "cpu")
    (found,) = source([IMAGE])
    assert found.xyxy.tolist() == [[2, 3, 20, 25]]
    assert found.labels.tolist() == [0], "the label that the other network has for it"
    (prediction,) = predict_images(pose.model, [IMAGE], regions=source)
    assert prediction.xyxy.tolist() == [[2, 3, 20, 25]]
    assert prediction.points.shape == (1, 2, 2)
    assert prediction.scores.tolist() == pytest.approx([0.9])
    assert len(predict_images(pose.model, [IMAGE])[0]) == 1, "without one, the image as a whole"


def test_what_does_not_go_together_is_refused(pose):
    detector = run_of("detection", FixedDetector(), ClassInfo(("cat", "bird")), "boxes")
    with pytest.raises(RecipeError, match="boxes finds cat, bird, and joints is about dog: no class is of both"):
        RegionSource(detector, pose, "cpu")
    with pytest.raises(RecipeError, match="looks at images as a whole"):
        RegionSource(detector, run_of("detection", FixedDetector(), ClassInfo(("cat",)), "other"), "cpu")
    classifier = run_of("classification", Classifying(), ClassInfo(("dog",)), "labels")
    with pytest.raises(RecipeError, match="finds no boxes; name a detector"):
        RegionSource(classifier, pose, "cpu")([IMAGE])
    named_otherwise = run_of("classification", Classifying(), ClassInfo(("plane", "ship")), "labels")
    with pytest.raises(RecipeError, match="a run of classification, which finds no boxes"):
        RegionSource(named_otherwise, pose, "cpu")

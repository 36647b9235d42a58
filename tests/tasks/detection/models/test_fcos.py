import pytest
import torch
from torchvision.models.detection import fcos_resnet50_fpn as their_fcos
from torchvision_twins import (
    HEIGHT,
    WIDTH,
    answers,
    assert_same_answers,
    lively,
    make_images,
    on_canvas,
    targets,
    taught,
    theirs,
)

from zorki.tasks.detection.models.fcos import fcos_resnet50_fpn
from zorki.types import Placement

NUM_CLASSES = 4


@pytest.fixture(scope="module")
def twin():
    network = their_fcos(weights=None, weights_backbone=None, num_classes=NUM_CLASSES, min_size=HEIGHT, max_size=WIDTH)
    head = network.head
    return lively(
        network,
        scores=[(head.classification_head.cls_logits, 0.05, -1.0), (head.regression_head.bbox_ctrness, 0.05, 0.0)],
        boxes=[(head.regression_head.bbox_reg, 0.05, 1.5)],
    )


@pytest.fixture(scope="module")
def ours(twin):
    return taught(fcos_resnet50_fpn(NUM_CLASSES, shorter=HEIGHT, longest=WIDTH), twin)


def test_predictions_equal_torchvisions(twin, ours):
    inputs = make_images()
    with torch.no_grad():
        wanted = twin(list(inputs / 255))
    assert_same_answers(answers(ours, inputs), wanted)


def test_predictions_beside_a_canvas_equal_torchvisions(twin, ours):
    narrow = make_images(width=138)  # 22 columns of canvas, which prediction too
    canvas = on_canvas(narrow)
    placements = [Placement(HEIGHT, 138, input_height=HEIGHT, input_width=WIDTH)] * len(canvas)
    with torch.no_grad():
        outputs = ours(canvas)
        assert bool((ours.candidates(outputs).xyxy[..., 2] > 138).any())
        found = ours.decode(outputs, placements)
        wanted = twin(list(narrow / 255))
    assert_same_answers(found, wanted)


def test_losses_equal_torchvisions(twin, ours):
    inputs, ground_truths = make_images(), targets(num_classes=NUM_CLASSES)
    twin.training = True  # the losses, with batch norms as they are
    with torch.no_grad():
        wanted = twin(list(inputs / 255), [theirs(ground_truth) for ground_truth in ground_truths])
        losses = ours.loss(ours(inputs), ground_truths)
    twin.training = False
    pairs = {"classes": "classification", "boxes": "bbox_regression", "centerness": "bbox_ctrness"}
    for name, name_there in pairs.items():
        assert float(losses[name]) == pytest.approx(float(wanted[name_there]), rel=1e-4)
        assert float(losses[name]) > 0

import pytest
import torch
from torchvision.models.detection import retinanet_resnet50_fpn as their_retinanet
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

from zorki.tasks.detection.models.retinanet import retinanet_resnet50_fpn
from zorki.types import Placement

NUM_CLASSES = 4


@pytest.fixture(scope="module")
def twin():
    network = their_retinanet(
        weights=None, weights_backbone=None, num_classes=NUM_CLASSES, min_size=HEIGHT, max_size=WIDTH
    )
    head = network.head
    return lively(
        network,
        scores=[(head.classification_head.cls_logits, 0.3, -2.0)],
        boxes=[(head.regression_head.bbox_reg, 0.05, 0.0)],
    )


@pytest.fixture(scope="module")
def ours(twin):
    return taught(retinanet_resnet50_fpn(NUM_CLASSES, shorter=HEIGHT, longest=WIDTH), twin)


def test_predictions_equal_torchvisions(twin, ours):
    inputs = make_images()
    with torch.no_grad():
        target_offsets = twin(list(inputs / 255))
    assert_same_answers(answers(ours, inputs), target_offsets)


def test_predictions_beside_a_canvas_equal_torchvisions(twin, ours):
    narrow = make_images(width=138)  # 22 columns of canvas, which prediction too
    canvas = on_canvas(narrow)
    placements = [Placement(HEIGHT, 138, input_height=HEIGHT, input_width=WIDTH)] * len(canvas)
    with torch.no_grad():
        outputs = ours(canvas)
        assert bool((ours.candidates(outputs).xyxy[..., 2] > 138).any())
        found = ours.decode(outputs, placements)
        target_offsets = twin(list(narrow / 255))
    assert_same_answers(found, target_offsets)


def test_losses_equal_torchvisions(twin, ours):
    inputs, ground_truths = make_images(), targets(num_classes=NUM_CLASSES)
    twin.training = True  # the losses, with batch norms as they are
    with torch.no_grad():
        target_offsets = twin(list(inputs / 255), [theirs(ground_truth) for ground_truth in ground_truths])
        losses = ours.loss(ours(inputs), ground_truths)
    twin.training = False
    assert float(losses["classes"]) == pytest.approx(float(target_offsets["classification"]), rel=1e-4)
    assert float(losses["boxes"]) == pytest.approx(float(target_offsets["bbox_regression"]), rel=1e-4)
    assert float(losses["boxes"]) > 0

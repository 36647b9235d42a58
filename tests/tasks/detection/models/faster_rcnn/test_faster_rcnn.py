"""Faster R-CNN against torchvision's on the same weights, and the laws that both stages keep."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lessons import check_that_the_loss_falls
from torch import Tensor, nn

from zorki import registry
from zorki.errors import RecipeError
from zorki.nn.backbones.named import backbone
from zorki.nn.necks.one_map import OneMap, drop_later_maps
from zorki.tasks.detection.models.faster_rcnn.faster_rcnn import FasterRcnn
from zorki.tasks.detection.models.faster_rcnn.region_proposal_network import rpn_anchor_shapes
from zorki.types import Boxes, Placement
from zorki.weights import load_into
from zorki.weights.read import Weights

NUM_CLASSES = 4
SIZE = (128, 160)


def _images(count: int = 2) -> Tensor:
    coarse = torch.randint(0, 256, (count, 3, 8, 10)).float()
    return nn.functional.interpolate(coarse, SIZE, mode="bilinear").round().byte()


def _targets() -> list[Boxes]:
    return [
        Boxes(torch.tensor([[10.0, 20, 60, 90], [40, 10, 150, 120], [100, 60, 130, 80]]), torch.tensor([0, 3, 1])),
        Boxes(torch.tensor([[5.0, 5, 100, 100]]), torch.tensor([2])),
    ]


def _built(name: str, **options: Any) -> FasterRcnn:
    torch.manual_seed(0)
    model = registry.build(name, NUM_CLASSES, options)
    assert isinstance(model, FasterRcnn)
    return model


@pytest.fixture(scope="module")
def twins() -> tuple[FasterRcnn, nn.Module]:
    """Ours and torchvision's with the same weights: random, with heads lively enough to disagree with themselves."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    torch.manual_seed(1)
    theirs = fasterrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=NUM_CLASSES + 1,
        min_size=SIZE[0],
        max_size=SIZE[1],
        box_detections_per_img=10**6,  # which of two almost equal boxes is the hundredth is chance
    ).eval()
    with torch.no_grad():
        for norm in theirs.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.momentum = 1.0
        theirs.backbone.train()(_images(2).float() / 64 - 2)  # without statistics, features would explode
        theirs.eval()
        for name, parameter in theirs.named_parameters():
            if not name.startswith("backbone.body") and name.endswith("weight"):
                gain = 0.3 if "bbox_pred" in name or "inner" in name else 1.5
                parameter.normal_(std=gain / parameter[0].numel() ** 0.5)
    ours = _built("faster_rcnn_resnet50_fpn").eval()
    weights = Weights(theirs.state_dict(), {}, Path("twin.pth"))
    match = load_into(ours, weights, ours.weight_map)
    assert not match.mismatched
    assert [name for name in match.new if not name.startswith("normalize.")] == []
    assert match.unused == []
    return ours, theirs


def test_equal_weights_give_torchvisions_predictions(twins: tuple[FasterRcnn, nn.Module]) -> None:
    ours, theirs = twins
    images = _images()
    ours.max_boxes = 10**6
    with torch.no_grad():
        mine = ours.eval().decode(ours(images), [_whole()] * 2)
        reference = theirs.eval()(list(images.float() / 255))
    for one, other in zip(mine, reference, strict=True):
        assert len(one) > 100
        assert one.scores is not None
        # Almost equal scores may change places, and what lies on a threshold may fall on either side: each prediction's
        # nearest is looked for, and one in a hundred may be without.
        rows = torch.cat([one.xyxy / 100, one.scores[:, None], one.labels[:, None]], 1)
        answers = torch.cat([other["boxes"] / 100, other["scores"][:, None], other["labels"][:, None] - 1], 1)
        away = (rows[:, None] - answers[None]).abs().amax(2)
        assert float((away.amin(0) < 5e-4).float().mean()) > 0.99
        assert float((away.amin(1) < 5e-4).float().mean()) > 0.99


def test_equal_weights_give_torchvisions_losses(twins: tuple[FasterRcnn, nn.Module]) -> None:
    ours, theirs = twins
    images, targets = _images(), _targets()
    theirs.train()
    theirs.backbone.eval()
    # With every row sampled, chance has no say.
    for sampler in (theirs.rpn.fg_bg_sampler, theirs.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image = 10**6
    ours.train()
    ours.count = ours.proposals.count = 10**6
    wanted = [{"boxes": target.xyxy, "labels": target.labels + 1} for target in targets]
    with torch.no_grad():
        mine = ours.loss(ours(images), targets)
        reference = theirs(list(images.float() / 255), wanted)
    names = {
        "objectness": "loss_objectness",
        "proposals": "loss_rpn_box_reg",
        "classes": "loss_classifier",
        "boxes": "loss_box_reg",
    }
    assert mine.keys() == names.keys()
    for name, value in mine.items():
        assert float(value) > 1e-3
        assert torch.allclose(value, reference[names[name]], rtol=1e-3), name


@pytest.mark.parametrize("name", ["faster_rcnn_squeezenet", "faster_rcnn_squeezenet_fpn"])
def test_every_parameter_learns_also_from_images_without_objects(name: str) -> None:
    model = _built(name, image_size=160, hidden=32).train()
    none = Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    losses = model.loss(model(_images()), [none, none])
    assert losses["boxes"].item() == losses["proposals"].item() == 0
    torch.stack(list(losses.values())).sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", ["faster_rcnn_squeezenet_fpn", "faster_rcnn_resnet18"])
def test_the_loss_falls_on_one_repeated_batch(name: str) -> None:
    check_that_the_loss_falls(_built(name, image_size=160, hidden=64, channels=64), _images(), _targets())


def test_predictions_are_the_same_alone_or_together() -> None:
    model = _built("faster_rcnn_squeezenet_fpn", image_size=160, hidden=32, channels=32).eval()
    nn.init.normal_(model.head.logits.weight, std=0.5)
    images = _images(3)
    model.max_iou, model.max_boxes = None, 10**6
    with torch.no_grad():
        outputs = model(images)
        together = model.decode(outputs, [_whole()] * 3)
        alone = model.decode(model(images[1:2]), [_whole()])[0]
    for boxes in together:
        assert len(boxes) > 10
        assert boxes.scores is not None
        assert float(boxes.scores.min()) > model.min_score
    assert alone.scores is not None
    assert together[1].scores is not None
    assert len(alone) == len(together[1])
    assert torch.allclose(alone.scores, together[1].scores, atol=1e-4)


def test_predictions_are_in_original_pixels() -> None:
    model = _built("faster_rcnn_squeezenet_fpn", image_size=160, hidden=32, channels=32).eval()
    nn.init.normal_(model.head.logits.weight, std=0.5)
    inputs, placements = model.preprocess([_images(1)[0].repeat(1, 4, 2)])  # 512 x 320
    with torch.no_grad():
        boxes = model.decode(model(inputs), placements)[0]
    assert boxes.xyxy.amax(0)[2:].tolist() == [320, 512]


def test_outputs_keep_their_type_and_proposals_their_bounds() -> None:
    model = _built("faster_rcnn_squeezenet", image_size=160, hidden=32)
    with torch.no_grad():
        learning, answering = model.train()(_images()), model.eval()(_images())
    assert type(learning) is type(answering)
    for outputs, most in ((learning, 500), (answering, 300)):
        for rows in outputs.rpn.proposals:
            assert 0 < len(rows) <= most
            assert float(rows.min()) >= 0
            assert (rows.amax(0) <= torch.tensor([160.0, 128, 160, 128])).all()


@pytest.mark.parametrize("name", ["faster_rcnn_squeezenet", "faster_rcnn_squeezenet_fpn"])
def test_as_many_boxes_are_predicted_as_asked_for(name: str) -> None:
    for most, least in ((7, 7), (100, 100), (400, 101)):
        model = _built(name, image_size=160, hidden=32, channels=32, max_boxes=most).eval()
        nn.init.normal_(model.head.logits.weight, std=0.5)
        inputs, placements = model.preprocess(list(_images(1)))
        model.min_score = 0.0
        with torch.no_grad():
            outputs = model(inputs)
            (boxes,) = model.decode(outputs, placements)
        assert len(outputs.rpn.proposals[0]) <= max(300, 3 * most)
        assert least <= len(boxes) <= most
    with pytest.raises(RecipeError, match="max_boxes is 0; expected at least 1"):
        _built(name, max_boxes=0)


def test_networks_of_the_paper_have_the_papers_layers() -> None:
    with torch.device("meta"):
        model = registry.build("faster_rcnn_vgg16", 20)
    assert isinstance(model, FasterRcnn)
    assert model.proposals.logits.out_channels == 9
    assert model.head.trunk.fc6.weight.shape == (4096, 25088)
    assert model.weight_map.rename("classifier.3.weight", model) == "head.trunk.fc7.weight"
    assert model.weight_map.rename("features.0.bias", model) == "backbone.features.0.bias"


def test_any_backbone_may_stand_below() -> None:
    assert registry.find("faster_rcnn_resnet34_fpn").name == "faster_rcnn_resnet34_fpn"
    assert registry.find("faster_rcnn_mobilenet_v3_small").takes("image_size")
    with pytest.raises(RecipeError, match="resnet51"):
        registry.find("faster_rcnn_resnet51_fpn")


@pytest.mark.parametrize("name", ["squeezenet", "resnet18", "vgg11", "mobilenet_v3_small"])
def test_layers_behind_the_only_map_are_left_out(name: str) -> None:
    whole, short = backbone(name).eval(), backbone(name).eval()
    short.load_state_dict(whole.state_dict())
    neck = OneMap(whole, 8)
    drop_later_maps(short, neck.tap)
    with torch.no_grad():
        pixels = torch.randn(1, 3, 64, 64)
        wanted, found = neck(whole(pixels))[0], neck(short(pixels))[0]
    assert torch.equal(wanted, found)
    count = [sum(parameter.numel() for parameter in network.parameters()) for network in (short, whole)]
    assert count[0] < count[1]
    assert sum(p.numel() for stage in short.stages() for p in stage.parameters()) == count[0]


def test_a_missing_stride_is_told() -> None:
    with pytest.raises(RecipeError, match="none of stride 64"):
        OneMap(backbone("squeezenet"), 64)


def test_shapes_have_the_area_and_the_aspect_asked_for() -> None:
    for width, height in rpn_anchor_shapes((32, 64)):
        assert math.isclose(math.sqrt(width * height) % 32, 0, abs_tol=1e-6) or math.isclose(
            math.sqrt(width * height) % 32, 32, abs_tol=1e-6
        )
    assert rpn_anchor_shapes((32,), whole=True) == ((46, 22), (32, 32), (22, 46))


def _whole() -> Placement:
    return Placement(*SIZE, input_height=SIZE[0], input_width=SIZE[1])


def test_predictions_are_thinned_out_as_by_the_authors() -> None:
    with torch.device("meta"):
        assert registry.build("faster_rcnn_vgg16", 20).max_iou == 0.3
        assert registry.build("faster_rcnn_squeezenet_fpn", 20).max_iou == 0.5

"""Mask R-CNN against torchvision's on the same weights, and the laws that it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lessons import check_that_the_loss_falls
from torch import Tensor, nn

from zorki import registry
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.tasks.instance_segmentation.models.mask_rcnn.mask_rcnn import MaskRcnn
from zorki.types import Instances, Placement
from zorki.weights import load_into
from zorki.weights.read import Weights

NUM_CLASSES = 4
SIZE = (128, 160)
SMALL = {"image_size": 160, "hidden": 32, "channels": 32, "mask_hidden": 16}


def _images(count: int = 2, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 3, 8, 10), generator=generator).float()
    return nn.functional.interpolate(coarse, SIZE, mode="bilinear").round().byte()


def _ellipses(boxes: list[list[float]], labels: list[int]) -> Instances:
    xyxy = torch.tensor(boxes)
    y, x = torch.arange(SIZE[0])[:, None] + 0.5, torch.arange(SIZE[1])[None] + 0.5
    left, top, right, bottom = (column[:, None, None] for column in xyxy.T)
    masks = ((2 * x - left - right) / (right - left)) ** 2 + ((2 * y - top - bottom) / (bottom - top)) ** 2 <= 1
    return Instances(xyxy, torch.tensor(labels), masks)


def _targets() -> list[Instances]:
    return [
        _ellipses([[10.0, 20, 60, 90], [40, 10, 150, 120], [100, 60, 130, 80]], [0, 3, 1]),
        _ellipses([[5.0, 5, 100, 100]], [2]),
    ]


def _nothing() -> Instances:
    return _targets()[0][:0]


def _whole() -> Placement:
    return Placement(*SIZE, input_height=SIZE[0], input_width=SIZE[1])


def _built(name: str, **options: Any) -> MaskRcnn:
    torch.manual_seed(0)
    model = registry.build(name, NUM_CLASSES, options)
    assert isinstance(model, MaskRcnn)
    return model


def _lively(name: str = "mask_rcnn_squeezenet_fpn") -> MaskRcnn:
    """Untrained, but with boxes that pass the threshold and masks that have borders."""
    model = _built(name, **SMALL).eval()
    with torch.no_grad():
        model.detector.head.logits.weight.normal_(std=0.5)
        model.mask_head.logits.weight.normal_()
    return model


def _total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


@pytest.fixture(scope="module")
def twins() -> tuple[MaskRcnn, nn.Module]:
    """Ours and torchvision's with the same weights: random, with heads lively enough to disagree with themselves."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(1)
    theirs = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=NUM_CLASSES + 1,
        min_size=SIZE[0],
        max_size=SIZE[1],
        box_score_thresh=0.3,
        rpn_post_nms_top_n_train=300,
        rpn_post_nms_top_n_test=300,
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
    ours = _built("mask_rcnn_resnet50_fpn", min_score=0.3).eval()
    ours.detector.proposals.after = (300, 300)
    match = load_into(ours, _stored(theirs.state_dict()), ours.weight_map)
    assert not match.mismatched
    assert [name for name in match.new if not name.startswith("normalize.")] == []
    assert match.unused == []
    return ours, theirs


def _stored(state: dict[str, Tensor]) -> Weights:
    return Weights(state, {}, Path("twin.pth"))


def test_equal_weights_give_torchvisions_predictions(twins: tuple[MaskRcnn, nn.Module]) -> None:
    ours, theirs = twins
    images = _images()
    with torch.no_grad():
        mine = ours.eval().decode(ours(images), [_whole()] * 2)
        reference = theirs.eval()(list(images.float() / 255))
    for one, other in zip(mine, reference, strict=True):
        assert len(one) >= 20
        assert one.masks.shape == (len(one), *SIZE)
        assert one.scores is not None
        # Almost equal scores may change places, and which of two is the hundredth is chance.
        rows = torch.cat([one.xyxy / 100, one.scores[:, None], one.labels[:, None]], 1)
        answers = torch.cat([other["boxes"] / 100, other["scores"][:, None], other["labels"][:, None] - 1], 1)
        away, nearest = (rows[:, None] - answers[None]).abs().amax(2).min(1)
        paired = away < 5e-4
        assert float(paired.float().mean()) > 0.97
        wanted = other["masks"][nearest[paired], 0] > 0.5
        found = one.masks[paired]
        share = wanted.float().mean()
        assert 0.001 < float(share) < 0.5
        # Corners are rounded down to whole pixels: one in a few dozen masks may lie on an edge.
        same = (found == wanted).flatten(1).float().mean(1) > 0.9999
        assert float(same.float().mean()) > 0.95
        assert float((found == wanted).float().mean()) > 0.999


def test_equal_weights_give_torchvisions_losses(twins: tuple[MaskRcnn, nn.Module]) -> None:
    ours, theirs = twins
    images, targets = _images(), _targets()
    theirs.train()
    theirs.backbone.eval()
    # With every row sampled, chance has no say.
    for sampler in (theirs.rpn.fg_bg_sampler, theirs.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image = 10**6
    ours.train()
    ours.detector.count = ours.detector.proposals.count = 10**6
    wanted = [
        {"boxes": target.xyxy, "labels": target.labels + 1, "masks": target.masks.to(torch.uint8)} for target in targets
    ]
    with torch.no_grad():
        mine = ours.loss(ours(images), targets)
        reference = theirs(list(images.float() / 255), wanted)
    names = {
        "objectness": "loss_objectness",
        "proposals": "loss_rpn_box_reg",
        "classes": "loss_classifier",
        "boxes": "loss_box_reg",
        "masks": "loss_mask",
    }
    assert mine.keys() == names.keys()
    for name, value in mine.items():
        assert float(value) > 1e-3
        assert torch.allclose(value, reference[names[name]], rtol=1e-3), name


def test_published_files_fill_the_network_by_their_old_names() -> None:
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    with torch.device("meta"):
        names = list(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict())
        model = registry.build("mask_rcnn_resnet50_fpn", 80)
    names = [name.replace("rpn.head.conv.0.0.", "rpn.head.conv.") for name in names]
    for place in range(4):
        new, old = f"mask_head.{place}.0.", f"mask_head.mask_fcn{place + 1}."
        names = [name.replace(new, old) for name in names]
    assert sum("mask_head.mask_fcn" in name for name in names) == 8
    ours = {name for name in model.state_dict() if not name.startswith("normalize.") and "num_batches" not in name}
    assert {model.weight_map.rename(name, model) for name in names if "num_batches" not in name} == ours


def test_weights_of_faster_rcnn_and_of_a_classifier_fill_what_they_know() -> None:
    model = _built("mask_rcnn_squeezenet_fpn", **SMALL)
    boxes = registry.build("faster_rcnn_squeezenet_fpn", NUM_CLASSES, {"image_size": 160, "hidden": 32, "channels": 32})
    match = load_into(model, _stored(boxes.state_dict()), model.weight_map)
    assert not match.unused
    assert not match.mismatched
    assert all(name.startswith("mask_head.") for name in match.new)
    assert model.weight_map.rename("features.0.weight", model) == "detector.backbone.features.0.weight"
    own = load_into(_built("mask_rcnn_squeezenet_fpn", **SMALL), _stored(model.state_dict()), model.weight_map)
    assert not own.new
    assert not own.unused


@pytest.mark.parametrize("name", ["mask_rcnn_squeezenet_fpn", "mask_rcnn_squeezenet"])
def test_every_parameter_learns_also_from_images_without_objects(name: str) -> None:
    model = _built(name, **SMALL).train()
    images = _images()
    before = images.clone()
    losses = model.loss(model(images), [_nothing()] * 2)
    assert losses["boxes"].item() == losses["proposals"].item() == losses["masks"].item() == 0
    _total(losses).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []
    model.zero_grad()
    losses = model.loss(model(images), [_targets()[0], _nothing()])
    assert losses["masks"].item() == pytest.approx(0.693, abs=0.05), "every pixel starts at a half"
    _total(losses).backward()
    idle = [key for key, parameter in model.mask_head.named_parameters() if not bool(parameter.grad.any())]
    assert idle == []
    assert all(bool(parameter.grad.isfinite().all()) for parameter in model.parameters())
    assert torch.equal(images, before)


def test_the_loss_falls_on_one_repeated_batch() -> None:
    model = _built("mask_rcnn_squeezenet_fpn", image_size=160, hidden=64, channels=64, mask_hidden=32)
    check_that_the_loss_falls(model, _images(), _targets(), parts={"masks": 0.9})


def test_crowds_are_not_learned_from() -> None:
    model = _built("mask_rcnn_squeezenet_fpn", **SMALL).train()
    outputs = model(_images(1))
    some = _targets()[0]
    some.crowd = torch.tensor([False, True, False])
    found = []
    for target in (some, some[torch.tensor([0, 2])]):
        torch.manual_seed(0)
        found.append(model.loss(outputs, [target]))
    for key, value in found[0].items():
        assert torch.equal(value, found[1][key]), key


def test_four_images_are_predicted_as_one_by_one() -> None:
    model = _lively()
    images = _images(4)
    with torch.no_grad():
        together = model.decode(model(images), [_whole()] * 4)
        alone = [model.decode(model(image[None]), [_whole()])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert len(a) == len(b) > 5
        assert a.scores is not None
        assert b.scores is not None
        assert torch.allclose(a.scores, b.scores, atol=1e-4)
        assert bool((a.scores.diff() <= 0).all()), "best first"
        same = torch.isclose(a.xyxy, b.xyxy, atol=1e-2).all(1) & (a.labels == b.labels)
        assert float(same.float().mean()) > 0.9
        assert float((a.masks[same] == b.masks[same]).float().mean()) > 0.999


def test_as_many_objects_are_predicted_as_asked_for() -> None:
    for name in ("mask_rcnn_squeezenet_fpn", "mask_rcnn_squeezenet", "mask_rcnn_mobilenet_v3_large_fpn"):
        model = registry.find(name).build(num_classes=2, max_boxes=250, dark_ground=True, image_size=96)
        assert isinstance(model, MaskRcnn)
        assert model.detector.max_boxes == 250
        assert model.detector.proposals.after[1] == 750
        assert model.preprocess == Letterbox(96, dark_ground=True)


def test_masks_are_in_original_pixels() -> None:
    model = _lively()
    inputs, placements = model.preprocess([_images(1)[0].repeat(1, 4, 2), _images(1)[0]])  # 512 x 320, 128 x 160
    with torch.no_grad():
        found, small = model.decode(model(inputs), placements)
    assert found.masks.shape == (len(found), 512, 320)
    assert small.masks.shape == (len(small), *SIZE)
    assert found.masks.dtype == torch.bool
    assert len(found) > 5
    shown = 0
    for mask, (x0, y0, x1, y1) in zip(found.masks, found.xyxy.tolist(), strict=True):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        shown += 1
        # The rim is a twenty-eighth of the box wide, and half of it at most passes the threshold.
        rim_x, rim_y = 1 + (x1 - x0) / 28, 1 + (y1 - y0) / 28
        assert x0 - rim_x <= int(columns[0]) <= int(columns[-1]) < x1 + rim_x
        assert y0 - rim_y <= int(rows[0]) <= int(rows[-1]) < y1 + rim_y
    assert shown > 5
    assert int(found.masks.any(0).any(1).nonzero()[-1]) > 400, "the far end of the long image is reached"


def test_images_in_which_nothing_is_found_have_no_masks() -> None:
    model = _built("mask_rcnn_squeezenet_fpn", **SMALL).eval()
    model.detector.min_score = 1.0
    with torch.no_grad():
        answers = model.decode(model(_images()), [_whole()] * 2)
    assert [tuple(answer.masks.shape) for answer in answers] == [(0, *SIZE)] * 2


def test_the_mask_of_the_boxs_class_is_predicted() -> None:
    model = _lively()
    with torch.no_grad():
        model.mask_head.logits.weight.zero_()
        model.mask_head.logits.bias.copy_(torch.tensor([-9.0, 9, -9, 9]))
        answer = model.decode(model(_images(1)), [_whole()])[0]
    assert set(answer.labels.tolist()) & {1, 3}
    large = (answer.xyxy[:, 2:] - answer.xyxy[:, :2]).amin(1) > 4
    drawn = answer.masks.flatten(1).any(1)
    assert torch.equal(drawn[large], (answer.labels % 2 == 1)[large])


def test_the_ledger_sees_every_layer() -> None:
    model = _built("mask_rcnn_squeezenet_fpn", **SMALL).eval()
    called = []
    for layer in (model.mask_head.logits, model.detector.head.logits, model.detector.proposals.logits):
        layer.register_forward_hook(lambda *_, layer=layer: called.append(layer))
    with torch.no_grad():
        model.trace(_images(1))
    assert len(called) >= 3
    assert called[-1] is model.mask_head.logits


def test_any_backbone_may_stand_below() -> None:
    assert registry.find("mask_rcnn_resnet34_fpn").name == "mask_rcnn_resnet34_fpn"
    assert "mask_hidden" in registry.find("mask_rcnn_mobilenet_v3_small").options()
    with pytest.raises(RecipeError, match="resnet51"):
        registry.find("mask_rcnn_resnet51_fpn")

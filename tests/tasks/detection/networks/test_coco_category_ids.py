from pathlib import Path

import pytest
import torch
from torch import nn

from zorki.tasks.detection.class_names import coco_names
from zorki.tasks.detection.networks.coco_category_ids import NUMBERS, UNUSED, accept_coco_slots
from zorki.weights import load_into
from zorki.weights.read import Weights


def numbered(slots, anchors=1, values=1):
    """A layer's weights whose every row holds 1000 * anchor + 10 * slot + value."""
    rows = [1000 * a + 10 * s + v for a in range(anchors) for s in range(slots) for v in range(values)]
    bias = torch.tensor(rows, dtype=torch.float32)
    return {"weight": bias[:, None].expand(-1, 3).clone(), "bias": bias}


USED = [number for number in range(NUMBERS) if number not in UNUSED]


@pytest.mark.parametrize(
    ("classes", "nothing", "wanted"),
    [
        (80, "none", USED),
        (90, "none", list(range(1, 91))),
        (80, "first", [0, *USED]),
        (80, "last", [*USED, 91]),
        (90, "last", list(range(1, 92))),
    ],
)
@pytest.mark.parametrize("anchors", [1, 2])
def test_rows_of_classes_that_exist_are_taken(classes, nothing, wanted, anchors):
    layer = nn.Linear(3, anchors * len(wanted))
    accept_coco_slots(layer, classes, nothing=nothing)
    match = load_into(layer, Weights(numbered(92 if nothing == "last" else 91, anchors), {}, Path("coco.pth")))
    assert not match.mismatched
    assert layer.bias.tolist() == [1000 * a + 10 * slot for a in range(anchors) for slot in wanted]
    assert torch.equal(layer.weight[:, 2], layer.bias)


def test_boxes_of_each_class_go_with_their_class():
    layer = nn.Linear(3, 81 * 4)
    accept_coco_slots(layer, 80, nothing="first", values=4)
    load_into(layer, Weights(numbered(91, values=4), {}, Path("coco.pth")))
    assert layer.bias[:12].tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]


def test_own_weights_and_other_counts_are_left_alone():
    layer = nn.Linear(3, 80)
    accept_coco_slots(layer, 80)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.load_state_dict(state)
    assert torch.equal(layer.bias, state["bias"])
    other = nn.Linear(3, 5)
    accept_coco_slots(other, 5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.load_state_dict(numbered(91))


def test_unused_numbers_are_those_without_a_name():
    names = coco_names(91)
    assert tuple(number for number, name in enumerate(names) if name.startswith("unused")) == UNUSED
    assert [names[number] for number in USED] == coco_names(80)


@pytest.mark.parametrize(
    "name", ["faster_rcnn_resnet50_fpn", "ssd300_vgg16", "retinanet_resnet50_fpn", "fcos_resnet50_fpn"]
)
def test_published_networks_of_91_numbers_fill_ours_of_80_and_90_classes(name):
    """By shapes alone: torchvision's networks are built without memory, and nothing is left over on either side."""
    from torchvision.models import detection

    from zorki import registry
    from zorki.nn.layers.initialize import without_values

    theirs = {"faster_rcnn_resnet50_fpn": "fasterrcnn_resnet50_fpn"}.get(name, name)
    with torch.device("meta"):
        state = getattr(detection, theirs)(weights=None, weights_backbone=None).state_dict()
    for classes in (80, 90):
        with without_values():
            model = registry.build(name, classes)
        renamed = {model.weight_map.rename(key, model): value for key, value in state.items()}
        missing = model.load_state_dict(renamed, strict=False, assign=True)
        left = [key for key in missing.missing_keys if not key.startswith("normalize.") and "num_batches" not in key]
        assert not left
        assert not missing.unexpected_keys


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("faster_rcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"),
        ("retinanet_resnet50_fpn", "retinanet_resnet50_fpn_coco-eeacb38b.pth"),
    ],
)
def test_norms_published_without_an_epsilon_prediction_as_published(name, file):
    from zorki import registry
    from zorki.nn.layers.initialize import without_values

    with without_values():
        model = registry.build(name, 3)
    given = {"backbone.body.bn1.running_var": torch.tensor([0.5, 1e-3]), "head.x": torch.ones(2)}
    ours = model.weight_map.adapt(given, file, model)
    assert torch.allclose(ours["backbone.body.bn1.running_var"] + model.backbone.bn1.eps, torch.tensor([0.5, 1e-3]))
    assert ours["head.x"] is given["head.x"]
    assert model.weight_map.adapt(given, "mine.pth", model) is given
    # Renamed, what it predicts tells whose it is: nine anchors a cell, or one box a region, for each of 91 numbers.
    rows = {
        "retinanet": ("head.classification_head.cls_logits", 9),
        "faster_rcnn": ("roi_heads.box_predictor.cls_score", 1),
    }
    answers, each = rows[name.removesuffix("_resnet50_fpn")]
    for classes, adapted in ((91, True), (21, False)):
        renamed = {**given, f"{answers}.weight": torch.zeros(each * classes, 1)}
        assert (model.weight_map.adapt(renamed, "mine.pth", model) is not renamed) == adapted

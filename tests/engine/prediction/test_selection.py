import pytest
import torch

from zorki.contracts.capabilities import Selection, SelectsPredictions
from zorki.engine.prediction.inference import predict_images
from zorki.engine.prediction.selection import keep_selected, labels_of, select, selection_of
from zorki.errors import RecipeError
from zorki.registry import find
from zorki.types import Boxes

NAMES = ("cat", "dog", "owl, barn", "7")
IMAGE = torch.randint(0, 256, (3, 90, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def built(name, **options):
    torch.manual_seed(0)
    return find(name).build(3, **options).eval()


def answers(model, **asked):
    view = select(model, Selection(**asked))
    (found,) = predict_images(view, [IMAGE])
    return found


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        ("dog", [1]),
        ("dog,cat", [0, 1]),
        (["dog", 0], [0, 1]),
        ("owl, barn", [2]),
        ("7", [3]),
        (2, [2]),
        ("2 , cat", [0, 2]),
    ],
)
def test_classes_are_names_or_labels(classes, labels):
    assert labels_of(classes, NAMES) == labels


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"conf": 1.5}, r"conf is 1\.5; expected 0 to 1"),
        ({"iou": -0.1}, r"iou is -0\.1; expected 0 to 1"),
        ({"max_det": 0}, "max_det is 0; expected at least 1"),
        ({"classes": "cta"}, r"no class is named 'cta'\. Did you mean cat\?"),
        ({"classes": [4]}, "labels run from 0 to 3"),
    ],
)
def test_values_out_of_range(asked, reason):
    settings = {"conf": None, "iou": None, "max_det": None, "classes": None, **asked}
    with pytest.raises(RecipeError, match=reason):
        selection_of(**settings, names=NAMES)


def test_a_detector_selects_among_its_candidates():
    model = built("ssd_squeezenet", image_size=96)
    assert isinstance(model, SelectsPredictions)
    every = answers(model, min_score=0.0, max_count=100_000)
    built_with = answers(model)
    assert len(every) > len(built_with)
    half = float(every.scores.median())
    assert len(answers(model, min_score=half, max_count=100_000)) == int((every.scores > half).sum())
    assert torch.equal(answers(model, min_score=0.0, max_count=7).scores, every.scores[:7])
    strict, loose = (answers(model, min_score=0.0, max_count=100_000, max_iou=share) for share in (0.1, 0.9))
    assert len(strict) < len(every) < len(loose)
    # Wanted classes are chosen before the best are: others take no place among them.
    rarest = int(every.labels.bincount(minlength=3).argmin())
    of_one = every[every.labels == rarest]
    assert torch.equal(answers(model, min_score=0.0, max_count=5, labels=(rarest,)).xyxy, of_one.xyxy[:5])
    assert torch.equal(answers(model).xyxy, built_with.xyxy), "the model itself stays as it is"


def test_a_view_shares_weights():
    model = built("ssd_squeezenet", image_size=96)
    view = select(model, Selection(min_score=0.9))
    assert view is not model
    assert all(a is b for a, b in zip(model.parameters(), view.parameters(), strict=True))
    assert (model.min_score, view.min_score) == (model.min_score, 0.9)
    assert select(model, Selection()) is model


def test_two_stages_find_more_proposals_for_more_boxes():
    few, many = (built("faster_rcnn_squeezenet", image_size=96, max_boxes=count) for count in (100, 150))
    selected, wanted = answers(few, min_score=0.0, max_count=150), answers(many, min_score=0.0)
    assert len(wanted) > 100
    assert torch.equal(selected.xyxy, wanted.xyxy)
    assert len(answers(few, min_score=0.0)) == 100
    masks = built("mask_rcnn_squeezenet_fpn")
    view = select(masks, Selection(max_count=150))
    assert view.detector.max_boxes == 150
    assert view.detector.proposals.after[1] == masks.detector.proposals.after[1] * 3 // 2
    assert masks.detector.max_boxes == 100


def test_networks_without_suppression_say_so():
    for name in ("detr_squeezenet", "border_unet_squeezenet", "cifar_resnet20", "unet_squeezenet"):
        with pytest.raises(RecipeError, match="has no non-maximum suppression, so there is no IoU threshold"):
            select(built(name), Selection(max_iou=0.5))
    for name in ("cifar_resnet20", "unet_squeezenet"):
        with pytest.raises(RecipeError, match="makes one prediction an image; leave max_det out"):
            select(built(name), Selection(max_count=5))
    view = select(built("border_unet_squeezenet"), Selection(min_score=0.3, max_count=5, labels=(1,)))
    assert (view.limits.min_score, view.limits.max_objects, view.limits.labels) == (0.3, 5, (1,))


def test_what_is_joined_is_cut_again():
    boxes = Boxes(torch.zeros(4, 4), torch.tensor([0, 1, 0, 0]), torch.tensor([0.2, 0.9, 0.8, 0.5]))
    kept = keep_selected(boxes, Selection(min_score=0.3, max_count=2))
    assert kept.scores.tolist() == pytest.approx([0.9, 0.8])
    assert keep_selected(boxes, Selection(labels=(0,), max_count=2)).scores.tolist() == pytest.approx([0.8, 0.5])
    assert keep_selected(boxes, Selection()) is boxes

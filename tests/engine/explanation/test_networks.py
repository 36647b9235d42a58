"""Every kind of network tells what is explained, as a number for each image, on which a layer's maps depend."""

import pytest
import torch
from tiny_backbone import tiny_squeezenet
from torch import nn

from zorki import registry
from zorki.contracts.capabilities import Explainable, Focus
from zorki.engine.explanation.cam import activation_maps
from zorki.engine.explanation.network import ask
from zorki.errors import RecipeError
from zorki.types import Placement

LABELED = ("lenet5", "cam_squeezenet1_1", "localizer_squeezenet1_1", "unet_squeezenet")
BOXED = ("ssd_squeezenet", "fcos_squeezenet", "retinanet_squeezenet", "yolo1_squeezenet", "yolo3_squeezenet",
         "faster_rcnn_squeezenet_fpn", "mask_rcnn_squeezenet_fpn")  # fmt: skip
GROUPED = ("border_unet_squeezenet", "deep_watershed_squeezenet", "deep_coloring_squeezenet")
COMPARED = ("triplet_squeezenet", "simclr_squeezenet")
SIZES = {"lenet5": 32} | dict.fromkeys(BOXED, 96)


@pytest.fixture
def made(monkeypatch):
    tiny_squeezenet(monkeypatch)

    def make(name, **options):
        torch.manual_seed(0)
        model = registry.build(name, 3, {"image_size": SIZES.get(name, 64), **options}).eval()
        image = torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8)
        inputs, (placement,) = model.preprocess([image])
        return model, inputs, placement

    return make


def check_numbers(asked):
    """One for each image, alike for images that are alike; and maps on which it depends."""
    assert isinstance(asked.model, Explainable)
    pixels = asked.pixels
    scores = asked.scores(torch.cat([pixels, 255 - pixels, pixels]))
    assert scores.shape == (3,)
    assert scores.isfinite().all()
    torch.testing.assert_close(scores[0], scores[2])
    maps = activation_maps(asked)
    assert maps is not None
    assert maps.grad_cam(asked.size).shape == asked.size
    assert bool(maps.gradients[-1].any())


@pytest.mark.parametrize("name", LABELED)
def test_classes(made, name):
    asked = ask(*made(name), Focus())
    assert asked.focus.label in range(3)
    check_numbers(asked)
    other = ask(*made(name), Focus((asked.focus.label + 1) % 3))
    assert other.own_score() != asked.own_score()


@pytest.mark.parametrize("name", BOXED)
def test_boxes(made, name):
    model, inputs, placement = made(name)
    asked = ask(model, inputs, placement, Focus())
    left, top, right, bottom = asked.focus.box
    assert right > left
    assert bottom > top
    check_numbers(asked)
    assert ask(model, inputs, placement, Focus(asked.focus.label, asked.focus.box)).focus.box == asked.focus.box


@pytest.mark.parametrize("name", GROUPED)
def test_objects_of_pixels(made, name):
    model, inputs, placement = made(name)
    model.output.bias.data[1] = 3.0
    asked = ask(model, inputs, placement, Focus())
    assert asked.focus.pixels.any()
    check_numbers(asked)


@pytest.mark.parametrize("name", COMPARED)
def test_embeddings_are_compared(made, name):
    model, inputs, placement = made(name)
    with pytest.raises(RecipeError, match="--reference"):
        ask(model, inputs, placement, Focus())
    with torch.no_grad():
        (own,) = model.decode(model(inputs), [placement])
    itself = nn.functional.normalize(own.vector, dim=0)
    assert ask(model, inputs, placement, Focus(reference=itself)).own_score() == pytest.approx(1, abs=1e-5)
    other = nn.functional.normalize(itself + torch.randn(len(itself)), dim=0)
    check_numbers(ask(model, inputs, placement, Focus(reference=other)))


def test_joints_have_scores_where_they_are_learned(made):
    asked = ask(*made("deep_pose_squeezenet", dropout=0.0), Focus(1))
    check_numbers(asked)
    assert asked.placement.scales == pytest.approx((asked.size[1] / 56,) * 2)  # a square around the wide image
    assert asked.placement.top == pytest.approx(8 * asked.size[1] / 56)
    with pytest.raises(RecipeError, match="no scores to explain"):
        ask(*made("deep_pose_squeezenet", loss="l2"), Focus())


def test_regions_of_pixels(made):
    model, inputs, placement = made("unet_squeezenet")
    asked = ask(model, inputs, placement, Focus(box=(10.0, 8.0, 30.0, 20.0)))
    rows, columns = asked.focus.pixels.nonzero(as_tuple=True)
    assert set(rows.tolist()) <= set(range(8, 20))
    assert set(columns.tolist()) <= set(range(10, 30))
    background = ask(model, inputs, placement, Focus(background=(asked.focus.label,)))
    assert background.focus.label != asked.focus.label
    with pytest.raises(RecipeError, match="no pixel"):
        ask(model, inputs, placement, Focus(box=(200.0, 8.0, 230.0, 20.0)))


def test_a_region_without_objects_is_told(made):
    model, inputs, placement = made("ssd_squeezenet")
    with pytest.raises(RecipeError, match="no object in this region"):
        ask(model, inputs, placement, Focus(box=(500.0, 500.0, 510.0, 510.0)))


def test_what_gives_no_score_is_refused():
    with pytest.raises(RecipeError, match="no score to explain"):
        ask(registry.build("gatys_squeezenet", 1), torch.zeros(1), Placement(8, 8), Focus())

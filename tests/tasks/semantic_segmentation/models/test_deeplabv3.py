"""DeepLabV3 for small images, on any backbone; torchvision's own are in test_torchvision_twins.py."""

import pytest
import segmenter_laws as laws
import torch

from zorki.errors import RecipeError
from zorki.tasks.semantic_segmentation.models.deeplabv3 import AtrousPyramid

OTHERS = ["deeplabv3_resnet18", "deeplabv3_mobilenet_v3_small", "deeplabv3_timm:resnet10t"]


@pytest.mark.parametrize("name", ["deeplabv3_squeezenet", *OTHERS])
def test_it_keeps_the_laws_of_segmenters(name):
    model = laws.built(name, channels=16)
    laws.check_odd_sizes(model)
    laws.check_together(model)
    laws.check_original_pixels(model)
    laws.check_gradients(model)


def test_the_loss_falls_on_one_repeated_batch():
    laws.check_learning(laws.built("deeplabv3_squeezenet", channels=32))


def test_a_batch_of_one_image_trains():
    model = laws.built("deeplabv3_squeezenet", channels=16).train()
    inputs, targets = laws.lesson(model, 1)
    laws.total_loss(model, inputs, targets).backward()


def test_a_branch_sees_as_far_as_its_rate():
    """Section 3.3: a 3x3 kernel of rate r reads places r apart."""
    pyramid = AtrousPyramid(1, (2, 5), 4).eval()
    x = torch.zeros(1, 1, 15, 15)
    x[0, 0, 7, 7] = 1
    for branch, rate in zip(pyramid.convs[1:-1], (2, 5), strict=True):
        with torch.no_grad():
            selected_labels = branch[0](x)[0].abs().sum(0).nonzero()
        wanted = {(7 + i * rate, 7 + j * rate) for i in (-1, 0, 1) for j in (-1, 0, 1)}
        assert {tuple(place) for place in selected_labels.tolist()} == wanted


def test_the_prediction_at_a_pixel_is_centered_on_that_pixel():
    model = laws.built("deeplabv3_squeezenet", channels=8, rates=(1, 2))
    model.head[0].convs[-1] = torch.nn.Identity()  # the mean of the whole map is centered on the image
    model.head[0].project = torch.nn.Conv2d(512 + 3 * 8, 8, 1)
    found = laws.center_of_sight(model, 416, (192, 203))
    assert found == (pytest.approx(192.5, abs=1.0), pytest.approx(203.5, abs=1.0))


def test_what_does_not_fit_is_refused():
    with pytest.raises(RecipeError, match=r"such as 6,12,18; got \(6, 0\)"):
        laws.built("deeplabv3_squeezenet", rates="6,0")

"""Views of images: drawn by their generators alone, and changed as single images are."""

import dataclasses

import pytest
import torch

from zorki.data.preprocess.pretraining.random_views import RandomViews, _change_colors
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.data.transforms.augment import vary_colors
from zorki.errors import RecipeError

PLAIN = {"jitter": 0.0, "grayscale": 0.0, "blur": 0.0, "later_blur": 0.0, "hflip": 0.0}


def images(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for size in sizes]


def chance(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_view_follows_from_its_image_and_its_generator():
    preprocess = RandomViews(24)
    a, b, c = images((30, 40), (24, 24), (50, 20))
    together, placements = preprocess([a, b, c], chance(1, 2, 3))
    assert together.shape == (3, 2, 3, 24, 24)
    assert together.dtype == torch.uint8
    assert [placement.width for placement in placements] == [40, 24, 20]
    alone = torch.cat([preprocess([one], chance(seed))[0] for one, seed in ((a, 1), (b, 2), (c, 3))])
    assert int((together.int() - alone.int()).abs().max()) <= 1, "rounding of one matrix product or several"
    assert not torch.equal(together[:, 0], together[:, 1])
    assert torch.equal(a, images((30, 40))[0]), "images stay as they are"


def test_colors_are_those_of_single_images():
    views = torch.stack(images((16, 16), (16, 16), (16, 16)))
    colors = [(1.3, 0.8, 1.2, 0.1), None, (0.7, 1.4, 0.0, 0.0)]
    changed = views.clone()
    _change_colors(changed, colors)
    assert torch.equal(changed[1], views[1])
    for row in (0, 2):
        one = vary_colors(views[row], *colors[row])
        assert int((changed[row].int() - one.int()).abs().max()) <= 1
    assert int((changed[2].amax(0).int() - changed[2].amin(0).int()).max()) <= 1, "gray"


def test_crops_keep_the_area_that_they_are_asked_for():
    """An image whose pixels tell their place: a crop's extent shows in its values."""
    ramp = torch.arange(250, dtype=torch.uint8).expand(3, 250, 250).contiguous()
    views, _ = RandomViews(25, count=40, min_area=0.36, **PLAIN)([ramp], chance(0))
    widths = (views[0, :, 0, 0, -1].int() - views[0, :, 0, 0, 0].int()).float() / 250 * 25 / 24
    assert 0.49 < float(widths.min()) < 0.62
    assert float(widths.max()) > 0.85
    whole, _ = RandomViews(250, min_area=1.0, **{**PLAIN, "hflip": 1.0})([ramp], chance(0))
    assert torch.equal(whole[0, 0], ramp.flip(2))


def test_probabilities_of_one_and_of_zero():
    (image,) = images((20, 20))
    gray = RandomViews(20, min_area=1.0, **{**PLAIN, "grayscale": 1.0})([image], chance(0))[0][0]
    assert torch.equal(gray[:, 0], gray[:, 1])
    blurred = RandomViews(20, min_area=1.0, **{**PLAIN, "blur": 1.0})([image], chance(3))[0][0]
    assert torch.equal(blurred[1], image)
    assert float(blurred[0].float().std()) < float(image.float().std())
    inverted = RandomViews(20, min_area=1.0, later_solarize=1.0, **PLAIN)([image], chance(0))[0][0]
    assert torch.equal(inverted[0], image)
    assert torch.equal(inverted[1], torch.where(image < 128, image, 255 - image))


def test_without_generators_an_image_is_one_view_as_evaluation_sees_it():
    (image,) = images((40, 60))
    small, large = RandomViews(32), RandomViews(80)
    assert torch.equal(small([image])[0][:, 0], ResizeCrop(32)([image])[0])
    assert torch.equal(large([image])[0][:, 0], ResizeCrop(80, 0.875)([image])[0])
    evaluated = small.evaluated()
    inputs, placements = evaluated([image])
    assert inputs.shape == (1, 3, 3, 32, 32)
    assert torch.equal(inputs[:, :1], small([image])[0])
    assert placements == small([image])[1]
    assert torch.equal(evaluated([image], chance(9))[0], inputs), "the same views every time"


def test_it_is_saved_and_made_again():
    preprocess = RandomViews(32, jitter=0.5, later_solarize=0.2)
    assert preprocess_from_json(preprocess.to_json()) == preprocess
    assert preprocess.whole() is preprocess


@pytest.mark.parametrize("given", [{"size": 0}, {"min_area": 0.0}, {"jitter": 2.0}, {"grayscale": 1.5}, {"count": 0}])
def test_values_out_of_range_are_refused(given):
    with pytest.raises(RecipeError, match="must"):
        dataclasses.replace(RandomViews(32), **given)

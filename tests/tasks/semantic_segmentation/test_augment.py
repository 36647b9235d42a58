"""Masks go where their images go: classes are painted into the image, which is varied, and looked for again."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import max_pool2d

from zorki.data.scenes.dataset import scene
from zorki.data.transforms.augment import Augment
from zorki.tasks.recipe_augment import augment_of
from zorki.tasks.semantic_segmentation.augment import augment_mask, move_mask, weigh_borders
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.types import Mask, Sample

COLORS = torch.tensor(
    [[200, 60, 60], [60, 200, 60], [60, 60, 200], [200, 200, 60], [200, 60, 200], [60, 200, 200], [230, 230, 230]],
    dtype=torch.uint8,
)
BLACK = torch.zeros(1, 3, dtype=torch.uint8)  # what comes in from outside, and shows where nobody evaluates


def painted(index=0, size=(90, 130)):
    """A scene's mask, and an image that shows nothing but its classes."""
    classes = scene(0, index, size=size, objects=(3, 5)).mask.classes % len(COLORS)
    classes[:3, 5:20] = 255
    return Sample(paint(Mask(classes)), Mask(classes), Path("painted.png"))


def paint(mask):
    table = torch.cat([COLORS, BLACK])
    return table[mask.classes.where(mask.classes != mask.ignore, len(COLORS))].permute(2, 0, 1).contiguous()


def inner(classes, reach):
    """Pixels with nothing but their own class within so many pixels, and the image's edge not among them."""
    values = classes.float()[None, None]
    most, least = (sign * max_pool2d(sign * values, 2 * reach + 1, 1, reach) for sign in (1, -1))
    kept = (most == least)[0, 0]
    kept[:reach], kept[-reach:], kept[:, :reach], kept[:, -reach:] = False, False, False, False
    return kept


@pytest.mark.parametrize(
    "settings",
    [
        {"hflip": 1.0},
        {"vflip": 1.0},
        {"random_crop": 0.3},
        {"translate": 0.4},
        {"hflip": 0.5, "vflip": 0.5, "random_crop": 0.4, "translate": 0.3},
    ],
    ids=str,
)
def test_cut_and_flipped_they_agree_to_the_pixel(settings):
    sample, generator = painted(), torch.Generator().manual_seed(3)
    for _ in range(12):
        varied = augment_mask(sample, Augment(**settings), generator)
        assert torch.equal(paint(varied.target), varied.image)


def test_flipping_and_cropping_the_sample_is_flipping_and_cropping_its_mask():
    sample, augment = painted(), Augment(hflip=0.5, vflip=0.5, random_crop=0.4, translate=0.3)
    beyond = torch.full((90 * 3, 130 * 3), 255)
    beyond[90:180, 130:260] = sample.target.classes
    for seed in range(12):
        drawn = augment.draw(90, 130, torch.Generator().manual_seed(seed))
        top, left, height, width = drawn.window
        expected = beyond[90 + top : 90 + top + height, 130 + left : 130 + left + width]
        expected = expected.flip(1) if drawn.flip else expected
        expected = expected.flip(0) if drawn.flip_vertical else expected
        found = augment_mask(sample, augment, torch.Generator().manual_seed(seed)).target
        assert torch.equal(found.classes, expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"rotate": 40},
        {"scale_jitter": 0.4},
        {"elastic": 4.0},
        {
            "rotate": 30,
            "scale_jitter": 0.3,
            "hflip": 0.5,
            "vflip": 0.5,
            "random_crop": 0.5,
            "translate": 0.2,
            "elastic": 3.0,
        },
    ],
    ids=str,
)
def test_warped_they_agree_but_for_the_borders_of_classes(settings):
    generator, wrong, pixels = torch.Generator().manual_seed(5), 0, 0
    for index in range(12):
        sample = painted(index)
        varied = augment_mask(sample, Augment(**settings), generator)
        classes, image = varied.target.classes, varied.image
        expected = paint(varied.target)
        # Between two classes the image is blended; one pixel further there is nothing but the class.
        differ = (image.int() - expected.int()).abs().amax(0)
        assert differ[inner(classes, 2)].max() == 0
        # And along the borders the nearest color is that of the mask, as often as a blend can be told.
        table = torch.cat([COLORS, BLACK]).float()
        nearest = torch.cdist(image.float().flatten(1).T, table).argmin(1).view(classes.shape)
        known = classes.where(classes != 255, len(COLORS))
        wrong, pixels = wrong + int((nearest != known).sum()), pixels + classes.numel()
        assert len(classes[inner(classes, 2)].unique()) > 1, "nothing but ground would agree with anything"
    assert wrong / pixels < 0.006


@pytest.mark.parametrize("size", [None, 48])
def test_mask_and_image_have_one_size(size):
    augment = Augment(random_crop=0.4, rotate=20, elastic=3.0, hflip=0.5, image_size=size)
    varied = augment_mask(painted(), augment, torch.Generator().manual_seed(0))
    assert varied.target.classes.shape == varied.image.shape[1:]
    if size:
        assert varied.image.shape == (3, size, size)
        agree = (varied.image.int() - paint(varied.target).int()).abs().amax(0) < 40
        assert agree[inner(varied.target.classes, 2)].all()


def test_no_class_is_invented_and_what_comes_in_is_ignored():
    classes = torch.full((40, 50), 7)
    sample = Sample(torch.full((3, 40, 50), 9, dtype=torch.uint8), Mask(classes, ignore=99), Path("one.png"))
    augment = Augment(rotate=45, translate=0.3, elastic=3.0)
    found = set()
    for seed in range(6):
        varied = augment_mask(sample, augment, torch.Generator().manual_seed(seed))
        found |= set(varied.target.classes.unique().tolist())
        assert varied.target.ignore == 99
        inside = inner(varied.target.classes, 1)
        assert ((varied.image[0] == 9) == (varied.target.classes == 7))[inside].all()
    assert found == {7, 99}


def test_weights_travel_along_and_are_nothing_outside():
    sample = painted()
    rows, columns = torch.meshgrid(torch.arange(90.0), torch.arange(130.0), indexing="ij")
    sample.target.weights = 1 + 0.01 * rows + 0.02 * columns
    for settings in (
        {"hflip": 1.0},
        {"hflip": 0.5, "random_crop": 0.5, "translate": 0.3},
        {"rotate": 30, "elastic": 3.0},
    ):
        augment = Augment(**settings)
        drawn = augment.draw(90, 130, torch.Generator().manual_seed(1))
        moved = move_mask(sample.target, augment, drawn)
        sources = augment.follow(torch.stack([rows, columns]), drawn, -1)
        inside = sources[0] >= 0
        assert (moved.weights[~inside] == 0).all()
        # Linear weights, by linear interpolation: half a pixel from the nearest at most.
        expected = 1 + 0.01 * sources[0] + 0.02 * sources[1]
        assert (moved.weights - expected)[inside].abs().max() <= (0.0151 if "rotate" in settings else 1e-6)
    assert move_mask(painted().target, augment, drawn).weights is None


def test_the_sample_is_not_changed_and_a_seed_gives_the_same():
    sample = painted()
    image, classes = sample.image.clone(), sample.target.classes.clone()
    augment = augment_of(
        SegmentationSettings(hflip=0.5, random_crop=0.5, rotate=20, elastic=2.0, noise=3.0, cutout=0.2)
    )
    first, second = (augment_mask(sample, augment, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.target.classes, second.target.classes)
    assert torch.equal(sample.image, image)
    assert torch.equal(sample.target.classes, classes)
    assert first.path == sample.path
    same = augment_mask(sample, Augment(), torch.Generator())
    assert torch.equal(same.target.classes, classes)


def test_gaps_between_objects_weigh_more():
    classes = torch.zeros(20, 30, dtype=torch.int64)
    classes[5:15, 3:12], classes[5:15, 14:25] = 1, 1  # two objects of one class, two pixels apart
    classes[0] = 255
    sample = Sample(torch.zeros(3, 20, 30, dtype=torch.uint8), Mask(classes), Path("two.png"))
    weights = weigh_borders(sample, 10.0).target.weights
    assert weights[10, 12].item() == pytest.approx(1 + 10 * torch.tensor(-9 / 50).exp().item())
    assert weights[10, 5] == 1
    assert weights[10, 29] < 1.3
    assert sample.target.weights is None, "what was given is not changed"
    sample.target.weights = torch.full((20, 30), 0.5)
    assert weigh_borders(sample, 10.0).target.weights[10, 5] == 0.5
    assert weigh_borders(sample, 0.0) is sample

"""Boxes go where their pixels go: rectangles are painted, images varied, and the paint is looked for again."""

from pathlib import Path

import pytest
import torch

from zorki.data.transforms.augment import Augment
from zorki.data.transforms.geometry import Affine, mirror, move, turn
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.tasks.detection.augment import augment_boxes, enclose, join, move_boxes
from zorki.tasks.recipe_augment import augment_of
from zorki.types import Boxes, Sample

HEIGHT, WIDTH = 90, 130
RECTANGLES = torch.tensor([[10.0, 20.0, 40.0, 50.0], [60.0, 15.0, 90.0, 80.0], [95.0, 55.0, 125.0, 85.0]])


def painted():
    """One rectangle for each channel, so that they can be told apart after any geometry."""
    image = torch.zeros((3, HEIGHT, WIDTH), dtype=torch.uint8)
    for channel, (x0, y0, x1, y1) in enumerate(RECTANGLES.int().tolist()):
        image[channel, y0:y1, x0:x1] = 255
    return Sample(image, Boxes(RECTANGLES.clone(), torch.arange(3)), Path("painted.png"))


def extent(channel):
    """xyxy of the pixels that are painted at least by half."""
    rows, columns = (channel > 127).nonzero(as_tuple=True)
    if len(rows) == 0:
        return None
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=torch.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {"hflip": 1.0},
        {"vflip": 1.0},
        {"random_crop": 0.4},
        {"translate": 0.4},
        {"scale_jitter": 0.4},
        {"hflip": 0.5, "vflip": 0.5, "random_crop": 0.5, "translate": 0.2},
        {"hflip": 0.5, "vflip": 0.5, "random_crop": 0.5, "translate": 0.1, "scale_jitter": 0.3},
    ],
    ids=str,
)
def test_boxes_stand_around_their_pixels(settings):
    sample, generator, lost = painted(), torch.Generator().manual_seed(5), 0
    for _ in range(25):
        varied = augment_boxes(sample, Augment(**settings), generator)
        left = dict(zip(varied.target.labels.tolist(), varied.target.xyxy, strict=True))
        for label in range(3):
            seen = extent(varied.image[label])
            if label in left:
                # Whole pixels lie in a box to the nearest half.
                assert (left[label] - seen).abs().max() <= (0.51 if "scale_jitter" in settings else 0.0)
            else:
                lost += 1
                full = (RECTANGLES[label, 2:] - RECTANGLES[label, :2]).prod()
                assert seen is None or (seen[2:] - seen[:2]).prod() < 0.5 * full or (seen[2:] - seen[:2]).min() <= 2
    assert (lost > 0) == bool(settings.get("random_crop") or settings.get("translate"))
    assert torch.equal(sample.target.xyxy, RECTANGLES), "the sample that came in is as it was"


def test_turned_boxes_hold_all_their_pixels_and_no_more_than_their_corners_need():
    sample, generator = painted(), torch.Generator().manual_seed(0)
    for _ in range(25):
        varied = augment_boxes(sample, Augment(rotate=40, scale_jitter=0.2, hflip=0.5), generator)
        for label, box in zip(varied.target.labels.tolist(), varied.target.xyxy, strict=True):
            seen = extent(varied.image[label])
            assert bool((seen[:2] >= box[:2] - 1).all())
            assert bool((seen[2:] <= box[2:] + 1).all())
            inside = box[:2].min() > 0 and box[2] < WIDTH and box[3] < HEIGHT
            # Painted rectangles reach with their corners to all four sides; tips are thinner than half a pixel.
            assert not inside or (box - seen).abs().max() <= 2.5


def test_enclosing_box_of_a_quarter_turn_by_hand():
    # About (50, 50), counter-clockwise as seen: right goes up.
    turned = enclose(torch.tensor([[60.0, 40.0, 80.0, 50.0]]), turn(90, 1.0, 50, 50))
    assert torch.allclose(turned, torch.tensor([[40.0, 20.0, 50.0, 40.0]]), atol=1e-4)


def test_flipping_twice_gives_the_same_boxes():
    boxes = Boxes(RECTANGLES, torch.arange(3))
    whole = (0.0, 0.0, float(WIDTH), float(HEIGHT))
    there = move_boxes(boxes, mirror(WIDTH), whole)
    assert torch.equal(there.xyxy[0], torch.tensor([90.0, 20.0, 120.0, 50.0]))
    assert torch.equal(move_boxes(there, mirror(WIDTH), whole).xyxy, RECTANGLES)


def test_what_is_left_of_boxes_at_an_edge():
    xyxy = torch.tensor([
        [-6.75, 0.0, 3.25, 10.0],  # 32.5 % in sight: stays, cut off
        [-7.25, 0.0, 2.75, 10.0],  # 27.5 %: goes
        [-2.0, 5.0, 1.5, 30.0],  # 43 %, but narrower than two pixels: goes
        [5.0, 5.0, 6.0, 6.0],  # tiny by itself: stays
        [50.0, 50.0, 60.0, 60.0],  # outside
    ])  # fmt: skip
    seen = move_boxes(Boxes(xyxy, torch.arange(5)), move(0, 0), (0.0, 0.0, 40.0, 40.0))
    assert seen.labels.tolist() == [0, 3]
    assert seen.xyxy.tolist() == [[0.0, 0.0, 3.25, 10.0], [5.0, 5.0, 6.0, 6.0]]


def test_all_columns_travel_along_and_crowds_stay_while_anything_is_seen():
    boxes = Boxes(
        torch.tensor([[0.0, 0.0, 10.0, 10.0], [-90.0, 0.0, 10.0, 10.0], [-20.0, 0.0, -10.0, 10.0]]),
        torch.tensor([4, 5, 6]),
        identities=torch.tensor([7, 8, 9]),
        crowd=torch.tensor([False, True, True]),
        difficult=torch.tensor([True, False, False]),
    )
    seen = move_boxes(boxes, Affine(2, 0, 0, 0, 2, 0), (0.0, 0.0, 100.0, 100.0))
    assert seen.labels.tolist() == [4, 5]
    assert seen.identities.tolist() == [7, 8]
    assert seen.crowd.tolist() == [False, True]
    assert seen.difficult.tolist() == [True, False]
    assert seen.xyxy.tolist() == [[0, 0, 20, 20], [0, 0, 20, 20]]


def test_a_image_without_boxes_is_varied_too():
    sample = painted()
    sample.target = sample.target[:0]
    varied = augment_boxes(sample, Augment(rotate=30, random_crop=0.5), torch.Generator().manual_seed(0))
    assert varied.target.xyxy.shape == (0, 4)


def test_the_same_seed_gives_the_same_image_and_strengths_come_from_the_recipe():
    recipe = Recipe(hflip=0.5, random_crop=0.5, noise=3.0, image_size=32)
    augment = augment_of(recipe)
    assert augment.image_size is None, "a crop keeps its shape"
    assert (augment.hflip, augment.random_crop, augment.noise, augment.translate) == (0.5, 0.5, 3.0, 0.0)
    assert augment_of(Recipe(hflip=0.5, random_crop=0.5, noise=3.0)) is augment
    a, b = (augment_boxes(painted(), augment, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a.image, b.image)
    assert torch.equal(a.target.xyxy, b.target.xyxy)


def test_joined_marks_are_false_where_nobody_knows():
    first = Boxes(torch.zeros(1, 4), torch.tensor([0]), crowd=torch.tensor([True]), identities=torch.tensor([3]))
    second = Boxes(torch.ones(2, 4), torch.tensor([1, 2]))
    both = join([first, second])
    assert both.crowd.tolist() == [True, False, False]
    assert both.difficult is None
    assert both.identities is None
    assert both.labels.tolist() == [0, 1, 2]


def test_bent_images_are_refused():
    with pytest.raises(RecipeError, match="elastic is 3"):
        augment_boxes(painted(), Augment(elastic=3.0), torch.Generator())

"""Objects go where their pixels go: each is painted in its own gray, the image varied, and the gray looked for."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import max_pool2d

from zorki.data.scenes.dataset import scene
from zorki.data.transforms.augment import Augment, AugmentParameters
from zorki.ops.packing import tight_boxes
from zorki.tasks.instance_segmentation.augment import augment_instances, move_instances
from zorki.types import Instances, Sample

HEIGHT, WIDTH = 90, 130


def painted(index=0):
    """The objects of a scene; object n has the gray 30 + 20 n on black ground, and the label n."""
    objects = scene(0, index, size=(HEIGHT, WIDTH), objects=(4, 6)).instances
    grays = 30 + 20 * torch.arange(len(objects))
    image = (objects.masks * grays[:, None, None]).sum(0).to(torch.uint8).expand(3, HEIGHT, WIDTH).contiguous()
    return Sample(image, Instances(objects.xyxy, torch.arange(len(objects)), objects.masks), Path("painted.png"))


def rectangles(*boxes, height=40, width=60, **columns):
    masks = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return Instances(torch.tensor(boxes).float(), torch.arange(len(boxes)), masks, **columns)


def moved(instances, generator=None, **settings):
    augment = Augment(**settings)
    height, width = instances.masks.shape[1:]
    drawn = augment.draw(height, width, generator or torch.Generator().manual_seed(0))
    return move_instances(instances, augment, drawn)


def cut(instances, *window):
    return move_instances(instances, Augment(), AugmentParameters(window))


@pytest.mark.parametrize(
    "settings",
    [{"hflip": 1.0}, {"vflip": 1.0}, {"hflip": 0.5, "vflip": 0.5, "random_crop": 0.4, "translate": 0.3}],
    ids=str,
)
def test_cut_and_flipped_masks_are_their_pixels(settings):
    generator, lost = torch.Generator().manual_seed(3), 0
    for index in range(12):
        sample = painted(index)
        varied = augment_instances(sample, Augment(**settings), generator)
        left = dict(zip(varied.target.labels.tolist(), varied.target.masks, strict=True))
        for label in range(len(sample.target)):
            seen = varied.image[0] == 30 + 20 * label
            if label in left:
                assert torch.equal(left[label], seen)
            else:
                lost += 1
                few = 0.3 * sample.target.masks[label].sum()
                box = tight_boxes(seen[None])[0]
                assert seen.sum() < few or (box[2:] - box[:2]).min() < 2
        assert torch.equal(varied.target.xyxy, tight_boxes(varied.target.masks))
    assert lost == 0 if "random_crop" not in settings else lost > 3


@pytest.mark.parametrize(
    "settings",
    [
        {"rotate": 40},
        {"elastic": 4.0},
        {"rotate": 30, "scale_jitter": 0.3, "hflip": 0.5, "random_crop": 0.6, "elastic": 2.0},
    ],
    ids=str,
)
def test_warped_masks_are_their_pixels_but_for_the_borders(settings):
    generator, seen = torch.Generator().manual_seed(3), 0
    for index in range(12):
        varied = augment_instances(painted(index), Augment(**settings), generator)
        target, image = varied.target, varied.image[0]
        assert target.masks.shape[1:] == image.shape
        assert torch.equal(target.xyxy, tight_boxes(target.masks))
        whole = target if target.crowd is None else target[~target.crowd]
        for label, mask in zip(whole.labels.tolist(), whole.masks, strict=True):
            outer = max_pool2d(mask.float()[None, None], 5, 1, 2)[0, 0] > 0
            inner = max_pool2d((~mask).float()[None, None], 5, 1, 2)[0, 0] == 0
            inner[:2], inner[-2:], inner[:, :2], inner[:, -2:] = False, False, False, False
            seen += int(inner.sum())
            assert (image[inner] == 30 + 20 * label).all()
            # Further away nothing of the object is left; two others may blend to its gray in a pixel here or there.
            assert ((image == 30 + 20 * label) & ~outer).sum() <= 0.02 * mask.sum() + 3
    assert seen > 5000


def test_what_is_left_at_an_edge():
    objects = rectangles(
        (10, 10, 20, 20),  # whole
        (45, 0, 55, 10),  # half of it is seen
        (48, 10, 58, 20),  # a fifth
        (46, 20, 52, 21),  # four pixels of six, but one pixel high
        (30, 30, 31, 31),  # tiny by itself
        (52, 30, 60, 40),  # outside
    )
    left = cut(objects, 0, 0, 40, 50)
    assert left.labels.tolist() == [0, 1, 2, 3, 4]
    assert left.crowd.tolist() == [False, False, True, True, False], "what is left of those is no background"
    assert left.xyxy[:2].tolist() == [[10, 10, 20, 20], [45, 0, 50, 10]]
    assert left.xyxy[4].tolist() == [30, 30, 31, 31]
    assert torch.equal(left.masks, objects.masks[:5, :, :50])
    assert cut(objects[[0, 1]], 0, 0, 40, 50).crowd is None


def test_all_columns_travel_along_and_crowds_stay_while_anything_is_seen():
    objects = rectangles(
        (0, 0, 10, 10),
        (48, 0, 60, 40),
        (55, 0, 60, 10),
        crowd=torch.tensor([False, True, True]),
        difficult=torch.tensor([True, False, False]),
        identities=torch.tensor([7, 8, 9]),
    )
    left = cut(objects, 0, 0, 40, 50)
    assert left.labels.tolist() == [0, 1]
    assert left.crowd.tolist() == [False, True]
    assert left.difficult.tolist() == [True, False]
    assert left.identities.tolist() == [7, 8]
    assert left.xyxy[1].tolist() == [48, 0, 50, 40]
    assert left.scores is None


def test_masks_that_overlap_keep_their_shared_pixels():
    objects = rectangles((5, 5, 30, 30), (20, 20, 50, 35), (0, 0, 60, 40))
    flipped = moved(objects, hflip=1.0)
    assert torch.equal(flipped.masks, objects.masks.flip(2))
    assert flipped.xyxy[0].tolist() == [30, 5, 55, 30]
    turned = moved(objects, rotate=20, elastic=1.0)
    assert ((turned.masks[0] | turned.masks[1]) <= turned.masks[2]).all()
    assert (turned.masks[0] & turned.masks[1]).any()


def test_a_image_that_stays_keeps_its_objects_as_they_are():
    objects = rectangles((5, 5, 30, 30), (20, 20, 50, 35))
    objects.xyxy = objects.xyxy + 0.3  # as annotated, a little off the pixels
    assert moved(objects, hflip=0.0) is objects


@pytest.mark.parametrize("size", [None, 32])
def test_a_image_without_objects_is_varied_too(size):
    sample = painted()
    sample.target = sample.target[:0]
    augment = Augment(rotate=30, random_crop=0.5, image_size=size)
    varied = augment_instances(sample, augment, torch.Generator().manual_seed(0))
    assert varied.target.masks.shape == (0, *varied.image.shape[1:])
    assert varied.target.xyxy.shape == (0, 4)


def test_crops_of_one_size_have_masks_of_that_size():
    augment = Augment(random_crop=0.9, image_size=32, hflip=0.5)
    varied = augment_instances(painted(), augment, torch.Generator().manual_seed(0))
    assert varied.target.masks.shape[1:] == varied.image.shape[1:] == (32, 32)
    assert len(varied.target) > 2


def test_what_is_left_is_evaluated_by_the_area_after_the_change_of_scale():
    objects = rectangles((0, 10, 12, 30), (10, 10, 50, 30))
    # About the middle, 30: the first goes to -12..4.8, 29 % of itself, if more than half of its former pixels.
    enlarged = move_instances(objects, Augment(), AugmentParameters((0, 0, 40, 60), scale=1.4))
    assert enlarged.labels.tolist() == [0, 1]
    assert enlarged.crowd.tolist() == [True, False]
    # Shrunk to half about -30 and seen from there on, x goes to 45 + x / 2: half of the second is left.
    shrunk = move_instances(objects, Augment(), AugmentParameters((0, -60, 40, 60), scale=0.5))
    assert shrunk.labels.tolist() == [0, 1]
    assert shrunk.crowd is None
    assert shrunk.xyxy.tolist() == [[45, 15, 51, 25], [50, 15, 60, 25]]

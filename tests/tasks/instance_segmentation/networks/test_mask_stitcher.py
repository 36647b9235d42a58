import numpy as np
import pytest
import torch
from scipy import ndimage

from zorki import registry
from zorki.data.windows import HeldImage
from zorki.engine.prediction.tiling import plan_tiling, predict_tiles
from zorki.errors import DataError
from zorki.ops.packing import tight_boxes
from zorki.tasks.instance_segmentation.networks import mask_stitcher as stitching
from zorki.tasks.instance_segmentation.networks.mask_stitcher import MaskStitcher
from zorki.tiles import Tiles
from zorki.types import Instances, Placement

HEIGHT, WIDTH = 240, 300


def disks(*rows):
    """A map of numbers with disks of (x, y, radius)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    numbers = np.zeros((HEIGHT, WIDTH), int)
    for number, (column, row, radius) in enumerate(rows, 1):
        numbers[(x - column) ** 2 + (y - row) ** 2 <= radius**2] = number
    return numbers


def decode(tiles, placements):
    """What a perfect network finds in cuts of a map: each object, as far as it is there."""
    answers = []
    for tile in tiles:
        numbers = [number for number in np.unique(tile) if number]
        masks = torch.from_numpy(np.stack([tile == number for number in numbers] or [tile[:0, :0] > 0]))
        masks = masks if numbers else torch.zeros((0, *tile.shape), dtype=torch.bool)
        labels = torch.tensor([number % 2 for number in numbers], dtype=torch.int64)
        scores = masks.flatten(1).sum(1) / 100_000 + 0.1
        answers.append(Instances(tight_boxes(masks), labels, masks, scores))
    return answers


def stitched(numbers, tiles, batch=3):
    stitcher = MaskStitcher(decode, tiles)
    cuts = [numbers[w.top : w.top + w.height, w.left : w.left + w.width] for w in tiles]
    for first in range(0, len(cuts), batch):
        some = cuts[first : first + batch]
        stitcher.add(some, [Placement(*tiles.size)] * len(some))
    return stitcher.finish()


@pytest.mark.parametrize("sizes", [(100, 20), (100, 0), (64, 30), (300, 40)])
def test_objects_across_seams_are_whole_and_there_once(sizes):
    numbers = disks((40, 40, 20), (95, 50, 18), (170, 120, 60), (90, 190, 30), (285, 20, 25), (260, 200, 9))
    answer = stitched(numbers, Tiles(HEIGHT, WIDTH, *sizes))
    count = numbers.max()
    assert len(answer) == count
    found = {int(numbers[mask.numpy()].max()): mask for mask in answer.masks}
    for number in range(1, count + 1):
        assert found[number].equal(torch.from_numpy(numbers == number))
    assert answer.xyxy.equal(tight_boxes(answer.masks))
    assert answer.labels.tolist() == [int(numbers[mask.numpy()].max()) % 2 for mask in answer.masks]
    assert answer.scores.tolist() == sorted(answer.scores.tolist(), reverse=True)


def test_a_whole_object_keeps_its_mask_whatever_others_saw_of_it():
    tiles = Tiles(20, 36, 20, 4)
    whole = torch.zeros(20, 20, dtype=torch.bool)
    whole[5:10, 2:12] = True  # columns 18..28 of the image
    cut = torch.zeros(20, 20, dtype=torch.bool)
    cut[4:11, 18:20] = True  # a row more above and below
    answers = iter([[(cut, 0.9)], [(whole, 0.6)]])

    def decode_next(outputs, placements):
        ((mask, score),) = next(answers)
        return [Instances(tight_boxes(mask[None]), torch.tensor([0]), mask[None], torch.tensor([score]))]

    stitcher = MaskStitcher(decode_next, tiles)
    stitcher.add("outputs", [Placement(20, 20)])
    stitcher.add("outputs", [Placement(20, 20)])
    answer = stitcher.finish()
    assert answer.scores.tolist() == pytest.approx([0.9])
    assert ndimage.find_objects(answer.masks[0].int().numpy()) == [(slice(5, 10), slice(18, 28))]
    assert answer.xyxy.tolist() == [[18, 5, 28, 10]]


def test_nothing_found():
    answer = stitched(np.zeros((HEIGHT, WIDTH), int), Tiles(HEIGHT, WIDTH, 100, 20))
    assert answer.masks.shape == (0, HEIGHT, WIDTH)


def test_masks_that_do_not_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(stitching, "MAX_BYTES", 2 * HEIGHT * WIDTH)
    numbers = disks((40, 40, 20), (95, 50, 18))
    assert len(stitched(numbers, Tiles(HEIGHT, WIDTH, 100, 20))) == 2
    with pytest.raises(DataError, match="3 objects in an image of 300 x 240: their masks would take 0 GB"):
        stitched(disks((40, 40, 20), (95, 50, 18), (200, 100, 20)), Tiles(HEIGHT, WIDTH, 100, 20))


@pytest.mark.parametrize("method", ["plain_unet", "border_unet", "deep_watershed", "deep_coloring", "mask_rcnn"])
def test_every_method_predictions_tiles(method):
    torch.manual_seed(0)
    name = "mask_rcnn_squeezenet_fpn" if method == "mask_rcnn" else f"{method}_squeezenet"
    small = {"max_boxes": 20, "hidden": 64, "channels": 64, "mask_hidden": 32} if method == "mask_rcnn" else {}
    model = registry.build(name, 2, {"image_size": 64, **small}).eval()
    image = torch.randint(0, 256, (3, 100, 130), dtype=torch.uint8)
    tiles = plan_tiling([model], 64, 16).of(100, 130)
    (answer,) = predict_tiles([model], HeldImage(image), tiles)
    assert isinstance(answer, Instances)
    assert answer.masks.shape == (len(answer), 100, 130)
    assert len(tiles) == 6

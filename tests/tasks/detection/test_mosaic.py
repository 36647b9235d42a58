import dataclasses
from pathlib import Path

import pytest
import torch

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.tasks.detection.mosaic import mix, mosaic
from zorki.tasks.detection.settings import DetectionSettings
from zorki.tasks.detection.task import Detection
from zorki.types import Batch, Boxes, ClassInfo, ImagesWithProposals, Padded, Sample

INFO = ClassInfo(tuple(f"class {k}" for k in range(5)))
COLORS = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255]], dtype=torch.uint8)


def batch(count=5):
    """Images of several shapes, each with one rectangle in a color of its own on dark gray, in one canvas."""
    samples = []
    for k in range(count):
        height, width = 60 + 9 * k, 100 - 7 * k
        image = torch.full((3, height, width), 40, dtype=torch.uint8)
        image[:, 20:50, 15:55] = COLORS[k][:, None, None]
        samples.append(Sample(image, Boxes(torch.tensor([[15.0, 20.0, 55.0, 50.0]]), torch.tensor([k])), Path(f"{k}")))
    inputs, placements = Letterbox(128)([sample.image for sample in samples])
    targets = [sample.target for sample in samples]
    placed = [target.place(placement) for target, placement in zip(targets, placements, strict=True)]
    return Batch(inputs, targets, placed, placements, list(range(count)))


def painted_in(image, color, box):
    """How much of a box, less one pixel on each side, has about that color."""
    x0, y0, x1, y1 = (round(v) for v in box.tolist())
    near = ((image.int() - color[:, None, None].int()).abs() < 60).all(0)
    inside = near[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1]
    return float(inside.float().mean()) if inside.numel() else 1.0


def test_every_box_of_a_mosaic_is_full_of_its_color():
    given = batch()
    inputs, placed = mosaic(given.inputs, given.placed, given.placements, 1.0, torch.Generator().manual_seed(0))
    found = 0
    for image, boxes in zip(inputs, placed, strict=True):
        for label, box in zip(boxes.labels.tolist(), boxes.xyxy, strict=True):
            assert painted_in(image, COLORS[label], box) > 0.97
            assert bool((box >= 0).all())
            assert bool((box <= 128).all())
            found += 1
    assert found > 10


def test_a_mosaic_shows_no_padding_and_every_painted_patch_of_size_has_its_box():
    given = batch()
    inputs, placed = mosaic(given.inputs, given.placed, given.placements, 1.0, torch.Generator().manual_seed(1))
    for image, boxes in zip(inputs, placed, strict=True):
        assert int((image == 114).all(0).sum()) == 0
        for label in range(5):
            painted = ((image.int() - COLORS[label][:, None, None].int()).abs() < 30).all(0)
            for x0, y0, x1, y1 in boxes.xyxy[boxes.labels == label].round().int().tolist():
                painted[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1] = False
            # What is left are remains below 30 % of an object.
            assert int(painted.sum()) < 0.35 * (40 * 30) * (128 / 60) ** 2


def test_the_share_is_how_many_become_mosaics_and_the_input_stays():
    given = batch()
    before, boxes = given.inputs.clone(), [b.xyxy.clone() for b in given.placed]
    changed = 0
    for seed in range(40):
        inputs, _ = mosaic(given.inputs, given.placed, given.placements, 0.3, torch.Generator().manual_seed(seed))
        changed += int((inputs != before).flatten(1).any(1).sum())
    assert 35 <= changed <= 85  # of 200: four deviations about 60
    assert torch.equal(given.inputs, before)
    assert all(torch.equal(a.xyxy, b) for a, b in zip(given.placed, boxes, strict=True))


def test_the_edges_of_mixed_images_come_along():
    given = batch()
    inputs, _ = Letterbox(128, padded=True)([torch.zeros(3, 60, 100).byte(), torch.zeros(3, 100, 50).byte()])
    assert inputs.valid.tolist() == [[0, 25, 128, 102], [32, 0, 96, 128]]
    padded = dataclasses.replace(given, inputs=Padded(given.inputs[:2], inputs.valid), placed=given.placed[:2])
    padded.placements = given.placements[:2]
    generator = torch.Generator().manual_seed(0)
    assert mix(padded, 1.0, 0.0, generator).inputs.valid.tolist() == [[0, 0, 128, 128]] * 2
    mixed = mix(padded, 0.0, 1.5, generator).inputs
    assert {tuple(row) for row in mixed.valid.tolist()} <= {(0, 0, 128, 128), (0, 25, 128, 102), (32, 0, 96, 128)}
    assert inputs.valid.tolist() == [[0, 25, 128, 102], [32, 0, 96, 128]], "the batch stays"


def test_blended_images_keep_the_boxes_of_both_but_faint_ones():
    given = batch(2)
    seen = set()
    for seed in range(12):
        mixed = Detection.data.mix(given, DetectionSettings(mixup=1.5), INFO, torch.Generator().manual_seed(seed))
        for k, boxes in enumerate(mixed.placed):
            seen.add(len(boxes))
            if len(boxes) == 1:
                continue
            assert sorted(boxes.labels.tolist()) == [0, 1]
            assert boxes.labels[0] == k
    assert seen == {1, 2}


def test_targets_stay_and_columns_are_joined():
    given = batch()
    given.placed[2].crowd = torch.tensor([True])
    mixed = Detection.data.mix(given, DetectionSettings(mosaic=1.0, mixup=1.0), INFO, torch.Generator().manual_seed(2))
    assert mixed.targets is given.targets
    assert mixed.inputs.shape == given.inputs.shape
    assert mixed.inputs.dtype == torch.uint8
    assert any(boxes.crowd is not None and bool(boxes.crowd.any()) for boxes in mixed.placed)


def test_images_without_boxes_take_part():
    given = batch()
    given.placed = [boxes[:0] for boxes in given.placed]
    mixed = Detection.data.mix(given, DetectionSettings(mosaic=1.0, mixup=1.0), INFO, torch.Generator().manual_seed(2))
    assert all(boxes.xyxy.shape == (0, 4) for boxes in mixed.placed)


def test_nothing_is_mixed_unless_asked_or_with_nobody():
    given = batch()
    assert Detection.data.mix(given, DetectionSettings(), INFO, torch.Generator()) is given
    alone = batch(1)
    assert Detection.data.mix(alone, DetectionSettings(mosaic=1.0), INFO, torch.Generator()) is alone


def test_proposed_regions_belong_to_their_image():
    given = batch()
    given.inputs = ImagesWithProposals(given.inputs, [torch.zeros((1, 4))] * 5)
    with pytest.raises(RecipeError, match=r"mosaic is 1\.0 .* proposed regions"):
        Detection.data.mix(given, DetectionSettings(mosaic=1.0), INFO, torch.Generator())

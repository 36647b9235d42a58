"""Crops of regions: where they lie, what they show, and what chance does to them."""

import pytest
import torch

from zorki.data.preprocess.region_crops import RegionCrops
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.errors import RecipeError
from zorki.types import Boxes


def ramp(height: int = 40, width: int = 60) -> torch.Tensor:
    """Red tells the column, green the row."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns * 4, rows * 4, torch.zeros_like(rows)]).to(torch.uint8)


def regions(*rows: list[float]) -> Boxes:
    return Boxes(torch.tensor(rows).reshape(-1, 4), torch.zeros(len(rows), dtype=torch.int64))


def test_a_crop_lies_where_it_says() -> None:
    crops, (placement,) = RegionCrops(16, padding=1.0).in_regions([ramp()], [regions([20.0, 10.0, 36.0, 26.0])])
    assert crops.xyxy.tolist() == [[20, 10, 36, 26]]
    assert torch.equal(crops.images[0], ramp()[:, 10:26, 20:36])
    assert (placement.scale, placement.left, placement.input_width) == (1, 0, 60)


def test_boxes_are_enlarged_to_the_shape_of_the_input_around_their_center() -> None:
    crops, _ = RegionCrops(32, aspect=0.5, padding=1.25).in_regions([ramp()], [regions([20.0, 10.0, 40.0, 20.0])])
    # 20 wide is 40 high at this aspect; 1.25 times that is 25 x 50 around (30, 15), at whole pixels.
    assert crops.xyxy.tolist() == [[18, -10, 42, 40]]
    assert crops.images.shape == (1, 3, 32, 16)
    assert int(crops.images[0, :, :6].max()) == 0, "what lies above the image is black"


def test_an_image_without_boxes_is_one_region_and_one_without_objects_none() -> None:
    crops, _ = RegionCrops(20)([ramp()])
    assert crops.xyxy.tolist() == [[0, -10, 60, 50]]
    none, placements = RegionCrops(20).in_regions([ramp(), ramp()], [regions(), regions([0.0, 0.0, 9.0, 9.0])])
    assert (len(none.images), [len(one) for one in none.regions], len(placements)) == (1, [0, 1], 2)
    assert RegionCrops(20).in_regions([ramp()], [regions()])[0].images.shape == (0, 3, 20, 20)


def test_chance_moves_regions_in_training_alone_and_the_same_for_the_same_generator() -> None:
    kind = RegionCrops(16, scale_jitter=0.3, shift_jitter=0.2)
    box = [regions([20.0, 10.0, 40.0, 30.0])]
    still = [kind.in_regions([ramp()], box)[0].xyxy for _ in range(2)]
    moved = [kind.in_regions([ramp()], box, [torch.Generator().manual_seed(seed)])[0].xyxy for seed in (1, 1, 2)]
    assert torch.equal(*still)
    assert torch.equal(moved[0], moved[1])
    assert not torch.equal(moved[0], moved[2])
    side = (moved[2][:, 2:] - moved[2][:, :2]) / 25
    assert bool(((side > 0.65) & (side < 1.35)).all())


def test_it_is_saved_and_refuses_what_cannot_be() -> None:
    kind = RegionCrops(96, 0.75, 1.1, 0.2, 0.1)
    assert preprocess_from_json(kind.to_json()) == kind
    assert kind.width == 72
    with pytest.raises(RecipeError, match="padding must lie in"):
        RegionCrops(96, padding=0.5)
    with pytest.raises(RecipeError, match="a clip"):
        RegionCrops(96)([torch.zeros((2, 3, 8, 8), dtype=torch.uint8)])

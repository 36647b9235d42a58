"""Features of regions against torchvision's kernels, a slow twin, and numbers that a pencil can check."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zorki.ops.roi import join_regions, pool_regions, prepare_maps, pyramid_levels


def _boxes(count: int, size: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * size * 1.2 - size * 0.1
    return torch.cat([low, low + torch.rand(count, 2, generator=generator) * size / 2], 1)


def test_regions_of_images_join_in_order_and_empty_images_keep_their_place() -> None:
    rows, images = join_regions([torch.zeros(2, 4), torch.zeros(0, 4), torch.ones(1, 4)])
    assert images.tolist() == [0, 0, 2]
    assert rows[2].tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="no image"):
        join_regions([])


def test_levels_are_those_of_the_papers_equation() -> None:
    sides = [1, 55, 56, 111, 112, 223, 224, 447, 448, 2000]
    xyxy = torch.tensor([[0.0, 0, side, side] for side in sides])
    wanted = [min(5, max(2, math.floor(4 + math.log2(side / 224)))) - 2 for side in sides]
    assert pyramid_levels(xyxy, (4, 8, 16, 32)).tolist() == wanted
    assert pyramid_levels(xyxy, (8, 16), home_size=112).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_an_empty_region_reads_the_finest_map() -> None:
    assert pyramid_levels(torch.zeros(1, 4), (8, 16, 32)).tolist() == [0]


def test_aligned_bins_are_means_of_the_points_inside() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)  # the value is the column
    pooled = pool_regions([ramp], (1,), torch.tensor([[1.0, 1, 5, 5]]), torch.tensor([0]), (2, 2))
    assert torch.allclose(pooled[0, 0], torch.tensor([[2.0, 4.0], [2.0, 4.0]]))


def test_pooled_bins_are_maxima_of_the_cells_inside() -> None:
    cells = torch.arange(16.0).view(1, 1, 4, 4)
    pooled = pool_regions([cells], (2,), torch.tensor([[0.0, 0, 6, 6]]), torch.tensor([0]), (2, 2), kind="pool")
    assert pooled[0, 0].tolist() == [[5, 7], [13, 15]]


@pytest.mark.parametrize("ratio", [1, 2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_align_predictions_and_learns_as_torchvisions(ratio: int, layout: torch.memory_format) -> None:
    from torchvision.ops import roi_align

    xyxy, images = _boxes(60, 100), torch.arange(60) % 3
    pixels = torch.randn(3, 5, 13, 17).contiguous(memory_format=layout)
    ours, theirs = pixels.clone().requires_grad_(), pixels.clone().requires_grad_()
    mine = pool_regions([ours], (8,), xyxy, images, (4, 7), sampling_ratio=ratio)
    reference = roi_align(theirs, torch.cat([images[:, None].float(), xyxy], 1), (4, 7), 1 / 8, ratio)
    assert torch.allclose(mine, reference, atol=1e-4)
    slope = torch.randn_like(reference)
    mine.backward(slope)
    reference.backward(slope)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


@pytest.mark.parametrize("kind", ["align", "pool"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_each_region_is_read_from_its_own_map(kind: str, ratio: int) -> None:
    from torchvision.ops import MultiScaleRoIAlign, roi_pool

    xyxy = [_boxes(30, 256, seed=1), _boxes(20, 256, seed=2)]
    maps = [torch.randn(2, 4, 256 // stride, 256 // stride) for stride in (4, 8, 16, 32)]
    rows, images = join_regions(xyxy)
    mine = pool_regions(maps, (4, 8, 16, 32), rows, images, (7, 7), kind=kind, sampling_ratio=ratio)  # type: ignore[arg-type]
    if kind == "align":
        pooler = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, ratio)
        reference = pooler({str(index): one for index, one in enumerate(maps)}, xyxy, [(256, 256)] * 2)
    else:
        levels = pyramid_levels(rows, (4, 8, 16, 32)).tolist()
        numbered = torch.cat([images[:, None].float(), rows], 1)
        each = [roi_pool(maps[k], numbered[n : n + 1], 7, 0.25 / 2**k) for n, k in enumerate(levels)]
        reference = torch.cat(each)
    assert torch.allclose(mine, reference, atol=1e-4)


def test_no_region_gives_no_features() -> None:
    maps = [torch.randn(1, 4, 8, 8), torch.randn(1, 4, 4, 4)]
    none, of_none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    assert pool_regions(maps, (8, 16), none, of_none, (7, 7)).shape == (0, 4, 7, 7)
    assert pool_regions(maps, (8, 16), none, of_none, (7, 7), kind="pool").shape == (0, 4, 7, 7)


@pytest.mark.parametrize("kind", ["align", "pool"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("strides", [(8,), (4, 8, 16)])
def test_prepared_maps_give_the_same_without_copies(kind: str, dtype: torch.dtype, strides: tuple[int, ...]) -> None:
    from zorki.ops import roi as regions

    maps = [torch.randn(2, 4, 130 // stride, 190 // stride).to(dtype) for stride in strides]
    xyxy, images = _boxes(40, 130), torch.arange(40) % 2
    ready = prepare_maps(maps, kind=kind)  # type: ignore[arg-type]
    assert all(torch.equal(one, other.float()) for one, other in zip(ready, maps, strict=True))
    if kind == "align":
        assert regions._table(ready).data_ptr() == ready[0].data_ptr()
    mine, wanted = (pool_regions(some, strides, xyxy, images, (3, 3), kind=kind) for some in (ready, maps))  # type: ignore[arg-type]
    assert torch.equal(mine, wanted)


def test_regions_that_are_no_numbers_are_read_somewhere() -> None:
    maps = [torch.randn(1, 4, 16, 16), torch.randn(1, 4, 8, 8)]
    wild = torch.tensor([[math.nan] * 4, [-math.inf, 0, math.inf, 5], [0, 0, 8, 8], [-3e38, -3e38, 3e38, 3e38]])
    pooled = pool_regions(maps, (8, 16), wild, torch.zeros(4, dtype=torch.long), (2, 2))
    assert pooled.shape == (4, 4, 2, 2)
    assert bool(pooled[2].isfinite().all())

import pytest
import torch

from zorki.ops.packing import extents, pack_masks, tight_boxes, unpack_masks


def masks_of(*images):
    return torch.tensor([[[letter == "x" for letter in row] for row in image.split()] for image in images])


CHAIN = masks_of("xx.. xx.. ....", ".xx. .... ....", "..xx ..xx ..xx", "xxxx xxxx xxxx", ".... .... ....")


def some_masks(count, seed=0, size=(30, 40)):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(count, *size, dtype=torch.bool)
    for mask in masks:
        top, left = torch.randint(0, 25, (2,), generator=generator).tolist()
        mask[top : top + 9, left : left + 9] = torch.rand(9, 9, generator=generator)[: size[0] - top] > 0.4
    return masks


def test_layers_by_hand():
    packed = pack_masks(CHAIN)
    # The second overlaps the first, the third only the second, the fourth all; nothing overlaps nothing.
    assert packed.layers.tolist() == [0, 1, 0, 2, 0]
    assert packed.maps[0].tolist() == [[1, 1, 3, 3], [1, 1, 3, 3], [0, 0, 3, 3]]
    assert packed.maps[1].tolist() == [[0, 2, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("count", [0, 1, 30, 300])
def test_packing_and_back_is_the_identity(count):
    masks = some_masks(count)
    packed = pack_masks(masks)
    assert torch.equal(unpack_masks(packed, torch.arange(count)), masks)
    some = torch.arange(count)[1::3].flip(0)
    assert torch.equal(unpack_masks(packed, some), masks[some])


def test_apart_they_share_one_layer():
    owner = torch.randint(0, 300, (50, 60), generator=torch.Generator().manual_seed(0))
    masks = owner == torch.arange(300)[:, None, None]
    packed = pack_masks(masks)
    assert len(packed.maps) == 1
    assert torch.equal(packed.maps[0], owner.to(torch.int16) + 1)


def test_extents_by_hand():
    counts, xyxy = extents(pack_masks(CHAIN))
    assert counts.tolist() == [4, 2, 6, 12, 0]
    expected = [[0, 0, 2, 2], [1, 0, 3, 1], [2, 0, 4, 3], [0, 0, 4, 3], [0, 0, 0, 0]]
    assert xyxy.tolist() == expected
    assert tight_boxes(CHAIN).tolist() == expected


@pytest.mark.parametrize("count", [0, 17])
def test_extents_equal_those_of_the_masks(count):
    masks = some_masks(count, seed=3)
    counts, xyxy = extents(pack_masks(masks))
    assert counts.tolist() == [int(mask.sum()) for mask in masks]
    assert torch.equal(xyxy, tight_boxes(masks))
    for mask, box in zip(masks, xyxy, strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]

"""Lists of pixels against dense maps, and masks laid out by hand."""

import numpy as np
import pytest
import torch

from zorki.ops import mask_pixels
from zorki.ops.mask_pixels import MaskPixels


def random_masks(seed, count, height=17, width=23):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, height, width), generator=generator) < 0.3


def dense_counts(a, b):
    return torch.einsum("nhw,mhw->nm", a.double(), b.double()).long()


@pytest.mark.parametrize("max_pairs", [0, 1 << 20])
def test_shared_pixels_are_those_of_dense_maps(monkeypatch, max_pairs):
    monkeypatch.setattr(mask_pixels, "_MAX_PAIRS", max_pairs)
    a, b = random_masks(0, 5), random_masks(1, 7)
    b[3] = False  # a mask without pixels shares none
    wanted = dense_counts(a, b)
    first, second, pixels = MaskPixels.of(a).shared_with(MaskPixels.of(b))
    found = torch.zeros_like(wanted)
    found[torch.from_numpy(first), torch.from_numpy(second)] = torch.from_numpy(pixels)
    assert torch.equal(found, wanted)
    assert (pixels > 0).all()
    assert np.array_equal(np.lexsort((second, first)), np.arange(len(first)))
    assert MaskPixels.of(a).areas().tolist() == a.flatten(1).sum(1).tolist()


def test_nobody_shares_with_nobody():
    nobody = MaskPixels.of(torch.zeros((0, 4, 5), dtype=torch.bool))
    some = MaskPixels.of(torch.ones((2, 4, 5), dtype=torch.bool))
    for a, b in ((nobody, some), (some, nobody), (nobody, nobody)):
        assert [len(column) for column in a.shared_with(b)] == [0, 0, 0]
    assert nobody.areas().tolist() == []
    assert nobody.numbers().sum() == 0


def test_masks_of_other_sizes_do_not_overlap():
    tall, wide = (MaskPixels.of(torch.ones((1, *size), dtype=torch.bool)) for size in ((6, 4), (4, 6)))
    with pytest.raises(ValueError, match=r"masks of 6 x 4 pixels .* of 4 x 6"):
        tall.shared_with(wide)


def strips(*spans, width=10):
    """Masks of one row of pixels: [start, stop) each."""
    masks = torch.zeros((len(spans), 1, width), dtype=torch.bool)
    for row, (start, stop) in enumerate(spans):
        masks[row, 0, start:stop] = True
    return MaskPixels.of(masks)


def test_masks_are_laid_out_best_on_top():
    # The first keeps its four pixels; of the second half is hidden, which is allowed; of the third three quarters.
    laid = strips((0, 4), (2, 6), (5, 9)).laid_out([0, 1, 2])
    assert laid.numbers().tolist() == [[1, 1, 1, 1, 2, 2, 3, 3, 3, 0]]
    assert laid.areas().tolist() == [4, 2, 3]
    laid = strips((0, 4), (1, 5), (4, 6)).laid_out([0, 1, 2])
    assert laid.numbers().tolist() == [[1, 1, 1, 1, 3, 3, 0, 0, 0, 0]]  # what is left out hides nothing
    laid = strips((0, 4), (1, 5), (4, 6)).laid_out(
        [1, 0]
    )  # the third is not asked for, and of the first a quarter left
    assert laid.numbers().tolist() == [[0, 2, 2, 2, 2, 0, 0, 0, 0, 0]]
    assert laid.count == 3
    nothing = strips((0, 0), (1, 3)).laid_out([0, 1])
    assert nothing.areas().tolist() == [0, 2]


def test_the_later_of_an_order_is_on_top():
    overlapping = strips((0, 4), (2, 6))
    assert overlapping.numbers().tolist()[0][:6] == [1, 1, 2, 2, 2, 2]
    assert overlapping.numbers([1, 0]).tolist()[0][:6] == [1, 1, 1, 1, 2, 2]

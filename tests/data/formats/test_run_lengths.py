import numpy as np
import pytest

from zorki.data.formats.run_lengths import box_of, unpacked


def runs_of(mask):
    """The slow twin: pixel by pixel, column after column."""
    counts, on = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != on:
            counts.append(0)
            on = pixel
        counts[-1] += 1
    return counts


@pytest.mark.parametrize("seed", range(20))
def test_the_box_of_random_masks_plain_and_packed(seed):
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 40, 2).tolist()
    mask = np.zeros((height, width), bool)
    y0, x0 = generator.integers(0, height), generator.integers(0, width)
    mask[y0 : y0 + generator.integers(1, 30), x0 : x0 + generator.integers(1, 30)] = True
    mask &= generator.random((height, width)) < 0.7
    mask[y0, x0] = True
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    wanted = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    counts = runs_of(mask)
    assert box_of({"counts": counts, "size": [height, width]}) == wanted
    reference = pytest.importorskip("hotcoco.mask")
    packed = reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    packed = packed.decode() if isinstance(packed, bytes) else packed
    assert unpacked(packed) == counts
    assert box_of({"counts": packed, "size": [height, width]}) == wanted


@pytest.mark.parametrize("mask", [
    None, {}, {"counts": [4], "size": [2, 2]}, {"counts": [1, 9], "size": [2, 2]}, {"counts": [1, -1], "size": [2, 2]},
    {"counts": [1, 2.5], "size": [2, 2]}, {"counts": "é", "size": [2, 2]}, {"counts": "P" * 40, "size": [2, 2]},
    {"counts": [1, 1], "size": [2]}, {"counts": [0, 1], "size": [0, 2]}, {"counts": [0, 10**30], "size": [2, 2]},
])  # fmt: skip
def test_broken_and_empty_masks_have_no_box(mask):
    assert box_of(mask) is None

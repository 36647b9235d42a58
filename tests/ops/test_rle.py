import numpy as np
import pytest

from zorki.ops.rle import box_of, fault_of, pack, packed, pixels_in, unpacked


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


def drawn(seed):
    """A mask of noise within a box that may touch the edges of the image."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 40, 2).tolist()
    top, left = generator.integers(0, height), generator.integers(0, width)
    mask = np.zeros((height, width), bool)
    mask[top : top + generator.integers(1, 40), left : left + generator.integers(1, 40)] = True
    return mask & (generator.random((height, width)) < generator.choice([0.3, 0.9, 1]))


@pytest.mark.parametrize("seed", range(60))
def test_pixels_there_and_back(seed):
    mask = drawn(seed)
    height, width = mask.shape
    plain = {"counts": runs_of(mask), "size": [height, width]}
    text = pack(mask)
    assert text == packed(plain) == packed(plain | {"counts": text.decode()})
    assert fault_of(plain) is fault_of(plain | {"counts": text.decode()}, height, width) is None
    if mask.any():
        left, top, right, bottom = (int(value) for value in box_of(plain))
        inside = pixels_in(text, height, (left, top, right, bottom))
        assert np.array_equal(inside, mask[top:bottom, left:right])
        # Runs of no pixels, which some tools write, change nothing.
        split = [part for count in plain["counts"] for part in (count // 2, 0, count - count // 2)]
        again = packed({"counts": split, "size": [height, width]})
        assert np.array_equal(pixels_in(again, height, (left, top, right, bottom)), inside)


def test_large_and_negative_differences_are_unpacked():
    reference = pytest.importorskip("pycocotools.mask")
    counts = [70000, 3, 100000, 50000, 2, 1, 80000, 400000]
    mask = {"counts": counts, "size": [1000, sum(counts) // 1000 + 1]}
    counts.append(mask["size"][0] * mask["size"][1] - sum(counts))
    assert unpacked(reference.frPyObjects(mask, *mask["size"])["counts"].decode()) == counts
    assert unpacked("") == []


@pytest.mark.parametrize(("mask", "reason"), [
    (None, "the size None; expected height and width"),
    ({"counts": [4], "size": [2]}, "the size [2]; expected height and width"),
    ({"counts": [4], "size": [2, 0]}, "the size [2, 0]"),
    ({"counts": [3], "size": [4, 3]}, "are of 3 pixels, and an image of 3 x 4 has 12"),
    ({"counts": "5", "size": [4, 3]}, "are of 5 pixels, and an image of 3 x 4 has 12"),
    ({"counts": [3, -1, 2], "size": [2, 2]}, "expected whole numbers that are not below 0"),
    ({"counts": "é", "size": [2, 2]}, "text that packs no numbers"),
    ({"size": [2, 2]}, "are None; expected whole numbers"),
    ({"counts": [1, 5], "size": [2, 3]}, "of an image of 3 x 2, and its image is 3 x 4"),
])  # fmt: skip
def test_faults(mask, reason):
    assert reason in fault_of(mask, 4, 3)

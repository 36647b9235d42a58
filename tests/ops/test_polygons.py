import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.data.scenes.dataset import scene
from zorki.ops.polygons import bridged, fill_polygons, fill_rings, outline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own


def ring(*points):
    return np.array(points, float)


SQUARE = ring((1, 1), (5, 1), (5, 5), (1, 5))
INNER = ring((2, 2), (4, 2), (4, 4), (2, 4))


def imaged(mask):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in mask.tolist()]


def test_a_square_a_triangle_and_both():
    triangle = ring((6, 1), (9, 1), (6, 4))
    assert imaged(fill_polygons([SQUARE, triangle], 6, 9)) == [
        ".........",
        ".####.##.",
        ".####.#..",
        ".####....",
        ".####....",
        ".........",
    ]
    assert fill_polygons([SQUARE], 2, 3).tolist() == [[False] * 3, [False, True, True]]  # cut off at the edge
    assert not fill_polygons([], 2, 3).any()


def test_polygons_are_filled_as_pycocotools_does():
    reference = pytest.importorskip("pycocotools.mask")
    generator = np.random.default_rng(0)
    for turn in range(400):
        height, width = generator.integers(1, 60, 2).tolist()
        low, high = (-20, 90) if turn % 2 else (0, max(height, width))
        parts = [generator.uniform(low, high, (int(count), 2)) for count in generator.integers(3, 12, turn % 3 + 1)]
        if turn % 4 == 0:
            parts = [np.round(part * 2) / 2 for part in parts]
        flat = [part.ravel().tolist() for part in parts]
        wanted = reference.decode(reference.merge(reference.frPyObjects(flat, height, width)))
        assert np.array_equal(fill_polygons(parts, height, width).numpy(), wanted.astype(bool))


def test_an_inner_ring_is_a_hole_and_one_within_it_an_island():
    island = ring((2.5, 2.5), (3.5, 2.5), (3.5, 3.5), (2.5, 3.5))
    wanted = ["......", ".####.", ".#..#.", ".#..#.", ".####.", "......"]
    assert imaged(fill_rings([SQUARE, INNER], 6, 6)) == wanted
    assert imaged(fill_rings([INNER, SQUARE], 6, 6)) == wanted
    assert imaged(fill_polygons([SQUARE, INNER], 6, 6))[2] == ".####."  # COCO has no holes
    assert fill_rings([SQUARE, INNER, island], 6, 6).sum() == 12 + fill_polygons([island], 6, 6).sum()
    assert not fill_rings([], 6, 6).any()


def test_bridges_enclose_nothing():
    """The slow twin: every ring filled alone, and added modulo two."""
    generator = np.random.default_rng(1)
    for _ in range(200):
        rings = [generator.uniform(-5, 45, (int(count), 2)) for count in generator.integers(3, 9, 4)]
        wanted = torch.zeros(31, 40, dtype=torch.bool)
        for one in rings:
            wanted ^= fill_polygons([one], 31, 40)
        assert torch.equal(fill_rings(rings, 31, 40), wanted)


def test_a_bridge_goes_to_the_nearest_corner_and_back():
    other = ring((7, 6), (9, 6), (9, 8))
    assert bridged([SQUARE, other]).tolist() == [
        *SQUARE[:3].tolist(), [7, 6], [9, 6], [9, 8], [7, 6], [5, 5], [1, 5],
    ]  # fmt: skip
    assert bridged([SQUARE]).tolist() == SQUARE.tolist()
    with pytest.raises(ValueError, match="no ring"):
        bridged([])


def test_the_outline_of_a_few_pixels():
    mask = torch.tensor(
        [
            [0, 1, 1, 1, 0, 0],
            [0, 1, 0, 1, 0, 0],
            [0, 1, 1, 1, 0, 0],
            [0, 0, 0, 0, 1, 0],
        ]
    ).bool()
    parts = [[ring.tolist() for ring in part] for part in outline(mask)]
    assert parts == [
        [[[1, 0], [4, 0], [4, 3], [1, 3]], [[2, 1], [2, 2], [3, 2], [3, 1]]],  # the hole the other way round
        [[[4, 3], [5, 3], [5, 4], [4, 4]]],  # touches at a corner
    ]
    assert outline(torch.zeros(3, 4, dtype=torch.bool)) == []
    assert outline(torch.ones(3, 4, dtype=torch.bool))[0][0].tolist() == [[0, 0], [4, 0], [4, 3], [0, 3]]


def area(ring):
    """Twice the signed area, in pixels; positive where the ring goes clockwise as images are seen."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())


@given(st.integers(0, 2**32), st.integers(1, 24), st.integers(1, 24), st.floats(0.1, 0.9))
@settings(max_examples=150)
def test_filling_an_outline_gives_the_mask_back(seed, height, width, share):
    """Of noise, which has every kind of corner: holes, islands, and pixels that touch."""
    reference = pytest.importorskip("pycocotools.mask")
    mask = torch.from_numpy(np.random.default_rng(seed).random((height, width)) < share)
    parts = outline(mask)
    rings = [ring for part in parts for ring in part]
    assert torch.equal(fill_rings(rings, height, width), mask)
    assert sum(area(ring) for ring in rings) == 2 * int(mask.sum())
    for part in parts:
        assert area(part[0]) > 0
        assert all(area(hole) < 0 for hole in part[1:])
        # A part is in one piece, and one polygon says it, holes and all, to COCO's own tools.
        flat = bridged(part).ravel().tolist()
        alone = reference.decode(reference.frPyObjects([flat], height, width))[:, :, 0]
        assert np.array_equal(alone.astype(bool), fill_rings(part, height, width).numpy())
        assert alone.sum() == sum(area(ring) for ring in part) / 2
    from scipy import ndimage

    assert len(parts) == ndimage.label(mask.numpy())[1]


def test_outlines_of_objects():
    found = scene(3, 1, size=(90, 120), objects=6, clutter=0.6).instances
    for mask in found.masks:
        assert torch.equal(fill_rings([ring for part in outline(mask) for ring in part], 90, 120), mask)


@pytest.mark.parametrize(("part", "reason"), [
    (ring((1, 1), (5, 5)), "has 2 points"),
    (ring((1, 1), (5, 5), (np.nan, 2)), "no number"),
    (ring((1, 1), (5, 5), (1e7, 2)), "beyond 1e\\+06 pixels"),
])  # fmt: skip
def test_what_is_no_polygon(part, reason):
    for fill in (fill_polygons, fill_rings):
        with pytest.raises(ValueError, match=reason):
            fill([SQUARE, part], 6, 6)

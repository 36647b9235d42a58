import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zorki.errors import RecipeError
from zorki.tiles import Share, Tiles, Window


@st.composite
def plans(draw):
    tile = draw(st.integers(1, 60))
    margin = draw(st.integers(0, (tile - 1) // 2))
    overlap = draw(st.integers(2 * margin, max(2 * margin, min(tile // 2 + margin, tile - 1))))
    return Tiles(draw(st.integers(1, 200)), draw(st.integers(1, 200)), tile, overlap, margin)


@given(plans())
def test_windows_have_one_size_lie_inside_in_order_and_overlap_enough(tiles):
    windows = list(tiles)
    assert len(windows) == len(tiles)
    assert {(window.height, window.width) for window in windows} == {tiles.size}
    assert windows == sorted(windows, key=lambda window: (window.top, window.left))
    for window in windows:
        left, top, right, bottom = window.xyxy
        assert left >= 0
        assert top >= 0
        assert right <= tiles.width
        assert bottom <= tiles.height
    for before, behind in zip(tiles.columns, tiles.columns[1:], strict=False):
        assert before.start + tiles.tile - behind.start >= tiles.overlap
    step = tiles.tile - tiles.overlap
    expected = 1 if tiles.width <= tiles.tile else -(-(tiles.width - tiles.tile) // step) + 1
    assert len(tiles.columns) == expected


@given(plans())
def test_weights_along_each_axis_sum_to_one_over_two_tiles_at_most(tiles):
    for shares, length in ((tiles.rows, tiles.height), (tiles.columns, tiles.width)):
        sums, times = torch.zeros(length), torch.zeros(length)
        for share in shares:
            weights = share.weights()
            assert (weights > 0).all()
            sums[share.begin : share.end] += weights
            times[share.begin : share.end] += 1
        assert torch.allclose(sums, torch.ones(()), atol=1e-6)
        assert set(times.tolist()) <= {1.0, 2.0}


@given(plans())
def test_nothing_counts_in_the_margins_but_at_the_edges_of_the_image(tiles):
    for shares, length in ((tiles.rows, tiles.height), (tiles.columns, tiles.width)):
        side = min(tiles.tile, length)
        for share in shares:
            assert 0 <= share.inside.start < share.inside.stop <= side
            assert share.begin == 0 or share.inside.start >= tiles.margin
            assert share.end == length or share.inside.stop <= side - tiles.margin


def test_by_hand():
    tiles = Tiles(3, 20, 8, 2)
    assert list(tiles) == [Window(0, 0, 3, 8), Window(0, 6, 3, 8), Window(0, 12, 3, 8)]
    assert tiles.columns == [Share(0, 0, 8, 0, 2), Share(6, 6, 14, 2, 2), Share(12, 12, 20, 2, 0)]
    assert tiles.columns[1].weights().tolist() == [0.25, 0.75, 1, 1, 1, 1, 0.75, 0.25]
    # The last one is shifted inward, and what it sees again does not count twice.
    assert Tiles(3, 16, 8, 2).columns[-1] == Share(8, 12, 16, 2, 0)
    # Of four shared pixels, one at each side has no surroundings.
    assert Tiles(3, 12, 8, 4, 1).columns == [Share(0, 0, 7, 0, 2), Share(4, 5, 12, 2, 0)]
    assert len(Tiles(8, 5, 8, 2)) == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((0, 0), "tile is 0; expected at least 1 pixel"),
        ((-5, 0), "tile is -5"),
        ((8, -1), "overlap is -1; expected at least 0"),
        ((8, 5), "overlap is 5 for tiles of 8 pixels; expected at most 4"),
        ((8, 8), "overlap is 8 for tiles of 8 pixels"),
        ((8, 3, 2), "overlap is 3, but .* for 2 pixels at each edge of a tile; expected at least 4"),
        ((8, 6, 4), "tile is 8, but .* expected more than 8"),
    ],
)
def test_impossible_sizes(values, reason):
    with pytest.raises(RecipeError, match=reason):
        Tiles(100, 100, *values)

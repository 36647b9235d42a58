import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.ops.boxes import pairwise_iou
from zorki.tasks.detection.networks.box_stitcher import BoxStitcher, join_boxes
from zorki.tiles import Tiles
from zorki.types import Boxes, Placement


def boxes(*rows):
    """Of (left, top, right, bottom, score) or with a label behind."""
    table = torch.tensor([[*row, 0][:6] for row in rows], dtype=torch.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 5].long(), table[:, 4])


def seen(objects, tiles, least=1.0):
    """What a perfect detector finds in every tile: each object, cut off at the tile, from `least` pixels a side on."""
    found = []
    for window in tiles:
        frame = torch.tensor(window.xyxy, dtype=torch.float32)
        cut = torch.cat([objects.xyxy[:, :2].maximum(frame[:2]), objects.xyxy[:, 2:].minimum(frame[2:])], 1)
        keep = (cut[:, 2:] - cut[:, :2] >= least).all(1)
        found.append(Boxes(cut[keep] - frame[:2].repeat(2), objects.labels[keep], objects.scores[keep]))
    return found


def is_same(answer, objects):
    order = objects.scores.argsort(descending=True, stable=True)
    assert answer.xyxy.tolist() == objects.xyxy[order].tolist()
    assert answer.labels.tolist() == objects.labels[order].tolist()
    assert answer.scores.tolist() == objects.scores[order].tolist()


# Two tiles side by side, columns 0..100 and 80..180.
PAIR = Tiles(100, 180, 100, 20)


def test_an_object_in_one_tile_alone_stays_where_it_is():
    answer, _ = join_boxes([boxes((10, 10, 40, 40, 0.5)), boxes((50, 5, 70, 30, 0.9))], PAIR)
    is_same(answer, boxes((130, 5, 150, 30, 0.9), (10, 10, 40, 40, 0.5)))


def test_an_object_that_both_tiles_see_whole_is_one():
    answer, _ = join_boxes([boxes((83, 10, 97, 30, 0.8)), boxes((3, 10, 17.5, 30, 0.6))], PAIR)
    is_same(answer, boxes((83, 10, 97, 30, 0.8)))


def test_a_cut_box_loses_to_the_whole_one_though_it_scores_more():
    # Columns 90..130: the left tile sees a quarter of it.
    answer, _ = join_boxes([boxes((90, 10, 100, 30, 0.9)), boxes((10, 10, 50, 30, 0.6))], PAIR)
    is_same(answer, boxes((90, 10, 130, 30, 0.9)))
    # The other way round; the box does not reach the edge of the tile to the pixel.
    answer, _ = join_boxes([boxes((60, 10, 92, 30, 0.6)), boxes((1.5, 10, 12, 30, 0.9))], PAIR)
    is_same(answer, boxes((60, 10, 92, 30, 0.9)))


def test_parts_that_no_tile_saw_whole_are_joined():
    answer, _ = join_boxes([boxes((40, 10, 100, 30, 0.7)), boxes((0, 10, 60, 31, 0.8))], PAIR)
    is_same(answer, boxes((40, 10, 140, 31, 0.8)))


def test_parts_without_an_overlap_are_joined_too():
    tiles = Tiles(100, 200, 100, 0)
    answer, _ = join_boxes([boxes((40, 10, 100, 30, 0.7)), boxes((0, 10, 60, 31, 0.8))], tiles)
    is_same(answer, boxes((40, 10, 160, 31, 0.8)))


def test_of_each_box_is_told_what_it_is_a_part_of():
    left = boxes((83, 70, 100, 90, 0.4), (40, 10, 100, 30, 0.7), (5, 5, 9, 9, 0.9), (84, 40, 96, 60, 0.5))
    right = boxes((0, 10, 60, 30, 0.8), (3, 70, 30, 90, 0.3), (4, 40, 16, 61, 0.6))
    answer, parts = join_boxes([left, right], PAIR)
    assert answer.xyxy.tolist() == [[5, 5, 9, 9], [40, 10, 140, 30], [84, 40, 96, 61], [83, 70, 110, 90]]
    # The cut one lies in the whole one; two are joined; alone; suppressed; joined; whole; the better of two.
    assert parts.tolist() == [3, 1, 0, -1, 1, 3, 2]


def test_neighbors_are_not_joined():
    # One below the other at the seam; and of different classes in one place.
    left = boxes((40, 10, 100, 30, 0.7), (40, 50, 100, 70, 0.6), (40, 80, 100, 95, 0.5, 0))
    right = boxes((0, 31, 60, 49, 0.8), (0, 80, 60, 95, 0.4, 1))
    assert len(join_boxes([left, right], PAIR)[0]) == 5


def test_of_several_parts_each_is_joined_once_the_surest_first():
    left = boxes((40, 10, 100, 50, 0.9), (60, 10, 100, 50, 0.1))  # the second is half of the first
    right = boxes((0, 10, 60, 50, 0.8))
    answer, _ = join_boxes([left, right], PAIR)
    assert answer.xyxy[0].tolist() == [40, 10, 140, 50]
    assert len(answer) == 1  # what was left over lies in it


def test_an_object_across_the_corner_of_four_tiles_is_one():
    tiles = Tiles(180, 180, 100, 20)
    one = boxes((30, 40, 150, 160, 0.9))
    found = seen(one, tiles)
    assert [len(part) for part in found] == [1, 1, 1, 1]
    is_same(join_boxes(found, tiles)[0], one)


def test_a_sliver_that_two_tiles_see_is_no_object():
    """A disc whose right rim two tiles see, one below the other: far less high than what others see of the disc."""
    tiles = Tiles(300, 400, 96, 40)
    views = {
        (168, 56, 264, 152): (15, 60, 58, 96, 0.9),
        (224, 56, 320, 152): (0, 75, 2, 88, 0.9),
        (168, 112, 264, 208): (15, 4, 58, 47, 0.9),
        (224, 112, 320, 208): (0, 19, 2, 32, 0.9),
    }
    found = [boxes(views[window.xyxy]) if window.xyxy in views else boxes() for window in tiles]
    answer, parts = join_boxes(found, tiles)
    is_same(answer, boxes((183, 116, 226, 159, 0.9)))
    assert parts.tolist() == [0, 0, 0, 0]


def test_an_object_larger_than_a_tile_is_one():
    tiles = Tiles(400, 400, 100, 20)
    one = boxes((20, 30, 390, 370, 0.9))
    is_same(join_boxes(seen(one, tiles), tiles)[0], one)


def test_objects_at_the_edge_of_the_image_are_whole():
    answer, _ = join_boxes([boxes((0, 0, 30, 30, 0.7), (0, 70, 20, 100, 0.6)), boxes((70, 20, 100, 60, 0.5))], PAIR)
    is_same(answer, boxes((0, 0, 30, 30, 0.7), (0, 70, 20, 100, 0.6), (150, 20, 180, 60, 0.5)))


def test_boxes_of_one_tile_are_left_as_its_model_left_them():
    crowd = boxes((10, 10, 50, 50, 0.9), (12, 10, 50, 50, 0.8))
    assert len(join_boxes([crowd, boxes()], PAIR, max_iou=0.3)[0]) == 2


def test_nothing_found():
    answer, _ = join_boxes([boxes(), boxes()], PAIR)
    assert len(answer) == 0
    assert answer.xyxy.shape == (0, 4)


def test_ground_truth_is_refused():
    ground_truth = Boxes(torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="need scores"):
        join_boxes([ground_truth, ground_truth], PAIR)


@st.composite
def scattered(draw):
    """Objects of two classes on a grid with gaps between them, of all sizes up to four cells."""
    cell, gap = 40, 12
    taken, rows = set(), []
    for _ in range(draw(st.integers(1, 12))):
        row, column = draw(st.integers(0, 9)), draw(st.integers(0, 9))
        high, wide = draw(st.integers(1, min(4, 10 - row))), draw(st.integers(1, min(4, 10 - column)))
        cells = {(row + y, column + x) for y in range(high) for x in range(wide)}
        if cells & taken:
            continue
        taken |= cells
        rows.append(
            (
                column * cell + draw(st.integers(0, 8)),
                row * cell + draw(st.integers(0, 8)),
                (column + wide) * cell - gap - draw(st.integers(0, 8)),
                (row + high) * cell - gap - draw(st.integers(0, 8)),
                0.5 + len(rows) / 100,
                draw(st.integers(0, 1)),
            )
        )
    return boxes(*rows)


@settings(max_examples=150)
@given(scattered(), st.sampled_from([(100, 0), (100, 16), (100, 30), (130, 64), (400, 50), (75, 10)]))
def test_a_perfect_detector_finds_every_object_once_and_whole(objects, sizes):
    tiles = Tiles(400, 400, *sizes)
    answer, parts = join_boxes(seen(objects, tiles), tiles)
    is_same(answer, objects)
    assert set(parts.tolist()) - {-1} == set(range(len(objects)))  # -1: whole in two tiles, and one of them goes


def test_an_imperfect_one_finds_them_nearly():
    generator = torch.Generator().manual_seed(0)
    tiles = Tiles(400, 400, 100, 32)
    left, top = torch.meshgrid(torch.arange(8) * 50.0, torch.arange(8) * 50.0, indexing="xy")
    corner = torch.stack([left, top], -1).reshape(-1, 2) + torch.rand((64, 2), generator=generator) * 8
    size = 18 + torch.rand((64, 2), generator=generator) * 20
    objects = Boxes(torch.cat([corner, corner + size], 1), torch.zeros(64, dtype=torch.int64), torch.ones(64))
    found = []
    for part in seen(objects, tiles, least=6.0):
        shaken = part.xyxy + torch.randn(part.xyxy.shape, generator=generator) * 0.8
        scores = 0.3 + 0.7 * torch.rand(len(part), generator=generator)
        found.append(Boxes(shaken.clamp(0, 100), part.labels, scores))
    answer, _ = join_boxes(found, tiles)
    iou = pairwise_iou(objects.xyxy, answer.xyxy)
    assert len(answer) == 64
    assert (iou.max(1).values > 0.75).all()


def test_the_stitcher_decodes_tile_by_tile():
    answers = iter([[boxes((40, 10, 100, 30, 0.7))], [boxes((0, 10, 60, 30, 0.8))]])
    stitcher = BoxStitcher(lambda outputs, placements: next(answers), PAIR, max_iou=None)
    stitcher.add("outputs", [Placement(100, 100)])
    stitcher.add("outputs", [Placement(100, 100)])
    is_same(stitcher.finish(), boxes((40, 10, 140, 30, 0.8)))

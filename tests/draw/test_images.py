from __future__ import annotations

import numpy as np
import pytest

from zorki.draw.images import boxes, caption, color, enlarge, legend, sheet, shrink, to_array, to_image
from zorki.draw.palette import RIGHT, WRONG

TEAL = tuple(bytes.fromhex(RIGHT[1:]))
VERMILION = tuple(bytes.fromhex(WRONG[1:]))


def plain(height: int, width: int, shade: int = 90) -> np.ndarray:
    return np.full((3, height, width), shade, np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8)


def pixel(image: np.ndarray, row: int, column: int) -> tuple[int, ...]:
    return tuple(image[:, row, column].tolist())


def test_array_and_image_are_the_same_image() -> None:
    image = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7)
    assert np.array_equal(to_array(to_image(image)), image)
    assert to_array(to_image(image).convert("L")).shape == (3, 5, 7)


def test_small_images_are_enlarged_by_whole_factors() -> None:
    image = noise(28, 28)
    large = enlarge(image, 160)
    assert large.shape == (3, 168, 168)  # six times
    assert np.array_equal(large[:, ::6, ::6], image)
    assert np.array_equal(large[:, 5::6, 5::6], image)
    assert enlarge(plain(10, 200), 160).shape == (3, 10, 200)


def test_images_are_shrunk_by_their_longer_side_to_the_means_of_their_pixels() -> None:
    halves = plain(40, 80, 10)
    halves[:, :, 40:] = 30
    small = shrink(halves, 4)
    assert small.shape == (3, 2, 4)
    assert small[0, 0, 0] == 10 < small[0, 0, 1] < small[0, 0, 2] < 30 == small[0, 0, 3]
    assert shrink(halves, 80) is halves
    assert shrink(plain(1, 400), 20).shape == (3, 1, 20)


@pytest.mark.parametrize(("good", "ink"), [(True, TEAL), (False, VERMILION), (None, (120, 128, 138))])
def test_caption_stands_under_the_untouched_image(good: bool | None, ink: tuple[int, ...]) -> None:
    image = noise(40, 200)
    before = image.copy()
    done = caption(image, "a cat in a hat", good)
    assert np.array_equal(image, before)
    assert np.array_equal(done[:, :40], image)
    assert pixel(done, done.shape[1] - 1, 199) == ink
    strip = done[:, 40:]
    assert int((strip > 230).all(0).sum()) > 20  # white letters


def test_caption_grows_to_three_lines_and_no_further() -> None:
    heights = [caption(plain(10, 200), "word " * count).shape[1] for count in (1, 10, 30, 300)]
    assert heights[0] < heights[1] < heights[2] == heights[3]
    assert np.array_equal(caption(plain(10, 200), " \n"), plain(10, 200))


def test_letters_do_not_grow_with_the_length_of_a_strip() -> None:
    """Of an image 800 times as wide as high the caption is no larger than of one 400 times as wide."""
    strips = [caption(plain(4, width), "a cat", True).shape[1] for width in (1600, 3200)]
    assert strips[0] == strips[1] < 60
    legends = [legend(width, [("a cat", color(0))], height=4).shape[1] for width in (1600, 3200)]
    assert legends[0] == legends[1] < 60
    across = np.array([[0.0, 0.0, 3200.0, 4.0]], np.float32)
    tagged = boxes(plain(4, 3200), across, ["a cat"])
    assert np.array_equal(
        tagged[:, :, :1600], boxes(plain(4, 1600), np.array([[0.0, 0.0, 3200.0, 4.0]], np.float32), ["a cat"])
    )
    assert caption(plain(300, 1600), "a cat").shape[1] < caption(plain(300, 2400), "a cat").shape[1]


@pytest.mark.parametrize("text", ["Кошка", "très bien", "猫", "\udcff\x00\n\t", "x" * 500, "🐈 cat"])
def test_any_text_can_be_written(text: str) -> None:
    assert caption(plain(28, 28), text, True).shape[2] == 168
    assert sheet([plain(28, 28)], [text], marks=[False]).dtype == np.uint8
    assert boxes(plain(60, 60), np.array([[5.0, 5.0, 40.0, 40.0]], np.float32), [text]).shape == (3, 60, 60)


def test_sheet_has_equal_cells_with_frames_by_mark() -> None:
    images = [plain(28, 28, 10), plain(300, 100, 20), plain(64, 256, 30)]
    done = sheet(images, ["a", "a caption that is much too long for its cell", ""], marks=[True, False, None], cell=120)
    # Two columns and rows; gap 10, frame 3, letters of 12, caption strip of three lines: 12 * (.4 + 3 * 1.3) = 52.
    assert done.shape == (3, 2 * (120 + 6 + 52 + 10) + 10, 2 * (120 + 6 + 10) + 10)
    assert pixel(done, 10, 10) == TEAL
    assert pixel(done, 10, 146) == VERMILION
    assert pixel(done, 198, 10) == (208, 212, 218)
    assert sheet(images, ["a", "b", "c"], cell=120).shape[1] == 2 * (120 + 6 + 20 + 10) + 10
    # 28 pixels go four times into 120: the image spans 112, centered.
    assert pixel(done, 13 + 4, 13 + 4) == (10, 10, 10)
    assert pixel(done, 13 + 3, 13 + 3) == (236, 238, 241)
    assert pixel(done, 13 + 60, 146 + 3 + 60) == (20, 20, 20)
    assert pixel(done, 13 + 60, 146 + 3 + 10) == (236, 238, 241)  # 300 x 100 becomes 120 x 40


def test_long_captions_stay_in_their_cell() -> None:
    done = sheet([plain(28, 28), plain(28, 28)], ["w" * 300, ""], columns=2, cell=120)
    strip, paper = done[:, 139:], np.array([250, 250, 251], np.uint8)[:, None]
    written = (strip != paper[:, None]).any(0).any(0)
    assert written[10:136].any()
    assert not written[136:].any()


def test_sheet_of_nothing_and_wrong_lengths() -> None:
    assert sheet([]).shape[0] == 3
    with pytest.raises(ValueError, match="lengths differ"):
        sheet([plain(8, 8)], ["a", "b"])
    with pytest.raises(ValueError, match="lengths differ"):
        sheet([plain(8, 8)], marks=[True, None])
    with pytest.raises(ValueError, match="at least 1"):
        sheet([plain(8, 8)], cell=0)
    with pytest.raises(ValueError, match="at least 1"):
        sheet([plain(8, 8)], columns=0)


def test_more_columns_than_images_leave_no_room() -> None:
    assert sheet([plain(8, 8)], columns=5).shape == sheet([plain(8, 8)], columns=1).shape


def test_box_covers_its_pixels() -> None:
    image = plain(20, 30, 0)
    done = boxes(image, np.array([[4.0, 5.0, 10.0, 9.0]], np.float32), colors=[(255, 0, 0)])
    drawn = np.argwhere(done[0] == 255)
    # [4, 10) x [5, 9): columns 4..9, rows 5..8; the outline of 6 x 4 has 16 pixels.
    assert drawn.min(0).tolist() == [5, 4]
    assert drawn.max(0).tolist() == [8, 9]
    assert len(drawn) == 16
    assert not image.any()


def test_boxes_that_leave_the_image_or_are_empty() -> None:
    odd = np.array([[-50.0, -50.0, 500.0, 500.0], [5.0, 5.0, 5.0, 5.0], [9.0, 9.0, 2.0, 2.0]], np.float32)
    assert boxes(plain(20, 30), odd, ["a", "b", "c"]).shape == (3, 20, 30)
    nothing = np.array([[float("nan"), 0.0, 5.0, 5.0]], np.float32)
    assert np.array_equal(boxes(plain(20, 30), nothing), plain(20, 30))
    assert np.array_equal(boxes(plain(20, 30), np.zeros((0, 4), np.float32)), plain(20, 30))
    with pytest.raises(ValueError, match="lengths differ"):
        boxes(plain(20, 30), np.zeros((1, 4), np.float32), [])


def test_forty_colors_differ_and_stay() -> None:
    colors = [color(index) for index in range(40)]
    assert len(set(colors)) == 40
    assert color(40) == color(0) == (0, 114, 178)
    assert color(1) == (213, 94, 0)
    assert color(-1) == color(39)


def test_first_colors_differ_to_the_color_blind() -> None:
    # Full deuteranopia and protanopia after Vienot, Brettel and Mollon (1999), on linear light.
    eyes = {
        "deutan": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
        "protan": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    }
    light = (np.array([color(index) for index in range(6)]) / 255) ** 2.2
    for matrix in eyes.values():
        seen = (light @ np.array(matrix).T).clip(0, 1) ** (1 / 2.2)
        distance = np.linalg.norm(seen[:, None] - seen, axis=2) + np.eye(6)
        assert distance.min() > 0.09


def test_a_legend_breaks_its_lines_and_keeps_its_height_where_asked():
    names = [(f"class number {label}", color(label)) for label in range(9)]
    strip = legend(400, names)
    assert strip.shape[2] == 400
    assert strip.shape[1] > legend(1600, names).shape[1] * 400 / 1600, "a narrow one needs more lines"
    for _, ink in names:
        assert bool((strip == np.array(ink, np.uint8)[:, None, None]).all(0).any()), ink
    assert {legend(400, names[:n], lines=2).shape for n in (0, 1, 9)} == {legend(400, names, lines=2).shape}
    assert legend(400, []).shape == (3, 0, 400)
    assert legend(12, [("a name far wider than the image", color(0))]).shape[2] == 12


def test_dashed_boxes_have_gaps_and_lie_where_full_ones_do():
    blank, ink = np.zeros((3, 60, 80), np.uint8), (255, 0, 0)
    boxes_drawn = np.array([[10.0, 10, 70, 50]], np.float32)
    full, dashed = (boxes(blank, boxes_drawn, [""], [ink], [broken])[0] > 0 for broken in (False, True))
    assert not (dashed & ~full).any()
    assert 0.3 < dashed.sum() / full.sum() < 0.7
    with pytest.raises(ValueError, match="dashed"):
        boxes(blank, boxes_drawn, dashed=[True, False])

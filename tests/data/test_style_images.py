"""Styles as they are typed."""

import pytest
import torch

from zorki.data.images import write_image
from zorki.data.strokes import paint_strokes
from zorki.data.style_images import parse_styles, read_styles
from zorki.errors import DataError, RecipeError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("a.png", 10), ("b.png", 200), ("c,d:1.png", 3), ("black.png", 0)):
        write_image(tmp_path / name, torch.full((3, 40, 50), value, dtype=torch.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.png", [("a.png", 1.0)]),
        ("a.png:.7,b.png:.3", [("a.png", 0.7), ("b.png", 0.3)]),
        ("a.png, b.png:2", [("a.png", 1.0), ("b.png", 2.0)]),
        ("c,d:1.png", [("c,d:1.png", 1.0)]),
        ("scenes:strokes", [("scenes:strokes", 1.0)]),
        ("scenes:strokes:.5,a.png", [("scenes:strokes", 0.5), ("a.png", 1.0)]),
    ],
)
def test_files_and_weights(folder, text, expected):
    assert parse_styles(text) == expected


@pytest.mark.parametrize("text", ["a.png:0", "a.png:-1", "a.png:nan", ":.5", ""])
def test_weights_that_are_none_are_refused(folder, text):
    with pytest.raises(RecipeError, match="expected an image, or several with weights"):
        parse_styles(text)


def test_masks_go_with_styles_in_their_order(folder):
    one, two = read_styles("a.png,b.png", ["b.png", "-"])
    assert one.mask is not None
    assert float(one.mask[0, 0]) == pytest.approx(200 / 255)
    assert two.mask is None
    with pytest.raises(RecipeError, match="2 styles and 1 masks"):
        read_styles("a.png,b.png", ["b.png"])
    with pytest.raises(RecipeError, match="the mask is black all over"):
        read_styles("a.png", ["black.png"])


def test_a_missing_style_is_told(folder):
    with pytest.raises(DataError, match=r"none\.png"):
        read_styles("none.png")


def test_the_built_in_style_is_always_the_same():
    image = paint_strokes(64)
    assert image.shape == (3, 64, 64)
    assert torch.equal(image, paint_strokes(64))
    assert float(image.float().std()) > 20

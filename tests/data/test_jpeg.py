"""The quick decoder of JPEG files: the same pixels, only where it pays, and never in place of an error."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from zorki.data import jpeg
from zorki.data.images import decode_image, read_image
from zorki.errors import DataError

cv2 = pytest.importorskip("cv2", exc_type=ImportError)


@pytest.fixture
def photos():
    """JPEG files of all kinds, with their pixels by Pillow."""
    generator = np.random.default_rng(1)
    made = []
    for height, width in ((1, 1), (8, 8), (61, 47), (200, 133)):
        pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
        for options in ({"subsampling": 2}, {"subsampling": 0, "quality": 100}, {"progressive": True, "quality": 30}):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "jpeg", **options)
            made.append((buffer.getvalue(), np.array(Image.open(buffer))))
    return made


def test_pixels_are_pillows(photos):
    decode = jpeg._opencv()
    assert decode is not None
    for data, wanted in photos:
        assert np.array_equal(decode(data), wanted)


def test_opencv_is_imported_where_it_pays(photos, monkeypatch):
    monkeypatch.setattr(jpeg, "_decoded", 0)
    monkeypatch.delitem(sys.modules, "cv2")
    found = [jpeg.fast_decoder() for _ in range(jpeg.PATIENCE + 2)]
    assert found[: jpeg.PATIENCE] == [None] * jpeg.PATIENCE
    assert found[jpeg.PATIENCE] is not None
    assert "OpenCV" in jpeg.decoder_name()


def test_another_decoder_is_not_taken():
    assert not jpeg._agrees(lambda data: np.zeros((37, 53, 3), np.uint8))
    assert not jpeg._agrees(lambda data: None)


def test_a_cut_file_is_an_error_whoever_decodes(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(jpeg, "fast_decoder", jpeg._opencv)
    data, wanted = photos[-1]
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="truncated"):
        read_image(tmp_path / "a.jpg")
    whole = decode_image(data + b"\0" * 20, tmp_path / "a.jpg")  # what cameras leave behind
    assert np.array_equal(whole.permute(1, 2, 0).numpy(), wanted)

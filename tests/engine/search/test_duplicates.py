"""Near-duplicates by embeddings, and by OpenCV's perceptual hash."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_embedder import paint_people, tiny_run

from zorki.engine.search.duplicates import duplicates
from zorki.engine.search.network import EmbeddingNetwork
from zorki.engine.search.pages import write_duplicates
from zorki.errors import DataError, RecipeError

hashes = pytest.mark.skipif(find_spec("cv2") is None, reason="OpenCV is not installed")


def silent(words):
    pass


def photo(seed, side=96):
    """Smooth blobs, as photos have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def photos():
    for split in ("train", "test"):
        Path("photos", split, "a").mkdir(parents=True)
    for seed in range(6):
        photo(seed).save(f"photos/train/a/{seed}.png")
    for seed in range(6, 9):
        photo(seed).save(f"photos/test/a/{seed}.png")
    photo(2).resize((60, 60)).save("photos/test/a/copy.jpg", quality=70)  # a leak
    photo(4).point(lambda value: min(255, value + 12)).save("photos/train/a/brighter.png")
    return Path("photos")


@hashes
def test_resized_compressed_and_brightened_copies_are_found(photos):
    report = duplicates(photos, tell=silent)
    assert {(pair.a, pair.b) for pair in report.pairs} == {
        ("train/a/4.png", "train/a/brighter.png"), ("test/a/copy.jpg", "train/a/2.png"),
    }  # fmt: skip
    assert report.count == 11
    assert "pHash" in report.method
    Path("page").mkdir()
    assert write_duplicates(Path("page"), report).read_text().count("<img") == 4


@hashes
def test_across_splits_only_leaks_are_told(photos):
    report = duplicates(photos, across=["train", "test"], tell=silent)
    (pair,) = report.pairs
    assert {pair.a, pair.b} == {"train/a/2.png", "test/a/copy.jpg"}
    assert pair.splits == ("train", "test")
    assert report.groups == [["test/a/copy.jpg", "train/a/2.png"]]


def test_by_embeddings():
    root = paint_people(Path("people"))
    report = duplicates(root, network=EmbeddingNetwork(tiny_run()), threshold=0.99, tell=silent)
    assert len(report.pairs) == 4 * 3
    assert [len(group) for group in report.groups] == [3, 3, 3, 3]
    assert report.pairs == sorted(report.pairs, key=lambda pair: -pair.closeness)
    assert "tiny" in report.method


def test_blocks_change_nothing(monkeypatch):
    root, network = paint_people(Path("people")), EmbeddingNetwork(tiny_run())
    whole = duplicates(root, network=network, threshold=0.99, tell=silent)
    monkeypatch.setattr("zorki.ops.near_pairs.BLOCK", 5)
    found = duplicates(root, network=network, threshold=0.99, tell=silent)
    assert {(pair.a, pair.b) for pair in found.pairs} == {(pair.a, pair.b) for pair in whole.pairs}


def test_bad_input_is_one_message(photos):
    with pytest.raises(RecipeError, match="threshold is 65; expected a number of bits from 0 to 64"):
        duplicates(photos, threshold=65, tell=silent)
    with pytest.raises(RecipeError, match="expected two splits or more"):
        duplicates(photos, across=["train"], tell=silent)
    with pytest.raises(DataError, match="no image is in the split 'val'"):
        duplicates(photos, across=["train", "val"], tell=silent)
    with pytest.raises(DataError, match=r"0\.png: one image; expected two or more"):
        duplicates("photos/train/a/0.png", network=EmbeddingNetwork(tiny_run()), tell=silent)

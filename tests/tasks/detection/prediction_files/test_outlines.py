"""Outlines of predictions and of annotations that cannot be filled: told with their file, before anything is filled."""

import json

import pytest

from zorki.engine.evaluation.results_file import evaluate_file
from zorki.errors import DataError

SQUARE = [[1, 1, 9, 1, 9, 9, 1, 9]]


@pytest.fixture
def written(tmp_path):
    def write(annotated=SQUARE, answered=SQUARE, height=20, width=30):
        image = {"id": 1, "file_name": "1.png", "height": height, "width": width}
        row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "segmentation": annotated, "area": 64}
        table = {"images": [image], "annotations": [row], "categories": [{"id": 1, "name": "cat"}]}
        (tmp_path / "a.json").write_text(json.dumps(table))
        answer = {"image_id": 1, "category_id": 1, "segmentation": answered, "score": 0.5}
        (tmp_path / "r.json").write_text(json.dumps([answer]))
        return tmp_path / "r.json", tmp_path / "a.json"

    return write


@pytest.mark.parametrize("task", ["detection", "instance_segmentation"])
def test_masks_of_absurd_sizes_and_lengths_are_told(written, task):
    assert evaluate_file(*written(), task=task).count == 1
    with pytest.raises(DataError, match=r"a\.json: object 1: its mask cannot be made: the image is 100000 x 100000"):
        evaluate_file(*written(height=100_000, width=100_000), task=task)
    with pytest.raises(DataError, match=r"r\.json: entry 1: a polygon has a value that is no number, or beyond 1e\+06"):
        evaluate_file(*written(answered=[[0, 0, 1e9, 0, 0, 1e9]]), task=task)
    with pytest.raises(DataError, match=r"a\.json: object 1: its outline is longer than 102400 pixels"):
        evaluate_file(*written(annotated=[[0, 0, 9e5, 0, 0, 9e5] * 3]), task=task)

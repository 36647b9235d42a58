"""What a run knows of its classes, whichever version wrote it."""

import json

import pytest

from zorki import registry
from zorki.engine.run.open import RESULTS, class_info_json, class_info_of
from zorki.types import ClassInfo


@pytest.mark.parametrize(
    ("results", "threshold", "split"),
    [
        ({"test": 0.9, "val": 0.35}, 0.35, "val"),
        ({"test": 0.9, "val": None}, 0.9, "test"),
        ({"test": None}, None, None),
        ({}, None, None),
    ],
)
def test_runs_of_older_versions_take_the_threshold_from_their_results(tmp_path, results, threshold, split):
    about = {"class_names": ["cat", "dog"], "data_facts": {"category_ids": [17, 18]}}
    page = {name: {"figures": {"best_threshold": best}} for name, best in results.items()}
    (tmp_path / RESULTS).write_text(json.dumps(page))
    info = class_info_of(about, registry.tasks()["detection"], tmp_path)
    assert info == ClassInfo(("cat", "dog"), (), (17, 18), None, threshold, split)
    today = {"class_names": ["cat", "dog"], "class_info": json.loads(json.dumps(class_info_json(info)))}
    assert class_info_of(today, registry.tasks()["detection"], tmp_path / "elsewhere") == info


def test_runs_of_older_versions_keep_colors_and_drop_numbers_that_do_not_fit(tmp_path):
    about = {"class_names": ["ground", "cat"], "data_facts": {"palette": [[0, 0, 0], [128, 0, 0]]}}
    info = class_info_of(about, registry.tasks()["semantic_segmentation"], tmp_path)
    assert info == ClassInfo(("ground", "cat"), background=(0,), palette=((0, 0, 0), (128, 0, 0)))
    about = {"class_names": ["cat", "dog"], "data_facts": {"category_ids": [1, 2, 3]}}
    assert class_info_of(about, registry.tasks()["detection"], tmp_path).category_ids is None
    assert class_info_of({"class_names": ["a"]}, registry.tasks()["classification"], tmp_path) == ClassInfo(("a",))

"""What other tools do by surprise: each has a script, and a row in the table that names a test of ours."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

import zorki

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "findings").glob("*.sh"))
ROWS = dict(re.findall(r"^\| `(\w+)` \| .+ \| .*`(tests/.+)` \|$", (ROOT / "findings/README.md").read_text(), re.M))


def test_every_script_stands_in_the_table_with_a_test_that_there_is():
    assert [script.stem for script in SCRIPTS] == sorted(ROWS)
    for row in ROWS.values():
        path, _, name = row.partition("::")
        assert f"\ndef {name}(" in (ROOT / path).read_text(), row


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_runs_pinned_packages_without_zorki_and_says_what_was_seen(script):
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert len(text.splitlines()) < 50
    installed = re.findall(r"^uv pip install --quiet --python env/bin/python (?:--no-deps )?(.+)$", text, re.M)
    assert installed
    assert all("==" in package for packages in installed for package in packages.split())
    assert "# Seen: " in text
    assert "assert " in text
    code = text.partition("<<'PYTHON'\n")[2].removesuffix("PYTHON\n")
    ast.parse(code)
    assert "zorki" not in text


def judged(tmp_path, side, identity):
    """Average precision of one object that is found: of all, small, medium and large."""
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, side, side]}
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": 99, "height": 99}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{**box, "id": identity, "area": side * side, "iscrowd": 0}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps([{**box, "score": 0.9}]))
    found = zorki.evaluate_file(tmp_path / "found.json", tmp_path / "truth.json", task="detection").metrics.coco
    return found.ap, found.ap_small, found.ap_medium, found.ap_large


@pytest.mark.parametrize("identity", [0, 1])
def test_an_annotation_id_of_zero_is_found(tmp_path, identity):
    assert judged(tmp_path, 50, identity)[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("side", "small", "medium", "large"), [(31, 1, 0, 0), (32, 1, 1, 0), (33, 0, 1, 0), (96, 0, 1, 1)]
)
def test_limits_of_size_belong_to_both_sides(tmp_path, side, small, medium, large):
    sizes = judged(tmp_path, side, 1)[1:]
    assert [value is not None and value > 0.99 for value in sizes] == [bool(one) for one in (small, medium, large)]

"""`--json`: one rule for every verb, and keys that machines can count on."""

import json
import re
from pathlib import Path

import pytest
import torch

from zorki.cli import main
from zorki.cli.flags.json_output import with_json_target
from zorki.data.images import write_image

SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")
SHOW_KEYS = [
    "data", "task", "format", "reason", "split_reason", "class_names", "splits", "counted", "classes", "tables",
    "defects", "sheet",
]  # fmt: skip
TABLES = {
    "classification": [],
    "detection": ["boxes", "boxes_per_image", "box_sizes", "box_side", "aspect_ratio"],
    "semantic_segmentation": ["pixels"],
    "instance_segmentation": ["objects", "objects_per_image", "object_sizes", "object_side", "covered_share"],
}


def keys_of(page):
    """All keys of a JSON value, however deep."""
    if isinstance(page, dict):
        return {*page, *(key for value in page.values() for key in keys_of(value))}
    return {key for value in page for key in keys_of(value)} if isinstance(page, list) else set()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--json"], ["--json=-"]),
        (["--json", "photos/"], ["--json=-", "photos/"]),
        (["photos/", "--json", "out.JSON"], ["photos/", "--json", "out.JSON"]),
        (["--json", "-", "x"], ["--json", "-", "x"]),
        (["--json=facts.txt"], ["--json=facts.txt"]),
    ],
)
def test_the_next_word_is_a_target_only_where_it_names_json(words, found):
    assert with_json_target(words) == found


@pytest.mark.parametrize("task", TABLES)
def test_show_prints_json_with_stable_keys(task, capsys):
    main(["show", "scenes:30@48", "--task", task, "--json"])
    page = json.loads(capsys.readouterr().out)
    assert list(page) == SHOW_KEYS
    assert list(page["tables"]) == TABLES[task]
    assert {"split", "class_name", "count", "images"} == set(page["classes"][0])
    assert [row["split"] for row in page["splits"]] == ["train", "val", "test"]
    assert not [key for key in keys_of(page) if not SNAKE_CASE.fullmatch(key)]
    assert not list(Path().iterdir()), "nothing is written where nothing was asked for"


def test_a_file_where_one_is_named(tmp_path, capsys):
    rows = [f"{name}.png,{label}" for name, label in zip("abcdef", "xxxyyy", strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows, "gone.png,x"]))
    for name in "abcdef":
        write_image(tmp_path / f"{name}.png", torch.zeros((3, 8, 8), dtype=torch.uint8))
    main(["show", "labels.csv", "--json", "dataset.json"])
    page = json.loads(Path("dataset.json").read_text())
    assert page["sheet"] == "runs/show-1/sheet.png"
    (defect,) = [one for one in page["defects"] if not one["note"]]
    assert (defect["path"], defect["line"]) == ("labels.csv", 8)
    assert "1 defect" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["tasks"], ["models", "lenet*"], ["info", "lenet5"]])
def test_other_verbs_print_json_alike(words, capsys):
    main([*words, "--json"])
    page = json.loads(capsys.readouterr().out)
    assert page
    assert not [key for key in keys_of(page) if not SNAKE_CASE.fullmatch(key)]

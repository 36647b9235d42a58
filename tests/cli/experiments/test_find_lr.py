"""`zorki find-lr` as it is typed."""

import json
from pathlib import Path

import pytest

from zorki.cli import main

SHORT = ["--steps", "20", "--batch-size", "8", "--workers", "0"]


def test_it_prints_and_writes(capsys):
    main(["find-lr", "lenet5", "scenes:40@32", *SHORT])
    printed = capsys.readouterr().out
    assert "range test: 20 steps of lenet5" in printed
    assert "plot: runs/find-lr-1/find_lr.html" in printed
    assert sorted(path.name for path in Path("runs").iterdir()) == ["find-lr-1"], "no run was made"
    found = json.loads(Path("runs/find-lr-1/find_lr.json").read_text())
    assert len(found["rates"]) == len(found["losses"]) > 5
    main(["find-lr", "lenet5", "scenes:40@32", *SHORT, "--json", "--out", "o", "--name", "n"])
    again = json.loads(capsys.readouterr().out)
    assert again["losses"] == found["losses"], "the same seed"
    assert Path("o/n/find_lr.svg").is_file()


def test_bad_input_leaves_nothing(capsys):
    for words, message in (
        (["find-lr"], "zorki find-lr photos/"),
        (["find-lr", "lenet6", "scenes:40@32"], "lenet5"),
        (["find-lr", "lenet5", "scenes:40@32", "--steps", "3"], "at least 20"),
        (["find-lr", "lenet5", "scenes:40@32", "--max-lr", "high"], "max-lr"),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert list(Path().iterdir()) == []

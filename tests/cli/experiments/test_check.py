"""`zorki check`: exit codes, JSON, a page."""

import json

import numpy as np
import pytest
from PIL import Image

from zorki.cli import _run, main


@pytest.fixture
def photos(tmp_path):
    for split, count in (("train", 6), ("test", 3)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                path = tmp_path / "photos" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng([len(split), label, number]).integers(0, 256, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def test_clean_data_are_0_and_a_leak_is_1(photos, tmp_path, capsys):
    assert _run(["check", str(photos), "--json", "--budget", "30s"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["findings"], told["exit_code"]) == ([], 0)
    assert not (tmp_path / "runs").exists(), "JSON alone writes nothing"
    (photos / "train/cat/copy.png").write_bytes((photos / "test/cat/1.png").read_bytes())
    with pytest.raises(SystemExit) as end:
        main(["check", str(photos), "--out", str(tmp_path / "page"), "--json", str(tmp_path / "found.json")])
    assert end.value.code == 1
    said = capsys.readouterr().out
    assert "ZD012 leak" in said
    assert "remedy: " in said
    assert "ZD012 leak" in (tmp_path / "page/index.html").read_text()
    (finding,) = json.loads((tmp_path / "found.json").read_text())["findings"]
    assert (finding["id"], finding["severity"], finding["count"]) == ("ZD012", "error", 1)
    assert finding["files"] == ["train/cat/copy.png", "test/cat/1.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "ZD0123"], "Did you mean"),
        (["--budget", "soon"], "expected a length of time"),
        (["--task", "detektion"], "Did you mean detection?"),
    ],
)
def test_what_cannot_run_is_2_with_one_message(photos, capsys, words, said):
    assert _run(["check", str(photos), *words]) == 2
    assert said in capsys.readouterr().err
    assert _run(["check"]) == 2
    assert "expected data" in capsys.readouterr().err


def test_checks_are_listed(capsys):
    assert _run(["check", "--list"]) == 0
    assert "ZD012 leak (error): " in capsys.readouterr().out

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs(path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out or list(Path().iterdir()), "it says or makes something"


def test_benchmarks_explain_themselves():
    for path in (ROOT / "benchmarks").glob("*.py"):
        text = path.read_text()
        assert "python benchmarks/" in text.split('"""')[1], f"{path.name}: the docstring gives the command"

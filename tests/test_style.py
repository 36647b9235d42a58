"""Style and types are tests, too."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*words):
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_ruff_finds_nothing():
    code, out = run("ruff", "check", "--output-format", "concise", ".")
    assert code == 0, out
    code, out = run("ruff", "format", "--check", ".")
    assert code == 0, out


def test_types_hold():
    code, out = run("mypy")
    assert code == 0, out


def test_the_project_speaks_of_itself_alone():
    words = ("/work/", "this session", "issue #")
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]:
        text = path.read_text()
        assert not [word for word in words if word in text], path

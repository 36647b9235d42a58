"""The wheel holds the package and nothing else, and predictions from a clean folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_it_holds_the_package_and_its_style_sheet(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "zorki/draw/report.css" in names
    assert "zorki/py.typed" in names
    assert all(name.startswith(("zorki/", "zorki-")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_installs_into_a_clean_environment_and_runs(wheel, tmp_path):
    """A new environment that holds the wheel alone; what it depends on is borrowed, as there is no network."""
    folder = tmp_path / "env"
    own = find_spec("pip") is None  # the pip of this environment is as good, and is there already
    venv.create(folder, with_pip=own)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
    install = [*pip, "install", "--no-index", "--no-deps", "--no-compile", "--quiet", wheel]
    done = subprocess.run(install, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    # Lines of .pth files do not count in folders of PYTHONPATH: the checkout itself does not come along.
    env["PYTHONPATH"] = sysconfig.get_path("purelib")
    where = [folder / "bin" / "python", "-c", "import zorki; print(zorki.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, env=env, cwd=tmp_path, check=True).stdout
    assert Path(found.strip()).is_relative_to(folder)
    words = [folder / "bin" / "zorki", "train", "lenet5", "scenes:60@32", "--epochs", "1", "--workers", "0"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "lenet5-1" / "report.html").is_file()

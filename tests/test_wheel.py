"""The wheel holds the package and nothing else, and answers from a clean folder."""

import os
import subprocess
import sys
import zipfile
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
    names = zipfile.ZipFile(wheel).namelist()
    assert "zorki/draw/report.css" in names
    assert "zorki/py.typed" in names
    assert all(name.startswith(("zorki/", "zorki-")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_installs_into_a_clean_environment_and_runs(wheel, tmp_path):
    """A new environment with the wheel alone; heavy packages are borrowed from this one, so that no network is needed."""
    import sysconfig

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    site = Path(
        subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A .pth line is not used: an editable install of the checkout would come along with it.
    borrowed = sysconfig.get_path("purelib")
    env = {**os.environ, "PYTHONPATH": f"{site}:{borrowed}"}
    code = "import zorki, sys; from zorki.cli import main; main(sys.argv[1:]); print(zorki.__file__)"
    done = subprocess.run([python, "-c", code, "train", "lenet5", "scenes:60@32", "--epochs", "1", "--workers", "0"],
                          capture_output=True, text=True, env=env, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout
    assert (tmp_path / "runs" / "lenet5-1" / "report.html").is_file()

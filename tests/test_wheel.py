"""The wheels hold the package and nothing else, share no file, and predict from clean folders, also without torch."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import exported_files
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Of zorki-lite, which holds the code, and of zorki, which brings torch along."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    for folder in (ROOT / "lite", ROOT):
        done = subprocess.run(build, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return sorted(out.glob("*.whl"), reverse=True)


def test_they_are_of_one_version_and_share_no_file(wheels):
    holds = [set(zipfile.ZipFile(wheel).namelist()) for wheel in wheels]
    assert not holds[0] & holds[1]
    assert all(name.startswith("zorki-") for name in holds[1])
    projects = [tomllib.loads((ROOT / one).read_text())["project"] for one in ("lite/pyproject.toml", "pyproject.toml")]
    lite, full = projects
    assert lite["version"] == full["version"]
    assert f"zorki-lite=={lite['version']}" in full["dependencies"]
    assert (ROOT / "LICENSE").read_text() == (ROOT / "lite" / "LICENSE").read_text()


def test_what_a_release_needs_is_told_alike(wheels):
    """What PyPI shows of both, and that the version has its part of the changelog."""
    projects = [tomllib.loads((ROOT / one).read_text())["project"] for one in ("lite/pyproject.toml", "pyproject.toml")]
    for name in ("classifiers", "license", "license-files", "requires-python"):
        assert projects[0][name] == projects[1][name], name
    assert f"## {projects[0]['version']} " in (ROOT / "CHANGELOG.md").read_text()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
            text = archive.read(name).decode()
        assert "Description-Content-Type: text/markdown" in text
        assert "License-File: LICENSE" in text
        assert "Programming Language :: Python :: 3.11" in text


def test_a_source_distribution_builds_the_same_wheel(wheels, tmp_path):
    """Of zorki-lite, whose code lies one folder up in the checkout and beside it in the archive."""
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    done = subprocess.run([*build, "-t", "sdist"], cwd=ROOT / "lite", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    done = subprocess.run([*build, "-t", "wheel"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert sorted(built) == sorted(zipfile.ZipFile(wheels[0]).namelist())


@pytest.mark.parametrize("folder", ["lite", "."])
def test_an_editable_installation_points_at_the_code_and_copies_none(folder, tmp_path):
    """A copy would be imported in the place of what is edited."""
    build = f"from hatchling.build import build_editable\nprint(build_editable({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=ROOT / folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.startswith("zorki/")]
        (path,) = [name for name in archive.namelist() if name.endswith(".pth")]
        assert archive.read(path).decode().strip() == str(ROOT / "src")


def test_what_both_need_is_asked_for_in_equal_versions():
    lite = tomllib.loads((ROOT / "lite" / "pyproject.toml").read_text())["project"]
    full = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*full["dependencies"], *(one for more in full["optional-dependencies"].values() for one in more)]
    for needed in [*lite["dependencies"], *(one for more in lite["optional-dependencies"].values() for one in more)]:
        assert needed in asked, f"{needed} is asked for by zorki-lite alone"


def test_one_holds_the_package_and_its_style_sheet(wheels):
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
    assert "zorki/draw/report.css" in names
    assert "zorki/py.typed" in names
    assert all(name.startswith(("zorki/", "zorki_lite-")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_editable_installation_holds_no_copy(tmp_path):
    """Which Python would find before the folder that is edited."""
    build = [sys.executable, "-c", f"from hatchling.build import build_editable as b; b({str(tmp_path)!r})"]
    done = subprocess.run(build, cwd=ROOT / "lite", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert [name for name in names if ".dist-info/" not in name] == ["_zorki_lite.pth"]


def environment_with(wheels, tmp_path, *first):
    """A new environment that holds the wheels alone; what they depend on is borrowed, as there is no network.

    `first` are folders whose modules stand before those borrowed.
    """
    folder = tmp_path / "env"
    own = find_spec("pip") is None  # the pip of this environment is as good, and is there already
    venv.create(folder, with_pip=own)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
    install = [*pip, "install", "--no-index", "--no-deps", "--no-compile", "--quiet", *wheels]
    done = subprocess.run(install, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    # Lines of .pth files do not count in folders of PYTHONPATH: the checkout itself does not come along.
    env["PYTHONPATH"] = os.pathsep.join([*map(str, first), sysconfig.get_path("purelib")])
    where = [folder / "bin" / "python", "-c", "import zorki; print(zorki.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, env=env, cwd=tmp_path, check=True).stdout
    assert Path(found.strip()).is_relative_to(folder)
    return folder / "bin" / "zorki", env


def test_they_install_into_a_clean_environment_and_run(wheels, tmp_path):
    command, env = environment_with(wheels, tmp_path)
    words = [command, "train", "lenet5", "scenes:60@32", "--epochs", "1", "--workers", "0"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "lenet5-1" / "report.html").is_file()


def test_the_light_one_alone_predicts_without_torch(wheels, tmp_path):
    """And says what to install where more is asked of it."""
    pytest.importorskip("onnxruntime")
    missing = tmp_path / "missing"
    missing.mkdir()
    for name in ("torch", "torchvision", "lightning", "timm", "scipy"):
        text = f"raise ModuleNotFoundError(\"No module named '{name}'\", name={name!r})\n"
        (missing / f"{name}.py").write_text(text)
    command, env = environment_with(wheels[:1], tmp_path, missing)
    model = exported_files.classifier(str(tmp_path / "model.onnx"))
    Image.new("RGB", (20, 10), (0, 200, 0)).save(tmp_path / "a.png")
    words = [command, "predict", model, "a.png", "--out", "out"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a.png: green 100%" in done.stdout
    assert (tmp_path / "out" / "predictions.json").is_file()
    done = subprocess.run([command, "train", "lenet5", "."], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "zorki: `zorki train` needs torch, which is not installed: pip install zorki\n"

"""Shapes in annotations are checked in every test, see shape_checking.py."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")

import shape_checking

# The command line is left out: its annotations are made for a parser of words.
CHECKED = ("types", "contracts", "ops", "nn", "losses", "data", "draw", "index", "tasks", "engine")
shape_checking.install([f"zorki.{part}" for part in CHECKED])

import kept_scenes  # noqa: E402  # what is imported before the hook is not checked
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

torch.set_num_threads(1)

# How long an example takes is the machine's affair.
settings.register_profile("zorki", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zorki")


def pytest_collection_modifyitems(items):
    """The longest test starts first: at the end the other process would wait for it."""
    items.sort(key=lambda item: item.name != "test_types_hold")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Chance is the same in every test, whichever ran before it; for the fixtures of a module, too."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _scenes_are_kept(request):
    """Tests of the scenes themselves paint them anew."""
    if "scenes" in request.path.parts:
        yield
        return
    patch = kept_scenes.keep()
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

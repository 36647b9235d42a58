"""Shapes in annotations are checked in every test, by jaxtyping's import hook with beartype."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")

from jaxtyping import install_import_hook

# The command line is left out: its annotations are made for a parser of words.
CHECKED = ("types", "contracts", "ops", "nn", "losses", "data", "draw", "tasks", "engine")
install_import_hook([f"zorki.{part}" for part in CHECKED], "shape_checking.check")

import pytest  # noqa: E402  # what is imported before the hook is not checked
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

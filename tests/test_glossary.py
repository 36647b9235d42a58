"""The glossary's symbols and flags exist."""

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from zorki import registry
from zorki.recipe import Recipe

PAGE = (Path(__file__).parent.parent / "docs" / "glossary.md").read_text()
SYMBOLS = sorted(set(re.findall(r"`(zorki\.[\w.]+)`", PAGE)))
FLAGS = sorted(set(re.findall(r"`(--[a-z-]+)`", PAGE)))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_symbols_exist(symbol):
    module, _, name = symbol.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_flags_exist():
    settings = [Recipe, *(task.settings for task in registry.tasks().values())]
    fields = {f.name for kind in settings for f in dataclasses.fields(kind)}
    assert len(FLAGS) > 20
    assert not [flag for flag in FLAGS if flag.removeprefix("--").replace("-", "_") not in fields]

"""Every symbol and every import in the documents exists, and blocks of Python that need no run of a network work."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from zorki.types import Instances, Mask

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GROUPS = {"zorki.datasets", "zorki.models", "zorki.transforms"}  # of entry points
ONNX_PROPERTIES = {"zorki.preprocess", "zorki.class_names"}


def symbols():
    """(page, dotted name) of texts and of the imports in code."""
    for page in PAGES:
        text = page.read_text()
        for name in re.findall(r"(?<![\w/.\-])zorki(?:\.[A-Za-z_]\w*)+", text):
            if name not in GROUPS | ONNX_PROPERTIES:
                yield page.name, name
        for block in FENCED.findall(text):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zorki"):
                    yield from ((page.name, f"{node.module}.{one.name}") for one in node.names)


SYMBOLS = sorted(set(symbols()))


def test_they_are_found():
    assert len(SYMBOLS) > 120
    assert ("ledger.md", "zorki.introspection.ledger.ledger") in SYMBOLS, "of a block of Python"
    assert ("README.md", "zorki.load") in SYMBOLS


@pytest.mark.parametrize(("page", "symbol"), SYMBOLS)
def test_a_documented_symbol_exists(page, symbol):
    found, *names = symbol.split(".")
    value = importlib.import_module(found)
    for name in names:
        found += f".{name}"
        try:
            value = getattr(value, name) if hasattr(value, name) else importlib.import_module(found)
        except ImportError:
            pytest.fail(f"{page}: {symbol}: there is no {found}")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if FENCED.search(page.read_text())], ids=lambda page: page.name
)
def test_code_that_names_zorki_imports_it_on_its_page(page):
    imported = False
    for block in FENCED.findall(page.read_text()):
        nodes = list(ast.walk(ast.parse(block)))
        imported |= any(isinstance(node, ast.Import) and node.names[0].name == "zorki" for node in nodes)
        assert imported or not any(isinstance(node, ast.Name) and node.id == "zorki" for node in nodes), block


def things():
    """What blocks speak of and do not make."""
    xyxy, labels, masks = torch.tensor([[1.0, 1.0, 5.0, 5.0]]), torch.tensor([0]), torch.zeros((1, 8, 8)).bool()
    masks[:, 1:5, 1:5] = True
    objects, seen = Instances(xyxy, labels, masks), Instances(xyxy, labels, masks, torch.tensor([0.9]))
    pixels = Mask(torch.zeros((4, 4), dtype=torch.int64))
    return {
        "instance_segmentation.md": {"predictions": [seen], "targets": [objects]},
        "semantic_segmentation.md": {"predictions": [pixels], "targets": [pixels]},
        "ledger.md": {"model": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))},
        "scenes.md": {},
    }


@pytest.mark.parametrize(
    ("page", "number"),
    [("instance_segmentation.md", 1), ("semantic_segmentation.md", 1), ("ledger.md", 0), ("scenes.md", 0)],
)
def test_a_block_runs(page, number):
    block = FENCED.findall((ROOT / "docs" / page).read_text())[number]
    exec(compile(block, page, "exec"), things()[page])

"""Every symbol and every import in the documents exists, and every block of Python can be read; nothing is run."""

import ast
import importlib
import re
from pathlib import Path

import pytest

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

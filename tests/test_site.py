"""The site's navigation holds every page once, and nothing that is not there. MkDocs itself is not needed."""

import re
from pathlib import Path

import zorki

ROOT = Path(__file__).parent.parent


def test_every_page_is_in_the_navigation_once():
    text = (ROOT / "mkdocs.yml").read_text()
    listed = re.findall(r"([\w/]+\.md)$", text.partition("\nnav:\n")[2], re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_reference_names_what_the_package_gives():
    page = (ROOT / "docs" / "reference.md").read_text()
    assert [name for name in zorki.__all__ if f"`zorki.{name}`" not in page] == []

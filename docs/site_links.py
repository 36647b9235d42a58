"""Of the site: links that lead out of docs/, which only the repository can follow, become their words alone."""

import re
from typing import Any

OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return OUTSIDE.sub(r"\1", markdown)

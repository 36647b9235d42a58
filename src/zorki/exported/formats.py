"""Which files may be exported ones; known without loading anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SUFFIXES = (".onnx",)


def is_exported(given: Any) -> bool:
    """Whether what was named for a run is meant to be an exported file."""
    return isinstance(given, str | Path) and Path(given).suffix.lower() in SUFFIXES

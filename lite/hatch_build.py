"""Wheels hold the code that lies one folder up; an editable installation finds it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SourceHook(BuildHookInterface):
    """Adds `zorki` to wheels alone: a copy beside an editable installation would be the one that Python imports."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by Hatch before it builds; `version` is "standard" or "editable"."""
        if version != "editable":
            beside = Path(self.root) / "src" / "zorki"  # as a source distribution has it
            source = beside if beside.is_dir() else Path(self.root).parent / "src" / "zorki"
            build_data["force_include"][str(source)] = "zorki"

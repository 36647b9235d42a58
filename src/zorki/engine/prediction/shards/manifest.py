"""manifest.json beside shards: what predicts them, which must be equal to go on."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from zorki.engine.prediction.journal import check_equal
from zorki.engine.prediction.shards.store import Store, is_address, open_output
from zorki.errors import DataError, RecipeError
from zorki.files import plain
from zorki.input_files.json_files import read_json

MANIFEST = "manifest.json"
VERSION = 1  # of the folder


def is_begun(folder: str) -> bool:
    """Whether shards were begun in a folder."""
    return MANIFEST in open_output(folder).names() if is_address(folder) else (Path(folder) / MANIFEST).is_file()


def write_manifest(store: Store, run: str, command: dict[str, Any], about: dict[str, Any]) -> None:
    """Writes it.

    Args:
        run: where the run, or the file, lies.
        command: what must be equal to go on.
        about: what else a reader wants to know.

    Raises:
        ZorkiError: it cannot be written.
    """
    values: dict[str, Any] = {"version": VERSION, "run": run, "command": plain(command), **plain(about)}
    with store.whole(MANIFEST) as aside:
        aside.write_text(json.dumps(values, indent=2, ensure_ascii=True, allow_nan=False) + "\n", encoding="ascii")


def read_manifest(store: Store) -> dict[str, Any]:
    """What `write_manifest` wrote. Raises DataError where there is none, or one of another version."""
    name = f"{store.address}/{MANIFEST}"
    if MANIFEST not in store.names():
        raise DataError(
            f"{store.address}: there is nothing to go on with: it holds files, and no {MANIFEST}; name a new folder"
        )
    with store.local(MANIFEST) as file:
        values = read_json(file)
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION or not isinstance(values.get("command"), dict) or not isinstance(values.get("run"), str):
        raise DataError(f"{name}: version {version!r}; expected {VERSION}: go on with the zorki that began it")
    found: dict[str, Any] = values
    return found


def check_manifest(store: Store, command: dict[str, Any]) -> None:
    """Raises RecipeError where the shards were begun by another command."""
    check_equal(f"{store.address}/{MANIFEST}", store.address, read_manifest(store)["command"], plain(command))


def refuse_nested(images: Store, output: Store) -> None:
    """Raises RecipeError where files of the output would be taken for images."""
    inner, outer = PurePosixPath(output.address), PurePosixPath(images.address)
    if inner.is_relative_to(outer):
        raise RecipeError(f"{output.address} lies in {images.address}, whose images are predicted; name one beside it")

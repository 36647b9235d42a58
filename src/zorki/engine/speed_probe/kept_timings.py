"""Timings that were measured on this machine, kept in the cache: a probe costs once a machine and network."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zorki.data.loading.stored_work import cache_folder
from zorki.engine.speed_probe.ways import Way
from zorki.errors import ZorkiError
from zorki.files import write_json
from zorki.input_files.json_files import read_json

Timings = dict[Way, float]


def kept_timings(facts: Mapping[str, Any], measure: Callable[[], Timings]) -> Timings:
    """The timings of these facts, measured where none are kept. What cannot be read is measured anew.

    Args:
        facts: all that they hang on, in plain JSON.
    """
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    path = cache_folder("speed") / f"{name}.json"
    if (found := _read(path)) is not None:
        return found
    timings = measure()
    with contextlib.suppress(OSError, ZorkiError):  # without a cache, it is measured again the next time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"facts": dict(facts), "timings": rows(timings)})
    return timings


def rows(timings: Mapping[Way, float]) -> list[dict[str, Any]]:
    """Plain values, one row a way."""
    return [{**dataclasses.asdict(way), "seconds": value} for way, value in timings.items()]


def _read(path: Path) -> Timings | None:
    try:
        found = {
            Way(str(row["memory_format"]), str(row["precision"]), int(row["threads"])): float(row["seconds"])
            for row in read_json(path)["timings"]
        }
    except (ZorkiError, OSError, KeyError, TypeError, ValueError):
        return None
    return found or None

"""Weights: read without running code, matched by name and shape, written whole, fetched when asked and checked.

weights = read_weights(Path("resnet20.th"))
print(load_into(network, weights).summary())
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zorki.errors import WeightsError, did_you_mean
from zorki.hub import is_address, local_path
from zorki.weights.fetching import Published, cache_folder, download, fetch, published
from zorki.weights.load import Match, load_into
from zorki.weights.read import Weights, read_weights, save_weights

__all__ = [
    "Match",
    "Published",
    "Weights",
    "cache_folder",
    "download",
    "fetch",
    "load_into",
    "published",
    "read_weights",
    "resolve",
    "save_weights",
]


def resolve(source: str, sources: Mapping[str, str], model: str | None = None) -> Path:
    """The file behind a word of `--weights`: published weights of that name (fetched), a file, a run, or hf://OWNER/NAME.

    Args:
        sources: of the published weights by their words, see `zorki.registry.Entry`.
        model: its name, for messages.

    Raises:
        WeightsError: there is neither such a file nor published weights of that name.
    """
    if source in sources:
        return fetch(sources[source])
    if is_address(source):
        return local_path(source)
    if Path(source).exists():
        return Path(source)
    folder = Path(source).parent
    near = did_you_mean(source, [*sources, *(str(p) for p in (folder.iterdir() if folder.is_dir() else ()))])
    listed = f"published for {model}: {', '.join(sources) or 'nothing'}" if model is not None else "no model was named"
    raise WeightsError(f"--weights {source}: no such file or run folder, and no published weights ({listed}).{near}")

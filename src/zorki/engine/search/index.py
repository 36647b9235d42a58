"""An index of images: the vectors, the network that made them, and what one asks of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float

from zorki.engine.data_source import read_data
from zorki.engine.run.open import RunLike
from zorki.engine.search.identification import (
    Identification,
    Threshold,
    check_names,
    check_rate,
    choose_threshold,
    identify,
)
from zorki.engine.search.images import DetectorCrops, Gallery, embed, from_dataset, from_sources
from zorki.engine.search.network import EmbeddingNetwork
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.index.fingerprint import Fingerprint
from zorki.index.open import check_new_store, create_store, open_store
from zorki.index.store import Entries, Header, Neighbor, Tell, VectorStore, check_threshold
from zorki.index.vector_files import is_vectors, read_vectors
from zorki.output import say

NEIGHBORS = 10  # of a query, where nobody said


@dataclass(frozen=True)
class SearchResult:
    """A query's id, the file that it came from, and its neighbors, the nearest first."""

    query: str
    path: str
    neighbors: list[Neighbor]


class IndexSettings(TypedDict, total=False):
    """Settings of `Run.index`, for type checkers."""

    split: str | None
    ids: str | Path | None
    boxes_from: RunLike | None
    conf: float | None
    kind: str
    device: str | int | None
    batch_size: int | None
    strict: bool
    quiet: bool


class Index:
    """Images by their embeddings; opened by its address, or made by `build`.

        index = zorki.Index.build("runs/triplet_resnet18-1", "people/", "index")
        index.search("somebody.jpg", k=5)[0].neighbors

    Attributes:
        store: the vectors.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        run: RunLike | None = None,
        device: str | int | None = None,
        batch_size: int | None = None,
        quiet: bool = False,
    ) -> None:
        """The index at an address.

        Args:
            address: a folder, lancedb:FOLDER, milvus:FILE.db or milvus:http://host:19530; see `create_store`.
            run: the network that asks; None: the one that it was built with, where it lies now.

        Raises:
            ZorkiError: none is there, or it is broken.
        """
        self._tell: Tell = _silent if quiet else say
        self.store: VectorStore = open_store(str(address), self._tell)
        self._run, self._device, self._batch_size = run, device, batch_size
        self._network: EmbeddingNetwork | None = None

    @staticmethod
    def build(
        run: RunLike,
        images: Any,
        out: str | Path,
        *,
        split: str | None = None,
        ids: str | Path | None = None,
        boxes_from: RunLike | None = None,
        conf: float | None = None,
        kind: str = "auto",
        weights: str | Path | None = None,
        options: Mapping[str, str] | None = None,
        device: str | int | None = None,
        batch_size: int | None = None,
        strict: bool = False,
        quiet: bool = False,
    ) -> Index:
        """A new index of images, written whole or not at all.

        Args:
            run: a run that gives embeddings, or a model's name with `weights`.
            images: files, folders, globs, or images in memory; or vectors that `write_vectors` wrote.
            out: where it comes to be; see `create_store`.
            split: read `images` as a dataset, whose classes are the names, and take this split; "all": all of it.
            ids: a CSV with the columns path and id, and any others to filter by; None: the paths are the ids.
            boxes_from: a detector's run; what is indexed are the objects that it finds, with ids path#row.
            conf: the detector's minimum score; None: the threshold that its run found.
            kind: see `create_store`.

        Raises:
            ZorkiError: an id stands twice, nothing can be read, the recall of an approximate index is below .95, or
                something is at `out` already.
        """
        tell: Tell = _silent if quiet else say
        check_new_store(str(out), kind)
        network = EmbeddingNetwork(run, weights=weights, options=options, device=device, batch_size=batch_size)
        entries, root = entries_of(
            network, images, tell, split=split, ids=ids, boxes_from=boxes_from, conf=conf, strict=strict
        )
        about = {"fingerprint": network.fingerprint.to_json(), **network.source, "root": str(root.resolve())}
        header = Header(network.dim, tuple(entries.columns), about)
        create_store(str(out), header, entries, kind=kind, tell=tell)
        made = Index(out, run=network.run, device=device, batch_size=batch_size, quiet=quiet)
        made._network = network
        return made

    def __len__(self) -> int:
        return len(self.store)

    @property
    def root(self) -> Path:
        """The folder that paths of images are told from."""
        return Path(str(self.store.header.about.get("root", "")))

    @property
    def network(self) -> EmbeddingNetwork:
        """The network that asks, which is the one that built it. Raises ZorkiError where it is another one."""
        if self._network is None:
            about = self.store.header.about
            own = Fingerprint.from_json(about.get("fingerprint") or {})
            settings: dict[str, Any] = {"device": self._device, "batch_size": self._batch_size}
            if self._run is None:
                settings |= {"weights": about.get("weights"), "options": about.get("options") or None}
            try:
                network = EmbeddingNetwork(self._run or str(about.get("run")), **settings)
            except ZorkiError as error:
                if self._run is not None:
                    raise
                raise ZorkiError(
                    f"{self.store.place}: was made by {own}, which cannot be opened: {str(error).rstrip('.')}. "
                    "Say where it is: --run RUN"
                ) from error
            own.check(self.store.place, network.fingerprint)
            self._network = network
        return self._network

    def add(
        self,
        images: Any,
        *,
        split: str | None = None,
        ids: str | Path | None = None,
        boxes_from: RunLike | None = None,
        conf: float | None = None,
        strict: bool = False,
    ) -> int:
        """Takes in more images, all or none, and returns how many. Arguments and errors as of `build`."""
        entries, root = entries_of(
            self.network, images, self._tell, split=split, ids=ids, boxes_from=boxes_from, conf=conf, strict=strict
        )
        if root.resolve() != self.root and "path" in entries.columns:  # their paths are told from elsewhere
            entries.columns["path"] = [(root.resolve() / path).as_posix() for path in entries.columns["path"]]
        self.store.add(entries)
        return len(entries)

    def remove(self, ids: Sequence[str]) -> None:
        """Takes images out by their ids, all or none. Raises ZorkiError where one is not there."""
        self.store.delete(list(ids))

    def search(
        self, queries: Any, *, k: int | None = None, where: Mapping[str, str] | None = None, strict: bool = False
    ) -> list[SearchResult]:
        """The k nearest images of each query.

        Args:
            queries: files, folders, globs or images in memory; or vectors that `write_vectors` wrote.
            k: from 1 to the number of images; None: 10, or all where there are fewer.
            where: texts that columns must have, such as {"name": "alice"}.

        Raises:
            ZorkiError: a query cannot be read, the network is another one, or k is out of range.
        """
        entries, root = entries_of(self.network, queries, self._tell, strict=strict)
        found = self.search_vectors(entries.vectors, k=k, where=where)
        paths = entries.columns.get("path", entries.ids)
        return [
            SearchResult(one, str(root / path), neighbors)
            for one, path, neighbors in zip(entries.ids, paths, found, strict=True)
        ]

    def search_vectors(
        self, vectors: Float[np.ndarray, "Q D"], *, k: int | None = None, where: Mapping[str, str] | None = None
    ) -> list[list[Neighbor]]:
        """The k nearest images of each vector of any length but 0. Arguments and errors as of `search`."""
        if not len(self):
            raise ZorkiError(
                f"{self.store.place}: the index is empty; add images: zorki index --into {self.store.place} IMAGES"
            )
        return self.store.search(_unit(vectors), min(NEIGHBORS, len(self)) if k is None else k, where)

    # -- who is it? --

    def choose_threshold(self, data: Any = None, *, split: str | None = None, far: float = 0.01) -> Threshold:
        """The similarity from which on a name is said, such that of unknown ones at most `far` get any; it is kept.

        Args:
            data: a dataset with classes, of which some are in no gallery; None: what the run was trained on.
            split: of the data; None: val, else test, of the run's own data; all of others.
            far: false accept rate, 0..1.

        Raises:
            ZorkiError: all classes of the data are in the gallery, or the index has no names.
        """
        check_rate(far)
        check_names(self.store)
        run = self.network.run
        if data is None and not run.about.get("data"):
            raise ZorkiError(
                f"{run.folder} does not tell what it was trained on: name images of unknown ones: --val DATA"
            )
        source = run.about["data"] if data is None else data
        dataset = read_data(run.task, source, run.recipe)
        if split is None:
            split = next((name for name in ("val", "test") if data is None and dataset.splits.get(name)), "all")
        probes = embed(self.network, from_dataset(dataset, _indices(dataset, split)), self._tell)
        chosen = choose_threshold(
            self.store, self.root, _directed(probes), dataset.root, far, f"{dataset.root}, {split}"
        )
        self.store.set_about({**self.store.header.about, "threshold": chosen.to_json()})
        return chosen

    @property
    def threshold(self) -> Threshold | None:
        """The one that was chosen last."""
        values = self.store.header.about.get("threshold")
        return None if values is None else Threshold.from_json(values)

    def identify(self, queries: Any, *, threshold: float | None = None, strict: bool = False) -> list[Identification]:
        """Who is on each image: the name with the highest score, or nobody where that is below the threshold.

        The score of a name is the similarity of the nearest of its images.

        Args:
            threshold: similarity, -1..1; None: the one that `choose_threshold` chose, which is done now where nobody
                did, or where images came or went since.

        Raises:
            ZorkiError: the index has no names, or one alone; or the threshold is not in -1..1.
        """
        if threshold is not None:
            check_threshold(threshold)
        else:
            chosen = self.threshold
            if chosen is None or chosen.entries != len(self.store):
                if chosen is not None:
                    self._tell(
                        f"the index had {chosen.entries} images when its threshold was chosen, and has {len(self)}"
                    )
                chosen = self.choose_threshold(far=0.01 if chosen is None else chosen.far)
                self._tell(str(chosen))
            threshold = chosen.similarity
        entries, root = entries_of(self.network, queries, self._tell, strict=strict)
        return identify(self.store, _directed(entries), root, threshold)


def entries_of(
    network: EmbeddingNetwork,
    images: Any,
    tell: Tell,
    *,
    split: str | None = None,
    ids: str | Path | None = None,
    boxes_from: RunLike | None = None,
    conf: float | None = None,
    strict: bool = False,
) -> tuple[Entries, Path]:
    """Embeddings of images, or vectors from files, and the folder that their paths are told from."""
    only = images[0] if isinstance(images, list | tuple) and len(images) == 1 else images
    if isinstance(only, str | Path) and is_vectors(Path(only)):
        if split is not None or ids is not None or boxes_from is not None:
            raise RecipeError(f"{only}: are vectors, which have their ids; leave out split, ids and boxes_from")
        return _stored(network, Path(only))
    if conf is not None and boxes_from is None:
        raise RecipeError("conf is the minimum score of a detector's boxes; say which: boxes_from")
    crops = None if boxes_from is None else DetectorCrops(boxes_from, conf, network.device)
    gallery = _gallery(network, only, images, split, ids)
    return embed(network, gallery, tell, crops=crops, strict=strict), gallery.root


def _gallery(network: EmbeddingNetwork, only: Any, images: Any, split: str | None, ids: str | Path | None) -> Gallery:
    if split is None:
        return from_sources(images, ids=None if ids is None else Path(ids))
    if ids is not None:
        raise RecipeError("ids go with files and folders; with a split the paths in the dataset are the ids")
    dataset = read_data(network.run.task, only, network.run.recipe)
    return from_dataset(dataset, _indices(dataset, split))


def _indices(dataset: Any, split: str) -> list[int]:
    if split == "all":
        return sorted({index for members in dataset.splits.values() for index in members})
    if not dataset.splits.get(split):
        there = ", ".join(f"{name} ({len(members)})" for name, members in dataset.splits.items())
        raise DataError(f"{dataset.root}: no image is in the split {split!r}; there are {there}")
    return list(dataset.splits[split])


def _stored(network: EmbeddingNetwork, path: Path) -> tuple[Entries, Path]:
    """Vectors from files, by the network where they tell theirs."""
    entries, about = read_vectors(path)
    if about.get("fingerprint"):
        Fingerprint.from_json(about["fingerprint"]).check(str(path), network.fingerprint)
    if not len(entries):
        raise DataError(f"{path}: holds no vector")
    return entries, Path(str(about.get("root", "")))


def _directed(entries: Entries) -> Entries:
    return dataclasses.replace(entries, vectors=_unit(entries.vectors))


def _unit(vectors: Any) -> Any:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ZorkiError("a query's vector is 0 or not finite, which has no direction")
    return np.ascontiguousarray(vectors / lengths, np.float32)


def _silent(words: str) -> None:
    """In the place of print."""

"""Pages of what was found: queries with their neighbors, who was identified, pairs, groups of duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zorki.contracts import Section
from zorki.data.images import Array, read_array
from zorki.draw.blocks import Thumbnail, figure, image_grid, table
from zorki.draw.figures import curves
from zorki.draw.report import page, write_page
from zorki.engine.search.duplicates import DuplicateReport
from zorki.engine.search.identification import Identification, Threshold
from zorki.engine.search.index import Index, SearchResult
from zorki.engine.search.verification import Verification
from zorki.errors import DataError
from zorki.index.store import Neighbor

MAX_QUERIES, MAX_GROUPS, MAX_PAIRS = 200, 100, 100  # that a page shows
SIDE = 224  # pixels of a thumbnail
GRAY = 200
PAGE = "index.html"
_DISTANCE = "Distances are Euclidean on the unit sphere, not squared (0 to 2); similarity is the cosine."


def write_search(folder: Path, index: Index, results: Sequence[SearchResult]) -> Path:
    """The page of queries and their neighbors in a folder that is there."""
    sections = []
    for result in results[:MAX_QUERIES]:
        cells = [_query(result.path), *(_neighbor(index, one) for one in result.neighbors)]
        sections.append(Section(result.query, image_grid(cells)))
    return _write(
        folder,
        "Search",
        sections,
        f"{len(results)} queries, {len(index)} images. {_DISTANCE}",
        len(results),
        MAX_QUERIES,
    )


def write_identification(
    folder: Path, index: Index, results: Sequence[Identification], threshold: Threshold | None
) -> Path:
    """The page of who was identified, beside the nearest image of each candidate."""
    sections = [] if threshold is None else [_threshold(threshold)]
    for result in results[:MAX_QUERIES]:
        who = "nobody known" if result.name is None else result.name
        cells = [_query(result.path, who), *(_neighbor(index, one.neighbor) for one in result.candidates)]
        nearest = f"the nearest is {result.candidates[0].name}, {result.similarity:.4f}"
        note = f"{who}: {nearest}; the threshold is {result.threshold:.4f}."
        sections.append(Section(result.query, image_grid(cells), note))
    return _write(folder, "Identification", sections, f"{len(results)} images. {_DISTANCE}", len(results), MAX_QUERIES)


def _threshold(threshold: Threshold) -> Section:
    drawn = ""
    if threshold.curve:
        series = {"false negative identification rate": list(threshold.curve)}
        drawn = figure(curves(series, title="DET curve", x_label="false positive identification rate", shares=True))
    return Section("Threshold", drawn, str(threshold))


def write_verification(folder: Path, found: Verification) -> Path:
    """The page of pairs, with the DET curve where their ground truth is known."""
    sections = []
    if found.scores is not None:
        scores = found.scores
        drawn = figure(
            curves(
                {"false reject rate": list(scores.det_curve)},
                title="DET curve",
                x_label="false accept rate",
                shares=True,
            )
        )
        rows = [
            {"score": name, "value": value}
            for name, value in vars(scores).items()
            if name != "det_curve" and value is not None
        ]
        sections.append(Section("Scores", table(rows) + drawn, "Of the pairs whose ground truth is known."))
    for one in found.pairs[:MAX_PAIRS]:
        right = None if one.accepted is None or one.pair.same is None else one.accepted == one.pair.same
        words = "" if one.accepted is None else "same: " if one.accepted else "different: "
        cells = [
            _thumbnail(path, f"{words}distance {one.distance:.4f}", path, right) for path in (one.pair.a, one.pair.b)
        ]
        title = f"{Path(one.pair.a).name} and {Path(one.pair.b).name}"
        sections.append(Section(title, image_grid(cells)))
    decided = "no threshold" if found.threshold is None else f"threshold {found.threshold:.4f} {found.threshold_source}"
    return _write(
        folder,
        "Verification",
        sections,
        f"{len(found.pairs)} pairs, {decided}. {_DISTANCE}",
        len(found.pairs),
        MAX_PAIRS,
    )


def write_duplicates(folder: Path, report: DuplicateReport) -> Path:
    """The page of groups of images that are nearly the same."""
    splits = {
        one: split
        for pair in report.pairs
        if pair.splits
        for one, split in zip((pair.a, pair.b), pair.splits, strict=True)
    }
    sections = []
    for number, group in enumerate(report.groups[:MAX_GROUPS], 1):
        cells = [_thumbnail(report.files[one], splits.get(one, ""), one) for one in group]
        sections.append(Section(f"Group {number}: {len(group)} images", image_grid(cells)))
    note = f"{len(report.pairs)} pairs among {report.count} images, by {report.method}; threshold {report.threshold:g}."
    return _write(folder, "Near-duplicates", sections, note, len(report.groups), MAX_GROUPS)


def _write(folder: Path, title: str, sections: Sequence[Section], subtitle: str, count: int, most: int) -> Path:
    if count > most:
        subtitle += f" The first {most} are shown."
    path = folder / PAGE
    write_page(path, page(title, sections, subtitle=subtitle))
    return path


def _query(path: str, words: str = "") -> Thumbnail:
    return _thumbnail(path, f"query\n{words}", Path(path).name)


def _neighbor(index: Index, one: Neighbor) -> Thumbnail:
    path = index.root / one.columns.get("path", one.id)
    name = f"\n{one.columns['name']}" if one.columns.get("name") else ""
    words = f"distance {one.distance:.4f}\nsimilarity {one.similarity:.4f}{name}"
    return _thumbnail(str(path), words, one.id, box=one.columns.get("box", ""))


def _thumbnail(path: str, words: str, name: str, good: bool | None = None, box: str = "") -> Thumbnail:
    """A gray square where the file is not there any more."""
    image = _image(path, box)
    if image is None:
        image, words = np.full((3, SIDE, SIDE), GRAY, np.uint8), f"{words}\n(the file is not there)"
    return Thumbnail(image, words, good, name=name)


def _image(path: str, box: str) -> Array | None:
    try:
        image = read_array(Path(path), shorter_side=None if box else SIDE)
    except (DataError, OSError):
        return None
    if box:
        left, top, right, bottom = map(int, box.split())
        image = image[:, top:bottom, left:right]
    return image

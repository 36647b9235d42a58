"""Files of tracks, written a frame at a time: a table, and the text files of benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from zorki.engine.video_tracks.follow import FollowedFrame
from zorki.errors import RecipeError, did_you_mean
from zorki.files import whole

Row = tuple[float, float, float, float]
Write = Callable[[FollowedFrame], None]

HEADER = "frame,seconds,id,x,y,width,height,score,state\n"
SINGLE = ("otb", "got10k", "vot")
"""Formats of one object a file."""

FORMATS = (*SINGLE, "mot")


def check_formats(names: Sequence[str]) -> None:
    """Raises RecipeError where a name is no format of tracks."""
    for name in names:
        if name not in FORMATS:
            near = did_you_mean(name, FORMATS)
            raise RecipeError(f"no format of tracks is named {name!r}.{near} There are: {', '.join(FORMATS)}")


def text_paths(table: Path, formats: Sequence[str], objects: int) -> dict[str, list[Path]]:
    """The text files beside a table; of several objects, formats of one have a file each, with its number."""
    paths = {}
    for name in formats:
        stem = f"{table.stem}-{name}"
        stems = [stem] if objects == 1 or name not in SINGLE else [f"{stem}-{row + 1}" for row in range(objects)]
        paths[name] = [table.with_name(f"{one}.txt") for one in stems]
    return paths


@contextmanager
def track_writer(table: Path | None, texts: Mapping[str, Sequence[Path]]) -> Iterator[Write]:
    """What takes frame after frame; the files appear at the end, whole.

    Args:
        table: of the CSV file; None: none.
        texts: paths by format, as of `text_paths`.
    """
    with ExitStack() as stack:
        writers: list[Write] = []
        if table is not None:
            file = _opened(stack, table)
            file.write(HEADER)
            writers.append(lambda frame, file=file: _write_table(file, frame))  # type: ignore[misc]
        for name, paths in texts.items():
            if name == "mot":
                file = _opened(stack, paths[0])
                writers.append(lambda frame, file=file: _write_mot(file, frame))  # type: ignore[misc]
                continue
            for row, path in enumerate(paths):
                file = _opened(stack, path)
                line = _LINES[name]
                writers.append(lambda frame, file=file, row=row, line=line: _write_single(file, frame, row, line))  # type: ignore[misc]

        def write(frame: FollowedFrame) -> None:
            for writer in writers:
                writer(frame)

        yield write


def _opened(stack: ExitStack, path: Path) -> IO[str]:
    aside = stack.enter_context(whole(path))
    return stack.enter_context(aside.open("w", encoding="utf-8"))


def _rows(frame: FollowedFrame) -> list[tuple[Row, float]]:
    """x, y, width, height and the score of each object."""
    scores = [1.0] * len(frame.boxes) if frame.boxes.scores is None else frame.boxes.scores.tolist()
    boxes = [(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in frame.boxes.xyxy.tolist()]
    return list(zip(boxes, scores, strict=True))


def _write_table(file: IO[str], frame: FollowedFrame) -> None:
    lost = [False] * len(frame.boxes) if frame.boxes.lost is None else frame.boxes.lost.tolist()
    for row, (box, score) in enumerate(_rows(frame), start=1):
        numbers = ",".join(f"{value:.2f}" for value in box)
        state = "given" if frame.given else "lost" if lost[row - 1] else "tracked"
        file.write(f"{frame.number},{frame.seconds:.3f},{row},{numbers},{score:.4f},{state}\n")


def _write_mot(file: IO[str], frame: FollowedFrame) -> None:
    """Frames, objects and pixels from 1 on, as the benchmark counts them."""
    for row, ((x, y, width, height), score) in enumerate(_rows(frame), start=1):
        file.write(f"{frame.number + 1},{row},{x + 1:.2f},{y + 1:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n")


def _write_single(
    file: IO[str], frame: FollowedFrame, row: int, line: Callable[[FollowedFrame, Row | None], str]
) -> None:
    rows = _rows(frame)
    file.write(line(frame, rows[row][0] if row < len(rows) else None) + "\n")


def _numbers(box: Row | None, digits: int) -> str:
    return "nan,nan,nan,nan" if box is None else ",".join(f"{value:.{digits}f}" for value in box)


def _otb(frame: FollowedFrame, box: Row | None) -> str:
    """Pixels from 1 on."""
    return _numbers(None if box is None else (box[0] + 1, box[1] + 1, box[2], box[3]), 2)


def _got10k(frame: FollowedFrame, box: Row | None) -> str:
    return _numbers(box, 3)


def _vot(frame: FollowedFrame, box: Row | None) -> str:
    """1 where the tracker was told the box, 0 where there is none."""
    return "1" if frame.given else "0" if box is None else _numbers(box, 3)


_LINES: dict[str, Callable[[FollowedFrame, Row | None], str]] = {"otb": _otb, "got10k": _got10k, "vot": _vot}

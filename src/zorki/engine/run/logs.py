"""The log of a run: CSV for everybody, TensorBoard always, Weights & Biases where asked."""

from __future__ import annotations

import csv
import importlib.util
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zorki.engine.run.checkpoints import words_of_way_on
from zorki.errors import ZorkiError
from zorki.files import unwritable, write_text
from zorki.input_files.content import open_file

STEPS, EPOCHS = "steps.csv", "epochs.csv"
RENAMED = {"rate": "lr"}  # columns of runs that older versions wrote


class Log:
    """Rows of steps and of epochs, flushed as they come; after a resume, rows from after the checkpoint are dropped."""

    def __init__(self, folder: Path, loggers: Sequence[Any] = (), *, active: bool = True) -> None:
        self.folder, self.loggers, self.active = folder, list(loggers), active

    def step(self, row: dict[str, Any]) -> None:
        """One row of `steps.csv`, and the same for the loggers."""
        self._append(STEPS, row)
        self._pass_on(
            {f"step/{name}": value for name, value in row.items() if name not in ("step", "epoch")}, row["step"]
        )

    def epoch(self, row: dict[str, Any]) -> None:
        """One row of `epochs.csv`, and the same for the loggers."""
        self._append(EPOCHS, row)
        self._pass_on(
            {name: value for name, value in row.items() if name not in ("step", "epoch")}, row["step"], save=True
        )

    def _pass_on(self, values: dict[str, float], step: int, *, save: bool = False) -> None:
        if not self.active:
            return
        with write_errors(self.folder, self.folder):
            for logger in self.loggers:
                logger.log_metrics(values, step)
                if save:
                    logger.save()

    def _append(self, name: str, row: dict[str, Any]) -> None:
        if not self.active:
            return
        path = self.folder / name
        old_columns = header(path)
        if old_columns is not None and list(row) != old_columns:
            # A metric came that earlier rows lack (or one is missing): the file is written anew with all columns.
            rows = [*read(path), row]
            columns = list(dict.fromkeys([*old_columns, *row]))
            write_text(path, _text(rows, columns))
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if old_columns is None:
            writer.writeheader()
        writer.writerow(row)
        with write_errors(path, self.folder), path.open("a", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())

    def cut(self, step: int) -> None:
        """Drops the rows of later steps: they will come again, equal."""
        for name in (STEPS, EPOCHS):
            path = self.folder / name
            columns = header(path)
            if columns is not None:
                rows = [row for row in read(path) if int(row["step"]) <= step]
                write_text(path, _text(rows, columns))


@contextmanager
def write_errors(path: Path, folder: Path) -> Iterator[None]:
    """Turns an OSError of writing into a ZorkiError with the way to go on with the run."""
    try:
        yield
    except OSError as error:
        raise ZorkiError(f"{unwritable(path, error)}{words_of_way_on(folder)}") from error


@contextmanager
def single_writer_error(folder: Path) -> Iterator[None]:
    """Within, a thread of TensorBoard's that cannot write is heard once: by the error of whoever writes next.

    It would print a traceback by itself, and fail a second time where the loggers are closed.
    """
    before = threading.excepthook

    def hear(words: threading.ExceptHookArgs) -> None:
        if not (isinstance(words.exc_value, OSError) and type(words.thread).__module__.startswith("tensorboard.")):
            before(words)

    threading.excepthook = hear
    try:
        yield
    except OSError as error:
        cause = error.__context__
        while cause is not None and not isinstance(cause, ZorkiError):
            cause = cause.__context__
        if cause is not None:
            raise cause from None
        where = Path(str(error.filename)) if error.filename else folder
        if where.absolute().is_relative_to(folder.absolute()):
            raise ZorkiError(f"{unwritable(where, error)}{words_of_way_on(folder)}") from error
        raise
    finally:
        threading.excepthook = before


def header(path: Path) -> list[str] | None:
    """The columns of a CSV file; None where there is no file or it is empty."""
    if not path.exists():
        return None
    with open_file(path, "r", encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file), None)
    return None if columns is None else [RENAMED.get(name, name) for name in columns]


def read(path: Path) -> list[dict[str, Any]]:
    """Rows with numbers as numbers; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    with open_file(path, "r", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if None in row.values():
                continue
            rows.append({RENAMED.get(name, name): _number(text) for name, text in row.items()})
    return rows


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _text(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check_loggers(wandb: str | None) -> None:
    """Raises ZorkiError where Weights & Biases is asked for and not installed; to be asked before anything is made."""
    if wandb is not None and importlib.util.find_spec("wandb") is None:
        raise ZorkiError("--wandb needs the package wandb: pip install 'zorki[track]'")


def loggers(folder: Path, wandb: str | None) -> list[Any]:
    """TensorBoard, and Weights & Biases where a project is named."""
    from lightning.pytorch.loggers import TensorBoardLogger

    made: list[Any] = [TensorBoardLogger(save_dir=str(folder), name="", version="tensorboard")]
    if wandb is not None:
        from lightning.pytorch.loggers import WandbLogger

        made.append(WandbLogger(project=wandb, name=folder.name, save_dir=str(folder)))
    return made

"""The log of a run: CSV for everybody, TensorBoard always, Weights & Biases and MLflow where asked."""

from __future__ import annotations

import csv
import importlib.util
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

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

    def image(self, name: str, image: UInt8[ndarray, "3 H W"], step: int) -> None:
        """An image for the loggers that show some: TensorBoard, Weights & Biases, MLflow."""
        if not self.active:
            return
        with write_errors(self.folder, self.folder):
            for logger in self.loggers:
                show_image(logger, name, image, step)

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


def show_image(logger: Any, name: str, image: UInt8[ndarray, "3 H W"], step: int) -> None:
    """Hands a logger of Lightning's an image in the way of its own; others get none."""
    pixels = image.transpose(1, 2, 0)
    match type(logger).__name__:
        case "TensorBoardLogger":
            logger.experiment.add_image(name, image, step)
        case "WandbLogger":
            logger.log_image(key=name, images=[pixels], step=step)
        case "MLFlowLogger":
            logger.experiment.log_image(logger.run_id, pixels, key=name.replace("/", "_"), step=step)


def check_loggers(wandb: str | None, mlflow: str | None = None) -> None:
    """Raises ZorkiError where a logger is asked for and not installed; to be asked before anything is made."""
    for package, asked, install in (("wandb", wandb, "'zorki[track]'"), ("mlflow", mlflow, "mlflow")):
        if asked is not None and importlib.util.find_spec(package) is None:
            raise ZorkiError(f"--{package} needs the package {package}: pip install {install}")


def loggers(folder: Path, wandb: str | None, mlflow: str | None = None) -> list[Any]:
    """TensorBoard, and Weights & Biases and MLflow where a project, or an experiment, is named.

    MLflow's server is the one that its variable MLFLOW_TRACKING_URI names, else a folder mlruns here.
    """
    from lightning.pytorch.loggers import TensorBoardLogger

    made: list[Any] = [TensorBoardLogger(save_dir=str(folder), name="", version="tensorboard")]
    if wandb is not None:
        from lightning.pytorch.loggers import WandbLogger

        made.append(WandbLogger(project=wandb, name=folder.name, save_dir=str(folder)))
    if mlflow is not None:
        from lightning.pytorch.loggers import MLFlowLogger

        made.append(MLFlowLogger(experiment_name=mlflow, run_name=folder.name))
    return made

"""Runs as files that other programs run: `zorki export`."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki.contracts import Preprocess
from zorki.contracts.capabilities import ExportGraph, ExportsParts
from zorki.engine.evaluation.evaluate import evaluation_dataset
from zorki.engine.export.description import about_run, description, properties
from zorki.engine.export.feeds import feed_of
from zorki.engine.export.onnx_file import (
    check_exportable,
    free_axes,
    graphs_of,
    input_size,
    name_of,
    need_onnx,
    part_path,
    size_step,
    write_onnx,
)
from zorki.engine.export.other_files import CALIBRATION, need_openvino, write_int8, write_openvino, write_torch
from zorki.engine.export.parity import Parity, ParityError, measure, measure_on, synthetic_feeds
from zorki.engine.export.runtimes import open_runtime
from zorki.engine.prediction.selection import Classes, select, selection_of
from zorki.engine.run.open import RunLike, TrainedModel, open_all
from zorki.errors import RecipeError, ZorkiError, did_you_mean
from zorki.files import new_output, write_json
from zorki.output import say

ENDINGS: dict[str, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2", "int8": ".onnx"}
PARITY = "parity.json"
IMAGES = 32


def export(
    run: RunLike,
    *,
    to: str = "onnx",
    out: str | Path | None = None,
    height: int | None = None,
    width: int | None = None,
    any_size: bool = False,
    weights: str | Path | None = None,
    conf: float | None = None,
    iou: float | None = None,
    max_det: int | None = None,
    classes: Classes | None = None,
    data: Any = None,
    images: int = IMAGES,
    allow_loss: bool = False,
) -> Path:
    """Writes a run, or a model with weights, as a file for another runtime, and returns its path; docs/export.md.

    Beside it stands NAME.parity.json: how its predictions differ from the run's on images of the run's data.

    Args:
        run: a run's folder, or a `Run`; or a model's name, with `weights`.
        to: onnx; openvino; torch, a program of torch.export; int8, ONNX in 8 bits.
        out: of the file; None: model.onnx (.xml, .pt2) in the next free folder runs/export-N.
        height, width: of the input, in pixels; None: of what the network makes of a square image, or as the other.
        any_size: height and width are free, in multiples of the preprocessing's stride. PyTorch needs half a minute to
            minutes for such a graph.
        conf, iou, max_det, classes: thresholds that become part of the graph, as of `zorki.predict`.
        data: whose images are compared; None: the run's.
        images: how many are, at most; 0: none.
        allow_loss: an int8 file is kept though its metric falls by more than a point.

    Raises:
        ZorkiError: no such run; packages are missing; it has no graph; the file cannot be written; or its
            predictions differ, and it is kept as NAME.failed.
    """
    if to not in ENDINGS:
        raise RecipeError(f"to is {to!r}; expected {', '.join(ENDINGS)}.{did_you_mean(to, ENDINGS)}")
    if to == "openvino":
        need_openvino()
    need_onnx()
    (opened,) = open_all(run, weights)
    model = select(opened.model, selection_of(conf, iou, max_det, classes, opened.info.names))
    model = copy.deepcopy(model).cpu().float().eval()  # that of the caller stays as it is
    opened = dataclasses.replace(opened, model=model)
    check_exportable(model)
    if any_size:
        if height is not None or width is not None:
            raise RecipeError("any_size leaves height and width free; expected neither beside it")
        step = size_step(model.preprocess)
        # Of a trial: maps with one row, or with as many rows as columns, would stay so.
        rows = max(_size(model.preprocess, None, None)[0] // step, 9) * step
        made = graphs_of(model, rows, rows + step)
        graphs = {part: dataclasses.replace(graph, size_step=graph.size_step or step) for part, graph in made.items()}
    else:
        # Trackers' crops have sizes of their own.
        size = (1, 1) if isinstance(model, ExportsParts) else _size(model.preprocess, height, width)
        graphs = graphs_of(model, *size)
    samples = _samples(opened, data, images, CALIBRATION if to == "int8" else 0)
    with _target(out, ENDINGS[to]) as path:
        for part, graph in graphs.items():
            _write(opened, graph, part_path(path, part), to, samples, images, allow_loss)
    return part_path(path, next(iter(graphs)))


def _write(
    run: TrainedModel, graph: ExportGraph, path: Path, to: str, samples: _Samples, images: int, allow_loss: bool
) -> None:
    """One file with its parity."""
    texts = properties(description(run.model, graph, run.info) | about_run(run))
    precision = "int8" if to == "int8" else "float32"
    if to == "onnx":
        write_onnx(graph, path, texts, name_of(run.model))
    elif to == "torch":
        write_torch(graph, path, texts)
    else:
        feeds = _calibration(run, graph, samples) if to == "int8" else []
        with tempfile.TemporaryDirectory() as folder:
            exact = Path(folder) / "model.onnx"
            write_onnx(graph, exact, texts, name_of(run.model))
            if to == "openvino":
                write_openvino(exact, path, texts)
            else:
                write_int8(exact, path, texts, feeds)
    say(f"{path}: {_bytes(path) / 1e6:.1f} MB; takes {_taken(graph)}")
    if images:
        parity = _parity(run, graph, path, samples, precision)
        _check(parity, path, allow_loss)


def _parity(run: TrainedModel, graph: ExportGraph, path: Path, samples: _Samples, precision: str) -> Parity:
    runtime = open_runtime(path, graph.outputs)
    if samples.compared and not isinstance(run.model, ExportsParts):
        return measure(run, graph, runtime, samples.compared, source=samples.source, precision=precision)
    say(f"outputs are compared on synthetic images: {samples.source}")
    return measure_on(graph, runtime, synthetic_feeds(graph, 8), precision=precision)


def _check(parity: Parity, path: Path, allow_loss: bool) -> None:
    """Writes what was measured, and sets a file aside whose outputs differ. Raises ParityError then."""
    beside = path.with_name(f"{path.stem}.{PARITY}")
    write_json(beside, parity.to_json())
    say(str(parity))
    if parity.passed or (allow_loss and parity.precision == "int8"):
        return
    failed = path.with_name(f"{path.name}.failed")
    path.replace(failed)
    advice = "; --allow-loss keeps it" if parity.precision == "int8" else ""
    raise ParityError(
        f"{path} differs from the run on {parity.source}{advice}: {'; '.join(parity.failures)}. The file is kept as "
        f"{failed}, and {beside} tells more"
    )


@dataclass(frozen=True)
class _Samples:
    """Images of the run's data: those that are compared, and those of training for ranges of 8 bits."""

    source: str
    compared: list[Any]
    training: list[Any]


def _samples(run: TrainedModel, data: Any, images: int, calibration: int) -> _Samples:
    """So many at most from the run's data, or those named; none, and why, where they are gone."""
    try:
        dataset = evaluation_dataset(run, data, None)
        split = next((name for name in ("val", "test") if dataset.splits.get(name)), "all")
        held = list(dataset.splits.get(split) or range(len(dataset)))
        training = list(dataset.splits.get("train") or held)
        return _Samples(
            f"{split} of {dataset.root}",
            [dataset[index] for index in spread(held, images)],
            [dataset[index] for index in spread(training, calibration)],
        )
    except ZorkiError as error:
        if data is not None:
            raise
        return _Samples(f"the run's data are not there ({error})", [], [])


def spread(indices: Sequence[int], most: int) -> list[int]:
    """So many of the indices at most, evenly from the first on.

    >>> spread(range(10), 4)
    [0, 2, 5, 7]
    """
    count = min(most, len(indices))
    return [indices[place * len(indices) // count] for place in range(count)]


def _calibration(run: TrainedModel, graph: ExportGraph, samples: _Samples) -> list[dict[str, Any]]:
    """Inputs of training images, one by one. Raises ZorkiError where there are none."""
    if not samples.training:
        raise ZorkiError(f"--to int8 needs training images to take its ranges from: {samples.source}; name --data")
    return [feed_of(run.model.preprocess, graph, [sample.image]).arrays for sample in samples.training]


def _bytes(path: Path) -> int:
    weights = path.with_suffix(".bin")
    return path.stat().st_size + (weights.stat().st_size if path.suffix == ".xml" and weights.exists() else 0)


def _taken(graph: ExportGraph) -> str:
    return "; ".join(
        f'"{name}", {str(one.dtype).split(".")[1]} {_shape(one.shape, axes)}'
        for (name, one), axes in zip(graph.inputs.items(), free_axes(graph), strict=True)
    )


@contextmanager
def _target(out: str | Path | None, ending: str) -> Iterator[Path]:
    if out is not None:
        path = Path(out)
        if path.suffix != ending:
            raise RecipeError(f"out is {path}; expected a name that ends with {ending}")
        yield path
        return
    with new_output(None, "export") as folder:
        yield folder / f"model{ending}"


def _shape(shape: Sequence[int], axes: Mapping[int, str]) -> str:
    return f"({', '.join(axes.get(place, str(size)) for place, size in enumerate(shape))})"


def _size(preprocess: Preprocess, height: int | None, width: int | None) -> tuple[int, int]:
    """Height and width: those asked for, one for both where the other is left out, else of a square image."""
    if height is None and width is None:
        return input_size(preprocess, 64, 64)
    first: Any = height if height is not None else width
    return int(first), int(width if width is not None else first)

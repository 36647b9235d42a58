"""`zorki evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.data import AllowOutside
from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import Device, Strict
from zorki.cli.flags.prediction import BoxesFrom, Classes, Conf, Iou, MaxDet, Options, Overlap, Tile
from zorki.data.formats import choices
from zorki.errors import RecipeError
from zorki.exported.formats import is_exported
from zorki.hub import is_address, local_path
from zorki.output import cell, say

MAX_COLUMNS = 10  # scores side by side; more stand one under another


def evaluate(
    *words: Annotated[str, Parameter(help="RUN [RUN ...] [DATA]; without DATA, the dataset of the first run.")],
    split: Annotated[
        str | None,
        Parameter(
            help="Split: train, val, test or all; empty: test, else val, else all; with --predictions by its images."
        ),
    ] = None,
    predictions: Annotated[
        str | None, Parameter(help="Evaluate this file of predictions, in COCO's results format, instead of a run.")
    ] = None,
    tracks: Annotated[
        str | None,
        Parameter(help="Evaluate this file or folder of tracks, in MOTChallenge's format, against such ground truth."),
    ] = None,
    task: Annotated[str | None, Parameter(help="Task of --predictions; empty: detected.")] = None,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    format: Annotated[
        str | None,
        Parameter(help=f"Format of the data; empty: detected ({choices()})."),
    ] = None,
    batch_size: Annotated[int | None, Parameter(help="Batch size in images; with --tile in tiles, 4.")] = None,
    device: Device = None,
    workers: Annotated[int | None, Parameter(help="Dataloader processes.")] = None,
    strict: Strict = False,
    allow_outside: AllowOutside = False,
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    classes: Classes = None,
    tile: Tile = None,
    overlap: Overlap = None,
    boxes_from: BoxesFrom = None,
    mistakes: Annotated[
        bool, Parameter(help="Rank annotations that the run speaks against: probable label errors.", negative="")
    ] = False,
    to: Annotated[
        str | None, Parameter(help="Write the images of --mistakes for a labeling tool: label_studio, coco, cvat, ...")
    ] = None,
    out: Annotated[
        Path | None, Parameter(help="New folder for --mistakes; empty: runs/mistakes-1, or the next that is free.")
    ] = None,
    json: Json = None,
    options: Options = None,
) -> None:
    """Evaluate runs on a split of a dataset; several also as an ensemble.

    zorki evaluate runs/resnet18-1
    zorki evaluate runs/resnet18-1 runs/vgg16-1 photos/ --split test
    zorki evaluate cifar_resnet20 photos/ --weights resnet20.th
    zorki evaluate runs/unet_resnet18-1 scans/ --tile 512 --overlap 64
    zorki evaluate runs/mask_rcnn_squeezenet_fpn-1 --options.image_size 832 --options.max_boxes 400
    zorki evaluate runs/deep_pose_resnet18-1 --boxes-from runs/fcos_squeezenet-1
    zorki evaluate model.onnx photos/ --split test
    zorki evaluate runs/resnet18-1 photos/ --mistakes --to label_studio
    zorki evaluate --predictions results.json instances_val2017.json
    zorki evaluate --tracks runs/predict-1/mot MOT17/train
    """
    from zorki.data.annotations.outside import outside_allowed

    of_network = {
        "weights": weights, "batch-size": batch_size, "device": device, "workers": workers, "strict": strict,
        "tile": tile, "overlap": overlap, "options": options, "conf": conf, "iou": iou, "max-det": max_det,
        "classes": classes, "boxes-from": boxes_from,
    }  # fmt: skip
    if tracks is not None:
        idle = of_network | {"predictions": predictions, "task": task, "split": split, "format": format}
        _check_file_alone("tracks", words, idle)
        from zorki.engine.evaluation.tracks_file import evaluate_tracks

        return _tell([Path(tracks).name], [evaluate_tracks(tracks, words[0])], json)
    if predictions is not None:
        _check_file_alone("predictions", words, of_network)
        from zorki.engine.evaluation.results_file import evaluate_file

        with outside_allowed(allow_outside):
            result = evaluate_file(predictions, words[0], task=task, split=split, format=format)
        return _tell([Path(predictions).name], [result], json)
    if mistakes:
        idle = {"tile": tile, "overlap": overlap, "boxes-from": boxes_from, "conf": conf, "iou": iou,
                "max-det": max_det, "classes": classes, "task": task}  # fmt: skip
        return _mistakes(list(words), idle, to, out, json, split=split, weights=weights, format=format,
                         batch_size=batch_size, device=device, workers=workers, options=options)  # fmt: skip
    if to is not None or out is not None:
        raise RecipeError(f"--{'to' if to is not None else 'out'} belongs to --mistakes: evaluation writes no folder")
    if task is not None:
        raise RecipeError("--task belongs to --predictions; a run knows its task")

    places = {word: str(local_path(word)) if is_address(word) else word for word in words}
    fetched = {place: word for word, place in places.items()}
    runs, data = split_words([places[word] for word in words])
    if any(is_exported(run) for run in runs):
        idle = {name: of_network[name] for name in ("weights", "workers", "tile", "overlap", "options", "boxes-from")}
        own: dict[str, Any] = {"conf": conf, "iou": iou, "max_det": max_det, "classes": classes, "strict": strict}
        own |= {"split": split, "format": format, "batch_size": batch_size, "device": device}
        with redirect_stdout(sys.stderr) if json == PRINTED else nullcontext(), outside_allowed(allow_outside):
            result = _evaluate_exported(runs, data, idle, own)
        return _tell([fetched.get(run, run) for run in runs], [result], json)

    from zorki.engine.evaluation.evaluate import evaluate as evaluate_runs

    with redirect_stdout(sys.stderr) if json == PRINTED else nullcontext(), outside_allowed(allow_outside):
        results = evaluate_runs(
            runs,
            data,
            split=split,
            weights=weights,
            format=format,
            batch_size=batch_size,
            device=device,
            workers=workers,
            strict=strict,
            options=options,
            conf=conf,
            iou=iou,
            max_det=max_det,
            classes=classes,
            tile=tile,
            overlap=overlap,
            boxes_from=boxes_from,
        )
    named = [fetched.get(run, run) for run in runs]
    names = [*named, "ensemble"] if len(runs) > 1 else list(named)
    if boxes_from is not None:
        names += [f"{run}, boxes of {boxes_from}" for run in named]
    _tell(names, results, json)


def _evaluate_exported(runs: list[str], data: str | None, idle: Mapping[str, Any], settings: dict[str, Any]) -> Any:
    """Results of the one exported file. Raises RecipeError where more is asked for than a file can do."""
    from zorki.engine.evaluation.exported import evaluate_exported
    from zorki.engine.prediction.predictors.exported import open_model

    if len(runs) > 1:
        raise RecipeError(f"{', '.join(runs)}: exported files are evaluated one by one; name one, and the data")
    if given := [f"--{name}" for name, value in idle.items() if value is not None]:
        raise RecipeError(f"{' and '.join(given)} with an exported file: leave it out, or evaluate the run itself")
    return evaluate_exported(open_model(Path(runs[0])), data, **settings)


def _mistakes(
    words: list[str], idle: Mapping[str, Any], to: str | None, out: Path | None, json: str | None, **settings: Any
) -> None:
    """Ranks probable label errors, and writes them."""
    from zorki.engine.evaluation.mistakes import find_mistakes, write_mistakes
    from zorki.engine.prediction.preannotations import annotation_format
    from zorki.files import new_output

    runs, data = split_words(words)
    if len(runs) != 1:
        raise RecipeError("--mistakes takes one run, such as: zorki evaluate runs/resnet18-1 photos/ --mistakes")
    if given := [f"--{name}" for name, value in idle.items() if value is not None]:
        raise RecipeError(f"{' and '.join(given)} with --mistakes: leave it out")
    if to is not None:
        annotation_format(to)
    with redirect_stdout(sys.stderr) if json == PRINTED else nullcontext(), new_output(out, "mistakes") as folder:
        found = find_mistakes(runs[0], data, quiet=json == PRINTED, **settings)
        for line in write_mistakes(found, folder, to):
            say(f"warning: {line}")
    if json != PRINTED:
        for row in found.rows()[:MAX_COLUMNS]:
            say(f"{row['score']:.3f} {row['image']}: {row['kind']}: {row['label']} -> {row['suggested']}")
        say(f"{len(found.errors)} in {len(found.images)} of {found.count} images of {found.split}: {folder}/index.html")
    if json is not None:
        put_json(json, found.to_json())


def _check_file_alone(flag: str, words: tuple[str, ...], others: Mapping[str, Any]) -> None:
    """Raises RecipeError where a file is to be evaluated and there is more, or less, than its ground truth beside."""
    if len(words) != 1:
        raise RecipeError(f"expected --{flag} FILE and the data alone: zorki evaluate --{flag} FILE DATA")
    idle = [f"--{name}" for name, value in others.items() if value is not None and value is not False]
    if idle:
        raise RecipeError(f"{' and '.join(idle)} with --{flag}: no network runs and no image is read")


def _tell(names: list[str], results: list[Any], json: str | None) -> None:
    """Prints the scores, and writes them where it was asked for."""
    if json != PRINTED:
        _print(names, results)
    if json is not None:
        from zorki.engine.run.folder import result_json

        rows = [{"run": name, **result_json(result)} for name, result in zip(names, results, strict=True)]
        put_json(json, {"results": rows})


def split_words(words: list[str]) -> tuple[list[str], str | None]:
    """Runs, and the data where the last word is not a run.

    Raises:
        RecipeError: there is no word, or the last one of several is neither a run nor data.
    """
    from zorki.engine.run.folder import is_run

    if not words:
        raise RecipeError("expected at least one run, such as: zorki evaluate runs/resnet18-1 photos/")
    if len(words) == 1:
        return words, None
    if is_run(Path(words[-1])):
        return words, None
    if not Path(words[-1]).exists() and words[-1].partition(":")[0] != "scenes":
        raise RecipeError(f"{words[-1]}: no such run, and no such data; expected runs, and data as the last word")
    return words[:-1], words[-1]


def _print(names: list[str], results: list[Any]) -> None:
    from rich.console import Console

    console = Console(width=None if Console().is_terminal else 160)
    console.print(_scores(names, results))
    for line in dict.fromkeys(result.comparison_missing for result in results if result.comparison_missing):
        say(line)
    for title, rows in results[-1].metrics.tables().items():
        first = next(iter(rows[0]))
        named = {str(row[first]): {name: value for name, value in row.items() if name != first} for row in rows}
        console.print(_rows(f"{title.replace('_', ' ')}, {names[-1]}", first.replace("_", " "), named))
    defects = results[0].defects
    if defects:
        from zorki.engine.data_check import counted, summary

        broken = not all(defect.note for defect in defects)
        say(f"{counted(defects)}{'; what is broken was left out' if broken else ''}:")
        say("\n".join(summary(defects)))


def _scores(names: list[str], results: list[Any]) -> Any:
    """One row a run; where scores are too many for a line, one row a score."""
    first = results[0]
    columns = {name: result.metrics.scalars() for name, result in zip(names, results, strict=True)}
    if first.baseline:
        columns["baseline"] = first.baseline
    for result in results:
        columns |= result.comparisons
    scores_found = {score for scores in columns.values() for score in scores}
    shown = [score for score in first.metrics.to_json() if score in scores_found and score != "count"]
    title = f"{first.split}: {first.count} {first.unit}"
    if len(shown) <= MAX_COLUMNS:
        return _rows(
            title, "", {name: {score: column.get(score) for score in shown} for name, column in columns.items()}
        )
    return _rows(title, "", {score: {name: column.get(score) for name, column in columns.items()} for score in shown})


def _rows(title: str, first: str, rows: Mapping[str, Mapping[str, Any]]) -> Any:
    """A table of numbers: a row's name, and all values that any row has."""
    from rich.table import Table

    table = Table(title=cell(title))
    table.add_column(first)
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    for column in columns:
        table.add_column(cell(column), justify="right")
    for name, row in rows.items():
        table.add_row(cell(name), *[_number(row.get(column)) for column in columns])
    return table


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)

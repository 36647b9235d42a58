"""`zorki explain`."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.json_output import PRINTED, Json, put_json
from zorki.cli.flags.machine import Device
from zorki.cli.flags.prediction import Options
from zorki.errors import RecipeError
from zorki.output import say


def explain(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *images: Annotated[str, Parameter(help="Files, folders, globs, URLs of images, or of films.")],
    out: Annotated[
        Path | None, Parameter(help="HTML page to write; empty: runs/explain-1/explain.html, -2, ...")
    ] = None,
    label: Annotated[
        str | None,
        Parameter(name="--class", help="Class, or joint, to explain, by name or label; empty: the predicted one."),
    ] = None,
    box: Annotated[
        str | None,
        Parameter(
            help="Object or region to explain: left,top,right,bottom in pixels of the image; of a tracker "
            "x,y,width,height in the first frame, as zorki track takes it.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    reference: Annotated[
        str | None, Parameter(help="Image with which embeddings are compared: what makes the two similar.")
    ] = None,
    layer: Annotated[
        str | None,
        Parameter(help="Layer of Grad-CAM and LayerCAM, as zorki info names it; empty: the backbone's deepest."),
    ] = None,
    methods: Annotated[
        list[str] | None,
        Parameter(
            help="response, grad-cam, layer-cam, attention-rollout, occlusion; empty: all possible.", negative=""
        ),
    ] = None,
    window: Annotated[
        int | None, Parameter(help="Side of the occluding window in network pixels; empty: a seventh of the input.")
    ] = None,
    max_frames: Annotated[
        int | None, Parameter(help="Frames of a video through which a tracker follows; empty: 300.")
    ] = None,
    unit: Annotated[
        list[str] | None,
        Parameter(help="LAYER:CHANNEL whose most exciting patches of --data are shown; several times.", negative=""),
    ] = None,
    data: Annotated[str | None, Parameter(help="Dataset of --unit; empty: the run's.")] = None,
    split: Annotated[str | None, Parameter(help="Split of --data; empty: test, else val, else all.")] = None,
    format: Annotated[str | None, Parameter(help="Format of --data; empty: detected.")] = None,
    max_images: Annotated[int, Parameter(help="Images of --data that are looked through.")] = 1000,
    weights: Annotated[str | None, Parameter(help="Weights, where a model is named instead of a run.")] = None,
    device: Device = None,
    json: Json = None,
    options: Options = None,
) -> None:
    """Show what a network looked at: Grad-CAM, LayerCAM, attention rollout, occlusion, and sanity checks of each.

    zorki explain runs/resnet18-1 cat.jpg --out page.html
    zorki explain runs/resnet18-1 photos/ --class dog --methods grad-cam,occlusion
    zorki explain runs/fcos_squeezenet-1 street.jpg --box 40,60,200,320
    zorki explain runs/triplet_resnet18-1 a.jpg --reference b.jpg
    zorki explain runs/siamfc-1 film.mp4 --box 10,20,50,80
    zorki explain runs/resnet18-1 cat.jpg --unit backbone.layer4.1.conv2:17 --data photos/
    """
    with redirect_stdout(sys.stderr) if json == PRINTED else nullcontext():
        found, patches, path = _explain(
            run, images, out, box, unit, data, split, format, max_images,
            {
                "label": label, "reference": reference, "layer": layer, "window": window, "weights": weights,
                "max_frames": max_frames, "device": device, "options": options,
                "methods": None if methods is None else [name for words in methods for name in words.split(",")],
            },
        )  # fmt: skip
    if json != PRINTED:
        for one in found:
            _print(one)
        say(f"page: {path}")
    if json is not None:
        put_json(json, {"page": str(path), "explanations": [one.to_json() for one in found], "units": patches})


def _explain(
    run: str,
    images: tuple[str, ...],
    out: Path | None,
    box: str | None,
    unit: list[str] | None,
    data: str | None,
    split: str | None,
    format: str | None,
    max_images: int,
    settings: dict[str, Any],
) -> tuple[list[Any], list[dict[str, Any]], Path]:
    """Explanations, plain values of the patches, and the page."""
    from zorki.engine.explanation.explain import check_methods, exciting_patches
    from zorki.engine.explanation.explain import explain as explain_run
    from zorki.engine.explanation.layers import Unit
    from zorki.engine.run.open import open_run
    from zorki.files import check_writable, new_output

    if not images and not unit:
        raise RecipeError("expected an image behind the run, such as: zorki explain runs/resnet18-1 cat.jpg")
    if data is not None and not unit:
        raise RecipeError("--data belongs to --unit LAYER:CHANNEL, whose patches are looked for in it")
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise RecipeError(f"--out is {out}; expected a page to write, such as page.html")
    if out is not None:
        check_writable(out)
    check_methods(settings["methods"])
    for words in unit or ():
        Unit.read(words)
    asked = dict(settings)
    opened = open_run(run, asked.pop("weights"), options=asked.pop("options"))
    asked["box"] = None if box is None else _first_box(box) if opened.task.unit == "video" else _box(box)
    with nullcontext(None) if out is not None else new_output(None, "explain") as folder:
        patches = {}
        if unit:
            patches = exciting_patches(
                opened, unit, data, split=split, format=format, device=settings["device"], max_images=max_images
            )
        path = out if out is not None else Path(str(folder)) / "explain.html"
        found = explain_run(opened, list(images), **asked, out=path, patches=patches, quiet=False)
    plain = [
        {"unit": name, "patches": [{"image": str(p.path), "box": p.box, "activation": p.activation} for p in some]}
        for name, some in patches.items()
    ]
    return found, plain, path


def _first_box(words: str) -> list[float]:
    """Of x,y,width,height of the object that a tracker is shown."""
    from zorki.engine.video_tracks.prompts import parse_boxes

    boxes = parse_boxes([words])
    if list(boxes) != [0]:
        raise RecipeError(f"--box is {words!r}; what a tracker is shown here is in the first frame, which is 0")
    return boxes[0].xyxy[0].tolist()  # type: ignore[no-any-return]


def _box(words: str) -> list[float]:
    try:
        numbers = [float(word) for word in words.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise RecipeError(f"--box is {words!r}; expected left,top,right,bottom in pixels, such as 40,60,200,320")
    return numbers


def _print(found: Any) -> None:
    from zorki.cli.models import print_columns
    from zorki.draw.markup import number

    say(f"{found.name}: {found.what}, {found.unit} {number(found.score)}")
    columns = ("method", "correlation with random weights", "drop: top 10 % blurred", "drop: random 10 %")
    rows = [
        (name, number(one.random_correlation), number(one.drop), number(one.random_drop))
        for name, one in found.checks.items()
    ]
    print_columns(columns, rows, right={1, 2, 3})
    for note in found.notes:
        say(note)

"""`zorki predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from zorki.cli.answering_flags import Options, Overlap, Tile
from zorki.errors import RecipeError


def predict(
    run: Annotated[str, Parameter(help="A run's folder; or a model's name, with --weights.")],
    *sources: Annotated[str, Parameter(help="Files, folders, globs, URLs of images, videos.")],
    out: Annotated[Path, Parameter(help="Folder for annotated images and predictions.json.")] = Path("predictions"),
    weights: Annotated[str | None, Parameter(help="Weights for a model's name in the place of a run.")] = None,
    batch_size: Annotated[int | None, Parameter(help="Images a step, 16; with --tile tiles, 4.")] = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda or mps; empty: the best there is.")] = None,
    strict: Annotated[bool, Parameter(help="Stop at the first broken image.", negative="")] = False,
    tile: Tile = None,
    overlap: Overlap = None,
    options: Options = None,
) -> None:
    """Answer for files, folders, globs, URLs and videos.

    zorki predict runs/lenet5-1 cat.jpg --out answers
    zorki predict runs/lenet5-1 'photos/*.jpg' film.mp4 https://example.org/dog.jpg
    zorki predict runs/unet_resnet18-1 huge.tif --tile 512 --overlap 64
    zorki predict runs/mask_rcnn_squeezenet_fpn-1 cells.png --options.image_size 832 --options.max_boxes 400
    """
    from zorki.engine.prediction.predict import predict as answer

    if not sources:
        raise RecipeError("expected at least one source, such as: zorki predict runs/lenet5-1 cat.jpg")
    answers = answer(
        [run],
        list(sources),
        out=out,
        weights=weights,
        batch_size=batch_size,
        device=device,
        strict=strict,
        keep=False,
        tile=tile,
        overlap=overlap,
        options=options,
        say=print,
    )
    for one in answers[:20]:
        frame = "" if one.frame is None else f" frame {one.frame}"
        print(f"{one.source}{frame}: {one.words}")
    if len(answers) > 20:
        print(f"... and {len(answers) - 20} more")
    print(f"{len(answers)} answers in {out / 'predictions.json'}")

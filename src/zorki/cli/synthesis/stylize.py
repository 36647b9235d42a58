"""`zorki stylize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from zorki.cli.flags.prediction import Options
from zorki.output import say


def stylize(
    content: Annotated[str, Parameter(help="The image whose content is kept.")],
    style: Annotated[str, Parameter(help="The image of the style; several with weights: a.jpg:.7,b.jpg:.3")],
    *,
    out: Annotated[
        Path | None,
        Parameter(help="PNG or JPEG to write, with .html and .csv beside it; empty: in runs/stylize-1, ..."),
    ] = None,
    model: Annotated[str, Parameter(help='Model that optimizes an image; `zorki models "gatys*"` lists them.')] = (
        "gatys_vgg19"
    ),
    weights: Annotated[str | None, Parameter(help="Its weights: imagenet (downloads), or a file.")] = None,
    size: Annotated[int | None, Parameter(help="Longer side of the result in pixels; empty: the content's.")] = None,
    strength: Annotated[float, Parameter(help="How much style, 0..1; the same for every network and size.")] = 0.5,
    steps: Annotated[int, Parameter(help="Steps at the coarsest size; half as many at each finer one.")] = 200,
    style_size: Annotated[
        float, Parameter(help="Scale of the strokes: the style's longer side as a share of the result's.")
    ] = 1.0,
    preserve_color: Annotated[
        Literal["none", "luminance", "histogram"],
        Parameter(help="Keep the content's colors: style in the luminance alone, or the style recolored before."),
    ] = "none",
    mask: Annotated[
        list[str] | None,
        Parameter(help="Image whose bright parts are where the style goes; one for each style, - for everywhere."),
    ] = None,
    start: Annotated[Literal["content", "noise"], Parameter(help="What the image is at step 0.")] = "content",
    optimizer: Annotated[Literal["lbfgs", "adam"], Parameter(help="Optimizer of the pixels.")] = "lbfgs",
    lr: Annotated[float | None, Parameter(help="Its learning rate; empty: 1 for lbfgs, .05 for adam.")] = None,
    smoothness: Annotated[float, Parameter(help="Weight of the total variation, over that of the content.")] = 0.0,
    coarse: Annotated[int, Parameter(help="Longer side in pixels of the coarsest size to begin with.")] = 512,
    tile: Annotated[
        int, Parameter(help="Side in pixels of the parts in which losses are computed: less takes less memory.")
    ] = 768,
    seed: Annotated[int, Parameter(help="Random seed, of the noise.")] = 0,
    every: Annotated[int, Parameter(help="Steps between writing the image so far; 0: at the end alone.")] = 50,
    device: Annotated[
        str | None, Parameter(help="cpu, cuda, cuda:1 (or 1), mps; empty: the fastest available.")
    ] = None,
    precision: Annotated[
        Literal["32", "bf16"] | None, Parameter(help="Of the network; empty: bf16 where the device is quick at it.")
    ] = None,
    options: Options = None,
) -> None:
    """Give an image the style of another by optimizing its pixels.

    zorki stylize content.jpg style.jpg --weights imagenet --out image.png
    zorki stylize content.jpg a.jpg:.7,b.jpg:.3 --weights imagenet --preserve-color luminance
    zorki stylize content.jpg sky.jpg,ground.jpg --weights imagenet --mask sky.png --mask ground.png
    """
    from zorki.engine.stylize import output_path
    from zorki.engine.stylize import stylize as run

    done = run(
        content,
        style,
        model=model,
        weights=weights,
        out=output_path(out),
        masks=mask or [],
        every=every,
        device=device,
        precision=precision,
        options=options,
        size=size,
        strength=strength,
        steps=steps,
        style_size=style_size,
        preserve_color=preserve_color,
        start=start,
        optimizer=optimizer,
        lr=lr,
        smoothness=smoothness,
        coarse=coarse,
        tile=tile,
        seed=seed,
    )
    assert done.path is not None
    page = done.path.with_suffix(".html").name
    say(f"{done.path} in {done.seconds:.0f} s; {page} beside it shows content, style and losses")

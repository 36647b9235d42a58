"""One image in the style of others, into files: the image, as it becomes, and a page with its losses."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from zorki.contracts import Section
from zorki.contracts.capabilities import Stylizes
from zorki.data.images import check_writable, write_image
from zorki.data.style_images import read_styles
from zorki.devices import kind_of
from zorki.draw.blocks import Thumbnail, columns, definition_list, figure, image_grid
from zorki.draw.figures import curves
from zorki.draw.report import page, write_page
from zorki.engine.device import autocast, best_precision, check_device
from zorki.engine.prediction.images import as_image, in_memory
from zorki.engine.prediction.sources import expand
from zorki.engine.run.open import RunLike, TrainedModel, open_run
from zorki.errors import DataError, RecipeError
from zorki.files import output_folder, write_text
from zorki.output import say as say_aloud
from zorki.types.arrays import array_of
from zorki.types.stylization import StyleImage, Stylization, StylizationStep

MIN_SHOWN = 1e-4  # of a loss on the page
TELL_SECONDS = 5.0  # between words on how far it is
LOSSES = ("content", "style", "smoothness", "total")


@dataclass
class Stylized:
    """A stylized image, and how it came to be.

    Attributes:
        image: pixels (height, width, 3), RGB, uint8.
        losses: of each step: step, side, seconds, content, style, smoothness, total; see `Stylization.strength`.
        seconds: that it took.
        path: of the image, where it was written; the page with the losses lies beside it, and a table of them.
    """

    image: UInt8[ndarray, "H W 3"]
    losses: list[dict[str, float]] = field(repr=False)
    seconds: float
    path: Path | None = None


def stylize(
    content: Any,
    style: Any,
    *,
    model: RunLike,
    weights: str | Path | None = None,
    out: str | Path | None = None,
    masks: Sequence[str] = (),
    every: int = 50,
    device: str | int | None = None,
    precision: str | None = None,
    options: dict[str, str] | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Stylized:
    """An image in the style of others, by a model that optimizes its pixels.

    Args:
        content: a file, an address, or an image in memory; see `zorki.predict`.
        style: a file, several with weights ("a.jpg:.7,b.jpg:.3"), or an image in memory.
        model: its name; `zorki models "gatys*"` lists them.
        weights: "imagenet", which downloads, or a file.
        out: PNG or JPEG to write; as it becomes every so many steps, and with a page of content, style and loss curves
            beside it. None writes nothing.
        masks: images whose bright parts are where each style goes, one for each style; "-" for everywhere.
        every: steps between writing the image so far; 0 writes it at the end alone.
        precision: "32" or "bf16"; None: bf16 where the device is quick at it.
        options: of the model's builder, such as {"gram": "lectures"}.
        quiet: print nothing.
        settings: of `zorki.types.stylization.Stylization`, such as `size`, `strength`, `steps`, `seed`.

    Raises:
        ZorkiError: a file cannot be read or written, `out` is there already, a setting is none, or the optimization
            diverges.
    """
    wish = _settings(settings)
    path = None if out is None else _free(Path(out))
    opened = model if isinstance(model, TrainedModel) else open_run(model, weights, options=options)
    where = check_device(device)
    network: Any = opened.on_device(where).eval()
    if not isinstance(network, Stylizes):
        raise RecipeError(
            f"{opened.model_name} optimizes no image; expected a model that does, or zorki predict with a trained one"
        )
    image, styles = _content(content), _styles(style, masks)
    tell: Callable[[str], None] = (lambda text: None) if quiet else (lambda text: say_aloud(text, flush=True))
    work = _Work(image, styles, path, every, tell)
    precision = best_precision(kind_of(where))[0] if precision is None else precision
    began = time.monotonic()
    with autocast(where, precision):
        made = network.stylize(image, styles, wish, work.report, tell)
    seconds = time.monotonic() - began
    if path is not None:
        write_image(path, made)
        _write_losses(path, work.rows)
        facts = {"model": opened.model_name, "weights": str(weights), "precision": precision, **vars(wish)}
        _write_sheet(path, work, made, facts)
    return Stylized(array_of(made).transpose(1, 2, 0).copy(), work.rows, seconds, path)


def output_path(out: Path | None) -> Path:
    """Where the image comes to lie: in a new folder of runs/, where nobody said."""
    return output_folder(None, "stylize") / "stylized.png" if out is None else out


def _settings(settings: dict[str, Any]) -> Stylization:
    from zorki.errors import did_you_mean

    for name in settings:
        if name not in Stylization.names():
            raise RecipeError(f"there is no setting {name!r}.{did_you_mean(name, Stylization.names())}")
    return Stylization(**settings)


def _free(path: Path) -> Path:
    """The path, where nothing lies that would be written over."""
    check_writable(path)
    for one in (path, path.with_suffix(".html"), path.with_suffix(".csv")):
        if one.exists():
            raise RecipeError(f"{one}: is there already, and nothing is written over anything; name another --out")
    return path


def _content(content: Any) -> Tensor:
    if in_memory(content):
        return as_image(content, "content")
    sources = expand(content)
    if len(sources) != 1 or sources[0].kind != "image":
        hint = "; for a video or a folder train a network for one style: zorki predict" if sources else ""
        raise DataError(f"{content}: expected one image{hint}")
    return sources[0].image()


def _styles(style: Any, masks: Sequence[str]) -> list[StyleImage]:
    if isinstance(style, str | Path):
        return read_styles(str(style), masks)
    if masks:
        raise RecipeError("masks are for styles in files")
    return [StyleImage(as_image(style, "style"))]


class _Work:
    """What is kept and written on the way."""

    def __init__(
        self, content: Tensor, styles: list[StyleImage], path: Path | None, every: int, tell: Callable[[str], None]
    ) -> None:
        if every < 0:
            raise RecipeError(f"every is {every}; expected 0 or more steps")
        self.content, self.styles, self.path, self.every, self.tell = content, styles, path, every, tell
        self.rows: list[dict[str, float]] = []
        self.last = float("-inf")

    def report(self, step: StylizationStep) -> None:
        """Keeps the losses, tells of them now and then, and writes the image so far."""
        if step.step == 1:
            self.rows.clear()  # where it began anew, what was before is no part of the way
        names = ("step", "side", "seconds", *LOSSES)
        self.rows.append({name: value for name, value in vars(step).items() if name in names})
        if self.path is not None and self.every and step.step % self.every == 0 and step.step < step.steps:
            write_image(self.path, step.image())
        now = time.monotonic()
        if now - self.last > TELL_SECONDS or step.step == step.steps:
            self.last = now
            pace = step.seconds / step.step
            self.tell(
                f"step {step.step} of {step.steps} at {step.side} pixels: content {step.content:.4f}, style "
                f"{step.style:.4f}, total {step.total:.4f}; {pace:.2f} s a step"
            )


def _write_losses(path: Path, rows: Sequence[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["step", "side", "seconds", *LOSSES], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path.with_suffix(".csv"), text.getvalue())


def _write_sheet(path: Path, work: _Work, made: Tensor, facts: dict[str, Any]) -> None:
    """The page beside the image: content, styles, result, and the curves of the losses."""
    images = [("content", work.content), *[(_share(style), style.image) for style in work.styles], ("result", made)]
    grid = image_grid([Thumbnail(array_of(image), words) for words, image in images])
    # The content's loss begins at 0, which would stretch the axis to no use.
    lines = {name: [(row["step"], row[name]) for row in work.rows if row[name] > MIN_SHOWN] for name in LOSSES}
    drawn = [
        figure(curves({name: lines[name] for name in chosen}, title=title, x_label="step", log_y=True))
        for chosen, title in ((("content", "style", "total"), "Losses"), (("smoothness",), "Total variation"))
    ]
    note = (
        "Each is divided by what it is at step 0: the content's by 20 times that of noise, the others by the content's."
    )
    sections = [
        Section("Images", grid),
        Section("Losses", columns(*drawn), note),
        Section("Settings", definition_list(facts)),
    ]
    last = work.rows[-1]
    headline = {name: f"{last[name]:.4f}" for name in ("style", "content")} | {"steps": str(int(last["step"]))}
    write_page(path.with_suffix(".html"), page(path.stem, sections, subtitle="style transfer", facts=headline))


def _share(style: StyleImage) -> str:
    words = "style" if style.weight == 1 else f"style, weight {style.weight:g}"
    return words if style.mask is None else f"{words}, in a region"

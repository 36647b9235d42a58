"""The page of explanations: each image with its maps and what they are worth, and what is in the network's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from zorki.contracts import Section
from zorki.draw.blocks import Thumbnail, image_grid, notice, table
from zorki.draw.images import boxes, sheet, shrink
from zorki.draw.maps import heat_colors
from zorki.draw.markup import number
from zorki.draw.report import page, write_page
from zorki.engine.explanation.explanation import Explanation
from zorki.engine.explanation.layers import ExcitingPatch, first_filters, strongest_maps
from zorki.engine.run.open import TrainedModel

SIDE = 224  # pixels of a map on the page
LARGE = 96  # pixels of a map of a channel
FILTERS = 16  # of a sheet
MAPS = 15  # of channels, three rows on a wide page
BOX = (0, 190, 255)  # a color that no map has
NAMES = {
    "response": "response", "grad-cam": "Grad-CAM", "layer-cam": "LayerCAM",
    "attention-rollout": "attention rollout", "occlusion": "occlusion",
}  # fmt: skip
HOW_TO_READ = (
    "Light yellow: what matters most; gray: what does not. Hatched: the network was not shown it, or has no answer "
    "there. A map tells of the network where it is unlike that of random weights (correlation far from 1), and where "
    "hiding its top tenth costs more of the score than hiding a random tenth."
)


def write_explanations(
    path: Path,
    run: TrainedModel,
    found: Sequence[Explanation],
    patches: Mapping[str, Sequence[ExcitingPatch]] = {},
) -> None:
    """Writes the page, whole or not at all."""
    sections = [_image_section(run, one) for one in found]
    sections += [_patch_section(unit, some) for unit, some in patches.items()]
    sections += _layer_sections(run, found)
    facts = {"model": run.model_name, "task": run.task.name}
    facts["frames" if run.task.unit == "video" else "images"] = str(len(found))
    write_page(path, page(f"What {run.model_name} looked at", sections, subtitle=str(run.folder), facts=facts))


def _image_section(run: TrainedModel, found: Explanation) -> Section:
    cells, near = [_prediction(run, found)], found.close_up(SIDE)
    for method in found.maps:
        drawn = near.plot(method, SIDE).transpose(2, 0, 1)
        cells.append(Thumbnail(_framed(drawn, near), NAMES[method], alt=f"{NAMES[method]} of {found.name}"))
    rows = [
        {
            "method": NAMES[name], "correlation with random weights": one.random_correlation,
            "drop: top 10 % blurred": one.drop, "drop: random 10 % blurred": one.random_drop,
        }
        for name, one in found.checks.items()
    ]  # fmt: skip
    notes = "".join(notice(note, kind="note") for note in found.notes)
    layer = f" Grad-CAM and LayerCAM read {found.layer}." if found.layer else ""
    words = f"Explained: {found.what}, {found.unit} {number(found.score)}.{layer} {HOW_TO_READ}"
    return Section(Path(found.name).name, image_grid(cells) + table(rows) + notes, words)


def _prediction(run: TrainedModel, found: Explanation) -> Thumbnail:
    presentation, info = run.task.presentation, run.info
    shown = presentation.shown(found.prediction, info)
    drawn = presentation.thumbnail(found.shown_image(), shown.numpy(), info)
    return Thumbnail(drawn, presentation.caption(shown, info) or "prediction", name=Path(found.name).name)


def _framed(drawn: UInt8[ndarray, "3 H W"], found: Explanation) -> UInt8[ndarray, "3 H W"]:
    """With the box that is explained."""
    if found.box is None:
        return drawn
    scale = drawn.shape[2] / found.image.shape[2]
    return boxes(drawn, np.array([found.box]) * scale, colors=[BOX])


def _patch_section(unit: str, found: Sequence[ExcitingPatch]) -> Section:
    cells = [Thumbnail(one.patch, f"{one.activation:.4g}", name=one.path.name) for one in found]
    note = "What the channel's position of the largest value saw of each image: all that can reach it, cut at the edges"
    return Section(f"Unit {unit}", image_grid(cells), f"{note} of the image. The number is the channel's value.")


def _layer_sections(run: TrainedModel, found: Sequence[Explanation]) -> list[Section]:
    sections = []
    first = next((one for one in found if one.activations is not None), None)
    if first is not None and first.activations is not None:
        maps = strongest_maps(first.activations, MAPS)
        cells = [Thumbnail(_gray(values), f"channel {channel}") for channel, values in maps]
        image = Path(first.name).name
        note = f"The channels of {first.layer} with the largest values, for {image}; each from 0 to its maximum."
        sections.append(Section("Activation maps", image_grid(cells), note))
    filters = first_filters(run.model)
    if filters is not None:
        name, shades = filters
        note = f"The weights of {name}, each filter from its lowest to its highest."
        cells = []
        for first_of in range(0, len(shades), FILTERS):
            some = list(shades[first_of : first_of + FILTERS])
            drawn = sheet(some, columns=4, cell=max(40, shades.shape[-1] * 4))
            cells.append(Thumbnail(drawn, f"filters {first_of} to {first_of + len(some) - 1}"))
        sections.append(Section("First-layer filters", image_grid(cells), note))
    return sections


def _gray(values: Float[ndarray, "h w"]) -> UInt8[ndarray, "3 H W"]:
    """A coarse map, each position a square of its color, large enough to be seen."""
    known = values.clip(min=0)
    shares = known / known.max() if known.max() > 0 else known
    factor = max(1, LARGE // max(values.shape))
    colors: Any = (heat_colors(shares) * np.sqrt(shares)).round().astype(np.uint8)
    return shrink(colors, LARGE) if factor == 1 else colors.repeat(factor, 1).repeat(factor, 2)

"""Images of a batch made into one another: four to a mosaic, two blended; their boxes come along."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zorki.data.preprocess.resize_image import resize_image
from zorki.data.transforms.geometry import Affine
from zorki.data.transforms.mixing import mixup
from zorki.errors import RecipeError
from zorki.tasks.detection.augment import join, move_boxes
from zorki.types import Batch, Boxes, Padded, Placement

CENTER = (0.25, 0.75)  # shares of height and width between which the four images meet
FAINT = 0.1  # share of a blend below which an image's objects cannot be asked for


class MosaicWindow(NamedTuple):
    """A part of an image, by whole pixels."""

    top: int
    left: int
    height: int
    width: int


def mix(batch: Batch[Boxes], share: float, alpha: float, generator: torch.Generator) -> Batch[Boxes]:
    """The batch with mosaics in a `share` of its places, and then blended in pairs by Beta(alpha, alpha), if above 0.

    Only inputs and `placed` change; `targets` stay the ground truth of the images as they were read.

    Raises:
        RecipeError: the network takes more than pixels, such as regions that were proposed in them.
    """
    valid = batch.inputs.valid.clone() if isinstance(batch.inputs, Padded) else None
    images, placed = batch.inputs if valid is None else batch.inputs.images, batch.placed
    if not isinstance(images, Tensor):
        refuse_regions(share, alpha, "proposed")
    if share:
        images, placed = mosaic(images, placed, batch.placements, share, generator, valid)
    if alpha:
        images, placed = blend(images, placed, alpha, generator, valid)
    return dataclasses.replace(batch, inputs=images if valid is None else Padded(images, valid), placed=placed)


def refuse_regions(share: float, alpha: float, kind: str) -> NoReturn:
    """Raises RecipeError: regions of this kind were found in each image by itself."""
    raise RecipeError(
        f"mosaic is {share} and mixup {alpha}, but this network takes {kind} regions, which were found in each "
        "image by itself; set both to 0"
    )


def mosaic(
    inputs: UInt8[Tensor, "B 3 H W"],
    placed: Sequence[Boxes],
    placements: Sequence[Placement],
    share: float,
    generator: torch.Generator,
    valid: Int64[Tensor, "B 4"] | None = None,
) -> tuple[UInt8[Tensor, "B 3 H W"], list[Boxes]]:
    """Mosaic (Bochkovskiy et al., 2020, section 3.3): four images of the batch around one point, boxes with them.

    The point lies in the middle half of height and width. Each image fills its quarter with a random part of
    itself, shrunk by a random factor between none and the most that still fills the quarter, so that objects come in
    many sizes and no bare ground is learned; the padding around an image is left out. The paper gives no numbers; its
    authors' code crops each image at the same point.

    Args:
        placed: boxes in network pixels.
        placements: where the images lie in the inputs.
        share: probability of each image to become a mosaic with three others drawn from the batch.
        valid: edges of the images on their canvases; changed to the canvas's own where one becomes a mosaic.
    """
    mixed, boxes = inputs.clone(memory_format=torch.contiguous_format), list(placed)
    contents = [_content(placement, inputs.shape[2], inputs.shape[3]) for placement in placements]
    for place in range(len(inputs)):
        # As many numbers for each image whatever comes of them: others' chances do not depend on it.
        chosen, *chances = torch.rand(_NUMBERS, generator=generator, dtype=torch.float64).tolist()
        if chosen < share:
            members, quarters, windows = _draw(place, contents, inputs.shape[2], inputs.shape[3], chances)
            rows = zip(members, quarters, windows, strict=True)
            parts = [_paste(mixed[place], q, inputs[member], w, placed[member]) for member, q, w in rows]
            boxes[place] = join(parts)
            if valid is not None:
                valid[place] = torch.tensor([0, 0, inputs.shape[3], inputs.shape[2]])
    return mixed, boxes


_NUMBERS = 1 + 2 + 3 + 1 + 4 * 3  # whether; the point; three others; whose quarter is whose; three for each part


def _draw(
    place: int, contents: Sequence[MosaicWindow], height: int, width: int, chances: Sequence[float]
) -> tuple[list[int], list[MosaicWindow], list[MosaicWindow]]:
    """Four images, the quarters that they fill, and the parts of them that fill these."""
    low, high = CENTER
    row, column = (
        round(side * (low + (high - low) * chance)) for side, chance in zip((height, width), chances, strict=False)
    )
    members = [place]
    for chance in chances[2:5]:
        # Nobody twice, as far as the batch has others.
        rest = [other for other in range(len(contents)) if other not in members] or list(range(len(contents)))
        members.append(rest[int(chance * len(rest))])
    first = int(chances[5] * 4)  # else an image would always be above and to the left in its own mosaic
    members = members[first:] + members[:first]
    quarters = [
        MosaicWindow(0, 0, row, column),
        MosaicWindow(0, column, row, width - column),
        MosaicWindow(row, 0, height - row, column),
        MosaicWindow(row, column, height - row, width - column),
    ]
    windows = [
        _part(contents[member], quarter, chances[6 + 3 * number : 9 + 3 * number])
        for number, (member, quarter) in enumerate(zip(members, quarters, strict=True))
    ]
    return members, quarters, windows


def _content(placement: Placement, height: int, width: int) -> MosaicWindow:
    """Where the image lies in the input: whole pixels that hold nothing else, one at least."""
    top, left = max(0, math.ceil(placement.top)), max(0, math.ceil(placement.left))
    bottom = min(height, math.floor(placement.frame[3]))
    right = min(width, math.floor(placement.frame[2]))
    top, left = min(top, height - 1), min(left, width - 1)
    return MosaicWindow(top, left, max(1, bottom - top), max(1, right - left))


def _part(content: MosaicWindow, quarter: MosaicWindow, chances: Sequence[float]) -> MosaicWindow:
    """A random part of the content, in the quarter's aspect, as large as the content allows or smaller."""
    most = min(content.height / quarter.height, content.width / quarter.width)
    # Evenly in the logarithm, from whole objects that are shrunk the most to objects in their own size.
    factor = most ** chances[0] if most > 1 else most
    height = max(1, min(content.height, round(quarter.height * factor)))
    width = max(1, min(content.width, round(quarter.width * factor)))
    top = content.top + int(chances[1] * (content.height - height + 1))
    left = content.left + int(chances[2] * (content.width - width + 1))
    return MosaicWindow(top, left, height, width)


def _paste(canvas: Tensor, quarter: MosaicWindow, image: Tensor, window: MosaicWindow, boxes: Boxes) -> Boxes:
    """Writes a part of an image into a quarter of the canvas; the boxes that are seen there."""
    part = image[:, window.top : window.top + window.height, window.left : window.left + window.width]
    bottom, right = quarter.top + quarter.height, quarter.left + quarter.width
    canvas[:, quarter.top : bottom, quarter.left : right] = resize_image(part, quarter.height, quarter.width)
    across, down = quarter.width / window.width, quarter.height / window.height
    matrix = Affine(across, 0.0, quarter.left - across * window.left, 0.0, down, quarter.top - down * window.top)
    return move_boxes(boxes, matrix, (float(quarter.left), float(quarter.top), float(right), float(bottom)))


def blend(
    inputs: UInt8[Tensor, "B 3 H W"],
    placed: Sequence[Boxes],
    alpha: float,
    generator: torch.Generator,
    valid: Int64[Tensor, "B 4"] | None = None,
) -> tuple[UInt8[Tensor, "B 3 H W"], list[Boxes]]:
    """MixUp for detection (Zhang et al., 2019, section 3.1): images blended in pairs, with the boxes of both.

    Shares come from Beta(alpha, alpha); the paper's best is 1.5. It weighs the loss of each box by its image's
    share; here boxes count in full, and those of an image with less than a tenth are left out. `valid`, the edges of
    the images on their canvases, grows to hold both.
    """
    mixed, partner, share = mixup(inputs, alpha, generator)
    if valid is not None:
        others = valid[partner]
        valid[:, :2], valid[:, 2:] = valid[:, :2].minimum(others[:, :2]), valid[:, 2:].maximum(others[:, 2:])
    boxes = []
    for own, (other, part) in enumerate(zip(partner.tolist(), share.tolist(), strict=True)):
        pair = [placed[own]] if part >= FAINT else []
        if part <= 1 - FAINT and other != own:
            pair.append(placed[other])
        boxes.append(join(pair) if pair else placed[own])
    return mixed, boxes

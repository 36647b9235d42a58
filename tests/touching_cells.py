"""Images of cells that touch, for the tests of networks that group pixels."""

import torch

from zorki.ops.packing import tight_boxes
from zorki.types import Instances

HEIGHT, WIDTH = 48, 64


def touching(labels=(0, 0, 0, 0), height=HEIGHT, width=WIDTH):
    """Two rectangles side by side with a common edge, a disc alone, and a small square near it."""
    masks = torch.zeros(4, height, width, dtype=torch.bool)
    masks[0, 6:26, 6:22] = True
    masks[1, 6:26, 22:40] = True
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    masks[2] = (rows - 36) ** 2 + (columns - 14) ** 2 < 81
    masks[3, 30:38, 26:34] = True
    return Instances(tight_boxes(masks), torch.tensor(labels), masks)


def nothing(height=HEIGHT, width=WIDTH):
    empty = torch.zeros(0, height, width, dtype=torch.bool)
    return Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), empty)


def make_image(target, seed=0):
    """Cells are bright, each in its own shade, and noise is on all."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 40, (3, *target.masks.shape[1:]), generator=generator)
    for number, mask in enumerate(target.masks):
        image[:, mask] += 90 + 30 * number
    return image.to(torch.uint8)


def overlaps(found, target):
    """The best intersection over union of each true mask."""
    shared = (found.masks[None] & target.masks[:, None]).flatten(2).sum(2)
    union = (found.masks[None] | target.masks[:, None]).flatten(2).sum(2)
    return (shared / union).amax(1)

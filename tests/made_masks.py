"""Images of masks made at random, or by hand, for tests of figures."""

import numpy as np
import torch

from zorki.ops.packing import tight_boxes
from zorki.types import Instances

SIZE = (60, 80)


def blob(chance, size=SIZE, least=3, most=30):
    """A filled ellipse."""
    height, width = size
    y, x = chance.uniform(0, height), chance.uniform(0, width)
    a, b = chance.uniform(least, most, 2) / 2
    rows, columns = np.mgrid[:height, :width]
    return ((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 <= 1


def instances(masks, labels, scores=None, *, size=SIZE, **columns):
    """From a list of arrays (H, W), with tight boxes."""
    stack = torch.from_numpy(np.stack(masks)) if len(masks) else torch.zeros((0, *size), dtype=torch.bool)
    return Instances(
        tight_boxes(stack),
        torch.tensor(labels, dtype=torch.int64),
        stack,
        None if scores is None else torch.tensor(scores, dtype=torch.float32),
        **columns,
    )


def strip_instances(*spans, labels=None, scores=None, width=20, **columns):
    """Objects of one row of pixels, [start, stop) each: overlaps can be counted on fingers."""
    masks = np.zeros((len(spans), 1, width), bool)
    for row, (start, stop) in enumerate(spans):
        masks[row, 0, start:stop] = True
    return instances(list(masks), labels or [0] * len(spans), scores, size=(1, width), **columns)


def made(seed, count=12, num_classes=3, *, crowd=0.0, difficult=0.0, apart=False):
    """Images with up to six objects, predictions that are near them and elsewhere; `apart` keeps masks disjoint."""
    chance = np.random.default_rng(seed)
    predictions, targets = [], []
    for _ in range(count):
        truth, labels, found, found_labels = [], [], [], []
        for _ in range(int(chance.integers(0, 7))):
            mask, label = blob(chance), int(chance.integers(0, num_classes))
            if not mask.any():
                continue
            truth.append(mask)
            labels.append(label)
            for _ in range(int(chance.integers(0, 3))):
                found.append(np.roll(mask, chance.integers(-4, 5, 2), (0, 1)) | (chance.random() < 0.2) & blob(chance))
                found_labels.append(label if chance.random() < 0.8 else int(chance.integers(0, num_classes)))
        for _ in range(int(chance.integers(0, 3))):
            found.append(blob(chance))
            found_labels.append(int(chance.integers(0, num_classes)))
        if apart:
            truth, labels = disjoint(truth, labels)
            found, found_labels = disjoint(found, found_labels)
        marks = {
            "crowd": torch.from_numpy(chance.random(len(truth)) < crowd),
            "difficult": torch.from_numpy(chance.random(len(truth)) < difficult),
        }
        targets.append(instances(truth, labels, **marks))
        predictions.append(instances(found, found_labels, np.round(chance.random(len(found)) * 64) / 64))
    return predictions, targets


def disjoint(masks, labels):
    """Each mask without the pixels of those before it; those of which nothing is left go."""
    taken, kept, names = np.zeros(SIZE, bool), [], []
    for mask, label in zip(masks, labels, strict=True):
        rest = mask & ~taken
        if rest.any():
            kept.append(rest)
            names.append(label)
            taken |= rest
    return kept, names

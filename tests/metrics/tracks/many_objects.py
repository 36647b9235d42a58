"""Small videos of many objects, by chance: tracks that switch, miss and are false."""

import numpy as np

from zorki.metrics.tracks.sequence import TrackTable


def table(rows):
    """From rows of (frame, identity, left, top, width, height), perhaps with score and label."""
    values = np.array([(*row, 1, 1)[:8] for row in rows], dtype=np.float64).reshape(-1, 8)
    whole = values[:, [0, 1, 7]].astype(np.int64)
    return TrackTable(whole[:, 0], whole[:, 1], values[:, 2:6], values[:, 6], whole[:, 2])


def random_rows(seed, objects=3, frames=6):
    chance = np.random.default_rng(seed)
    places, whose = chance.uniform(0, 20, (objects, 2)), np.arange(objects) + 5
    theirs, ours = [], []
    for frame in range(frames):
        if chance.random() < 0.3:
            chance.shuffle(whose)
        for row in range(objects):
            if chance.random() < 0.8:
                theirs.append((frame, row, *places[row], 10, 10))
            if chance.random() < 0.8:
                ours.append((frame, whose[row], *(places[row] + chance.normal(0, 2, 2)), 10, 10))
    return theirs, ours

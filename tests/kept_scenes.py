"""Small scenes are painted once a process: the same few hundred are the training data of many tests."""

import copy

import pytest

from zorki.data.scenes import dataset, objects

paint = dataset.scene
_PAINTED = {}


def scene(seed, index, *, size=(96, 128), **settings):
    """In the place of `zorki.data.scenes.dataset.scene`; what comes back is the caller's own."""
    if size[0] * size[1] > 64 * 64:
        return paint(seed, index, size=size, **settings)
    key = repr((seed, index, size, settings))
    if key not in _PAINTED:
        if len(_PAINTED) == 3000:  # some 100 MB
            _PAINTED.clear()
        _PAINTED[key] = paint(seed, index, size=size, **settings)
    return copy.deepcopy(_PAINTED[key])


def keep():
    """Datasets of scenes keep what was painted, until what comes back is undone."""
    patch = pytest.MonkeyPatch()
    for module in (dataset, objects):
        patch.setattr(module, "scene", scene)
    return patch

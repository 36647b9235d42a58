"""The search itself needs OpenCV's contributed modules; what is said without them needs none."""

import builtins
import sys
import types

import pytest
import torch

from zorki.data.preprocess.selective_search import has_selective_search, opencv_with_selective_search, selective_search
from zorki.errors import ZorkiError
from zorki.ops.boxes import pairwise_iou

needs_opencv = pytest.mark.skipif(
    not has_selective_search(), reason="OpenCV's contributed modules are not installed: pip install zorki[cv]"
)


def three_rectangles():
    image = torch.full((3, 96, 128), 200, dtype=torch.uint8)
    boxes = [(10, 12, 50, 40), (70, 20, 110, 80), (20, 60, 50, 90)]
    for (left, top, right, bottom), color in zip(boxes, [(250, 10, 10), (10, 240, 30), (20, 20, 240)], strict=True):
        image[:, top:bottom, left:right] = torch.tensor(color, dtype=torch.uint8)[:, None, None]
    return image, torch.tensor(boxes, dtype=torch.float32)


@needs_opencv
@pytest.mark.parametrize("mode", ["fast", "quality"])
def test_things_of_one_color_are_found(mode):
    image, boxes = three_rectangles()
    found = selective_search(image, mode)
    assert found.dtype == torch.int16
    assert pairwise_iou(boxes, found.float()).amax(1).min() > 0.85
    assert found[:, :2].min() >= 0
    assert found[:, 2].max() <= 128
    assert found[:, 3].max() <= 96
    assert len(torch.unique(found, dim=0)) == len(found), "none twice"


@needs_opencv
def test_the_same_seed_gives_the_same_order():
    image = torch.randint(0, 255, (3, 64, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    assert torch.equal(selective_search(image, seed=5), selective_search(image, seed=5))


@needs_opencv
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (40, 1)])
def test_tiny_images_are_no_special_case(size):
    found = selective_search(torch.zeros((3, *size), dtype=torch.uint8))
    assert found.shape[1] == 4


def test_missing_opencv_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ZorkiError, match="pip install opencv-contrib-python-headless"):
        opencv_with_selective_search()


def test_an_opencv_with_the_module_but_not_the_function_is_refused(monkeypatch):
    empty = types.SimpleNamespace(ximgproc=types.SimpleNamespace(segmentation=types.SimpleNamespace()))
    monkeypatch.setitem(sys.modules, "cv2", empty)
    with pytest.raises(ZorkiError, match=r"lacks selective search.*remove opencv-python"):
        opencv_with_selective_search()
    assert not has_selective_search()

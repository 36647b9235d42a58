"""The baseline that seeks the first frame's pixels."""

from __future__ import annotations

import pytest
import torch

from zorki.types import Boxes

pytest.importorskip("cv2")

from zorki.tasks.tracking.template_matching import TemplateMatching


def noise(seed, height, width):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def box(left, top, right, bottom):
    return Boxes(torch.tensor([[left, top, right, bottom]], dtype=torch.float32), torch.zeros(1, dtype=torch.int64))


def test_the_pixels_are_found_where_they_went():
    ground, thing = noise(0, 60, 80), noise(1, 12, 16)
    first, second = ground.clone(), ground.clone()
    first[:, 20:32, 30:46] = thing
    second[:, 24:36, 25:41] = thing
    tracker = TemplateMatching()
    _, found = tracker.step(tracker.start(first, box(30, 20, 46, 32)), second)
    assert found.xyxy.tolist() == [[25.0, 24.0, 41.0, 36.0]]
    assert found.scores.item() == pytest.approx(1.0, abs=1e-4)


def test_pixels_of_one_color_are_found_nowhere_and_the_box_stays():
    tracker = TemplateMatching()
    state = tracker.start(torch.full((3, 60, 80), 128, dtype=torch.uint8), box(30, 20, 46, 32))
    _, found = tracker.step(state, noise(0, 60, 80))
    assert found.xyxy.tolist() == [[30.0, 20.0, 46.0, 32.0]]
    assert found.scores.item() == 0.0

"""Videos whose frames come at times of their own."""

from __future__ import annotations

import pytest
import torch

from zorki.engine.prediction.video import VideoWriter, timed_frames

pytest.importorskip("av")


def test_frames_are_shown_when_they_were_taken(tmp_path):
    times = [3.0, 3.04, 3.12, 3.5, 3.5, 3.58]  # two at one time: the second comes a moment later
    with VideoWriter(tmp_path / "a.mp4", 25) as video:
        for number, seconds in enumerate(times):
            video.write(torch.full((3, 32, 32), 20 * number, dtype=torch.uint8), seconds)
    found = [frame.seconds for frame in timed_frames(tmp_path / "a.mp4")]
    assert found == pytest.approx([0.0, 0.04, 0.12, 0.5, 0.5, 0.58], abs=1e-3)
    assert sorted(set(found)) == found

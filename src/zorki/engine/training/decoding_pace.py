"""How fast films are decoded, and whether that or the network sets the pace of training."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from zorki.data.video.decode import DECODED
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import DataError

TRIED = 4
"""Films of which a clip is made to see how long that takes."""


@dataclass(frozen=True)
class DecodingPace:
    """Of one process: frames decoded a second, frames used of each clip, and clips made a second."""

    decoded: float
    used: float
    clips: float
    waste: float  # frames decoded for each that is used

    def told(self, trained: float, workers: int) -> str:
        """A sentence for a person.

        Args:
            trained: clips a second of training, evaluation included.
            workers: processes that decode; 0: the one that trains.
        """
        readers = max(1, workers)
        # Where one process does both in turn, half of the time is more than the network's.
        limit = self.clips * readers * (0.8 if workers else 0.5)
        slow = "decoding" if trained >= limit else "the network"
        more = "; --workers decodes in more processes, fewer or smaller frames need less" if slow == "decoding" else ""
        who = f"each of {readers} processes" if readers > 1 else "a process"
        return (
            f"frames: {who} decodes {self.decoded:,.0f} a second, {self.waste:.1f} for each that is used; training "
            f"used {trained * self.used:,.0f} a second: the bottleneck is {slow}{more}"
        )


def measure_decoding(plan: TrainingPlan) -> DecodingPace | None:
    """By a clip of each of a few training films, in this process; None of films that are in no video file."""
    preprocess, seconds, made = plan.model.preprocess, 0.0, 0
    frames, used = DECODED.frames, DECODED.used
    for number, index in enumerate(plan.train_indices[:TRIED]):
        begun = time.perf_counter()
        try:
            preprocess([plan.dataset[index].image], [torch.Generator().manual_seed(number)])
        except DataError:
            continue
        seconds, made = seconds + time.perf_counter() - begun, made + 1
    frames, used = DECODED.frames - frames, DECODED.used - used
    if not frames or not used or not made:
        return None
    return DecodingPace(frames / seconds, used / made, made / seconds, frames / used)

"""What the engine adds to a step: the same network, batches and optimizer in a bare PyTorch loop and in the engine.

    python benchmarks/engine.py --model lenet5 --steps 200 --repeats 5

Both run in turn, on one thread, which keeps the machine's other work out; medians over steps, then over repeats, are
printed. The engine side includes Lightning, the rate schedule, sums of losses, the log and the look for Ctrl-C; what
comes once an epoch (validation, checkpoint) is left out on both sides.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch

from zorki.engine.device import autocast, laid_out
from zorki.engine.run import logs
from zorki.engine.training import optimizer as optimize
from zorki.engine.training.learner import Learner
from zorki.engine.training.loop import Conductor, make_trainer
from zorki.engine.training.progress import Progress
from zorki.recipe import Recipe
from zorki.registry import build
from zorki.types import Batch, Label, Placement

WARM = 20  # steps before the clock starts


class Repeated:
    """The same batch again and again, so that reading costs nothing on either side."""

    def __init__(self, batch: Batch[Any], steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch[Any]]:
        for _ in range(self.steps):
            yield self.batch


class Clock(lightning.Callback):
    """When each step ended."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.moments: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.moments.append(self.now())


def median_step(moments: list[float]) -> float:
    """The median time of a step after the warm-up, in milliseconds: others' bursts on the machine do not count."""
    return statistics.median(b - a for a, b in itertools.pairwise(moments[WARM:])) * 1e3


def bare(name: str, batch: Batch[Any], recipe: Recipe, steps: int, size: int, now: Callable[[], float]) -> float:
    """Milliseconds a step of a loop that one would write by hand."""
    torch.manual_seed(0)
    model = build(name, 10, {"image_size": size}).train().to(memory_format=torch.channels_last)
    rule = optimize.optimizer(model, recipe)
    moments = []
    for _ in range(steps):
        with autocast("cpu", recipe.precision or "32"):
            loss = model.loss(model(laid_out(batch.inputs, model)), batch.placed)["cross_entropy"]
        rule.zero_grad()
        loss.backward()
        rule.step()
        moments.append(now())
    return median_step(moments)


def through_engine(
    name: str, batch: Batch[Any], recipe: Recipe, steps: int, size: int, now: Callable[[], float]
) -> float:
    """Milliseconds a step through Lightning and the Conductor."""
    torch.manual_seed(0)
    model = build(name, 10, {"image_size": size}).to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clock, kept = Clock(now), logs.loggers(folder, None)
        conductor = Conductor(
            recipe,
            folder,
            validate=None,
            monitor="top1",
            log=logs.Log(folder, kept),
            progress=Progress(1, "top1", active=False),
            keep_best=lambda model, facts: None,
        )
        trainer = make_trainer(recipe, [conductor, clock], kept, folder)
        trainer.fit(Learner(model, recipe), Repeated(batch, steps))
    return median_step(clock.moments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", default=["lenet5", "cifar_resnet20"])
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="32", choices=["32", "bf16"])
    parser.add_argument("--cpu-time", action="store_true", help="of this thread: on a machine with other work to do")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    now = time.thread_time if options.cpu_time else time.perf_counter
    found = []
    for name in options.model:
        inputs = torch.randint(0, 256, (options.batch_size, 3, options.size, options.size), dtype=torch.uint8)
        labels = [Label(i % 10) for i in range(options.batch_size)]
        places = [Placement(options.size, options.size)] * options.batch_size
        batch = Batch(inputs, labels, labels, places, list(range(options.batch_size)))
        recipe = Recipe(
            epochs=1, batch_size=options.batch_size, lr=0.01, weight_decay=5e-4, optimizer="sgd", device="cpu",
            precision=options.precision, checkpoint_minutes=1000,
        )  # fmt: skip
        times: dict[str, list[float]] = {"bare": [], "engine": []}
        for turn in range(options.repeats):
            # Each side goes first in turn, so that a machine that slows down or speeds up favors neither.
            for side, measure in (("bare", bare), ("engine", through_engine))[:: -1 if turn % 2 else 1]:
                times[side].append(measure(name, batch, recipe, options.steps, options.size, now))
        medians = {side: statistics.median(values) for side, values in times.items()}
        added = (medians["engine"] / medians["bare"] - 1) * 100
        pairs = [100 * (b / a - 1) for a, b in zip(times["bare"], times["engine"], strict=True)]
        print(
            f"{name:20} bare {medians['bare']:8.2f} ms  engine {medians['engine']:8.2f} ms  added {added:+.1f} % "
            f"(pairs {min(pairs):+.1f} to {max(pairs):+.1f} %)"
        )
        found.append({"model": name, **times, "added_percent": added})
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

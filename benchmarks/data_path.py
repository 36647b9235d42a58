"""The rooms (modules) that one training sample visits from `zorki train` to the network, and how often it goes back.

    python benchmarks/data_path.py [--model lenet5] [--calls]

A folder with a folder for each class is written, and the command trains on it with batches of one image, until the
network is called for the first time; `sys.setprofile` sees every call of a function of zorki on the way. Counted are
the calls that hand the sample on, in whatever form it is: the path until there is a dataset, the dataset, a sample, an
image, a batch, or an object that holds one of these. That is, calls

1. with the data among their arguments or as their result,
2. which give data back, or are still running when the network is called, and
3. whose callers are such calls, or hold no data.

What looks at the data to decide or to measure something, and hands nothing on, is not on the sample's way (which format
it is, what is broken, defaults, pixel statistics). A room is a module of zorki, the network's own not among them. A
return is a call from one room into another that was entered and left before; functions of one room that call each
other stay in it. Comprehensions and lambdas are part of the function in which they stand.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import zorki
from zorki.cli import train as verb
from zorki.cli.flags.recipe import Flags
from zorki.contracts import Dataset, Model
from zorki.data.scenes.dataset import SceneClassification
from zorki.engine.training.learner import Learner
from zorki.types import Batch, Sample

ROOT = Path(zorki.__file__).parent


@dataclass
class Call:
    """One call of a function of zorki."""

    room: str
    name: str
    holds: bool  # the data
    made: list[Call] = field(default_factory=list)
    hands_on: bool = False


class NetworkCalled(Exception):
    """The data have arrived."""


class Tracer:
    """Calls as a tree, whose root stands for the command line."""

    def __init__(self, path: Path) -> None:
        self.path: Path | None = path
        self.root = Call("", "", False)
        self.open: list[tuple[FrameType | None, Call]] = [(None, self.root)]

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if code.co_name.startswith("<") or not code.co_filename.startswith(f"{ROOT}{os.sep}"):
            return
        if event == "call":
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            room = ".".join(Path(code.co_filename).relative_to(ROOT).with_suffix("").parts)
            call = Call(room, code.co_name, any(self.held(frame.f_locals.get(name)) for name in names))
            self.open[-1][1].made.append(call)
            self.open.append((frame, call))
        elif event == "return" and self.open[-1][0] is frame:
            call = self.open.pop()[1]
            call.hands_on = self.held(value)
            call.holds |= call.hands_on
            if isinstance(value, Dataset):
                self.path = None  # from here on, only a name

    def arrived(self) -> None:
        """Calls that are still running have handed the data on."""
        sys.setprofile(None)
        for _, call in self.open:
            call.hands_on = True

    def is_data(self, value: Any) -> bool:
        if isinstance(value, str | Path):
            return Path(value) == self.path
        if isinstance(value, torch.Tensor):
            return value.dtype == torch.uint8 and value.ndim >= 3
        return isinstance(value, Dataset | Sample | Batch)

    def held(self, value: Any, depth: int = 3) -> bool:
        """Whether a value is the data, or holds them in its attributes or items, as deep as a loader does."""
        if self.is_data(value):
            return True
        own = type(value).__module__.startswith("zorki.") and hasattr(value, "__dict__")
        parts = vars(value).values() if own else value if isinstance(value, list | tuple) else ()
        return depth > 0 and any(self.held(part, depth - 1) for part in parts)


def way(call: Call, room: str = "") -> list[tuple[str, Call]]:
    """The calls that hand the data on, in their order, each with the room that it comes from."""
    found = []
    for made in call.made:
        if made.holds and not made.hands_on:
            continue
        found += [(room, made)] if made.holds else []
        found += way(made, made.room if made.holds else room)
    return found


def returns(calls: list[tuple[str, Call]]) -> list[str]:
    """The rooms that are called from another room when they were entered, and left, before."""
    entered, found, last = set(), [], ""
    for caller, call in calls:
        if call.room in entered and call.room not in (caller, last):
            found.append(call.room)
        entered.add(call.room)
        last = call.room
    return found


def trace(model: str) -> list[tuple[str, Call]]:
    """The way of the data through the training of a model, up to the first call of its network."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        SceneClassification(40, size=(32, 32)).write_folders(data)
        tracer = Tracer(data)
        forward = Learner.training_step

        def training_step(self: Learner, batch: Batch[Any], batch_idx: int) -> Any:
            network: Model[Any, Any, Any] = self.model
            network.register_forward_pre_hook(lambda *_: arrive(), prepend=True)
            return forward(self, batch, batch_idx)

        def arrive() -> None:
            tracer.arrived()
            raise NetworkCalled

        Learner.training_step = training_step  # type: ignore[method-assign]
        flags = Flags(epochs=1, batch_size=1, limit=8, workers=0, device="cpu", out=f"{place}/runs")
        sys.setprofile(tracer)
        try:
            verb.train(model, str(data), quiet=True, flags=flags)
        except NetworkCalled:
            pass
        finally:
            sys.setprofile(None)
        return way(tracer.root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lenet5", help="of classification")
    parser.add_argument("--calls", action="store_true", help="print every call")
    options = parser.parse_args()
    calls = trace(options.model)
    if options.calls:
        print("\n".join(f"  {call.room}.{call.name}" for _, call in calls))
    rooms, back = list(dict.fromkeys(call.room for _, call in calls)), returns(calls)
    print("\n".join(f"{number:3} {room}" for number, room in enumerate(rooms, 1)))
    print(f"{len(rooms)} rooms; {len(back)} returns, to {len(set(back))} of them: {', '.join(back)}")


if __name__ == "__main__":
    main()

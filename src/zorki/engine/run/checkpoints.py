"""What a run needs to go on after a kill at any moment, as if nothing had happened.

`last.ckpt` holds network, optimizer, schedule, place in the data's order, and the state of chance; it is written aside
and renamed, and read without unpickling code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zorki.errors import WeightsError, ZorkiError
from zorki.files import whole
from zorki.weights.read import present_name

LAST = "last.ckpt"


def write(trainer: Any, folder: Path) -> None:
    """Writes `last.ckpt`, whole or not at all. Raises ZorkiError where the disk is full; the earlier file stays."""
    path = folder / LAST
    state = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    if not trainer.is_global_zero:
        return
    with way_on(folder), whole(path) as aside:
        torch.save(state, aside)


@contextmanager
def way_on(folder: Path) -> Iterator[None]:
    """Adds to a ZorkiError of writing into the run's folder how to go on with the run."""
    try:
        yield
    except ZorkiError as error:
        raise ZorkiError(f"{error}{words_of_way_on(folder)}") from error


def words_of_way_on(folder: Path) -> str:
    """What to do once there is room again: a run without a checkpoint begins anew, in the same folder."""
    if (folder / LAST).exists():
        return f" Then go on with: zorki train --resume {folder}"
    return f" There is no checkpoint yet; then start it from its beginning with: zorki train --resume {folder}"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be read."""

    path: Path
    done: int  # batches when it was written, over all epochs
    within_epoch: bool  # whether more batches of its epoch were to come


def check(folder: Path, network: nn.Module) -> Checkpoint:
    """The run's checkpoint, whose tensors are those of the network.

    Raises:
        WeightsError: there is none that can be read, or it is of another network.
    """
    path = folder / LAST
    if not path.exists():
        raise WeightsError(f"{path}: not there, so the run cannot go on; start anew with `zorki train`")
    try:
        state = torch.load(path, map_location="meta", weights_only=True)
        progress = state["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        found = Checkpoint(path, int(progress["total"]["ready"]), not progress["is_last_batch"])
        shapes = {name: tuple(value.shape) for name, value in present_names(state["state_dict"]).items()}
        lacking = [name for name in ("optimizer_states", "lr_schedulers", "epoch", "global_step") if name not in state]
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read ({type(error).__name__}); start anew with `zorki train`") from error
    if lacking:
        raise WeightsError(f"{path}: no checkpoint of a training: it lacks {', '.join(lacking)}")
    _check_names(path, shapes, network)
    return found


def fill(checkpoint: Checkpoint, network: nn.Module) -> None:
    """Gives the network the checkpoint's weights, before anything is worked out by it."""
    state = torch.load(checkpoint.path, map_location="cpu", weights_only=True)["state_dict"]
    named = {
        name.replace("_orig_mod.", "").removeprefix("model."): value for name, value in present_names(state).items()
    }
    network.load_state_dict(named, strict=False)


def _check_names(path: Path, shapes: Mapping[str, tuple[int, ...]], network: nn.Module) -> None:
    """Raises WeightsError where tensors that training goes on with are missing, or of another shape."""
    theirs = {name.replace("_orig_mod.", "").removeprefix("model."): shape for name, shape in shapes.items()}
    missing = [name for name in network.state_dict() if name not in theirs]
    other = [name for name, value in network.named_parameters() if theirs.get(name, value.shape) != tuple(value.shape)]
    if missing or other:
        what = f"lacks {missing[0]!r}" if missing else f"has {other[0]!r} in another shape"
        count = len(missing) + len(other)
        raise WeightsError(
            f"{path}: is of another network than run.json tells: it {what} ({count} tensors do not fit, of "
            f"{len(theirs)} in the file); put the run's own file back, or start anew with `zorki train`"
        )


def present_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of a checkpoint that an earlier version wrote, by the names that this one has for them."""
    return {present_name(name): value for name, value in tensors.items()}


def chance() -> dict[str, torch.Tensor]:
    """The state of PyTorch's generators, as tensors. Data have chance of their own, from seed, epoch and index."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # all processes draw alike, each on its own device
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_chance(state: dict[str, Any] | None) -> None:
    """Puts the generators back; None leaves them."""
    if state is None:
        return
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


@contextmanager
def same_chance() -> Iterator[None]:
    """Leaves all generators of random numbers as they are: PyTorch's, Python's and NumPy's."""
    tensors, python, numbers = chance(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        restore_chance(tensors)
        random.setstate(python)
        np.random.set_state(numbers)

"""Several runs of one recipe that differ in the seed alone: how far chance alone moves a score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from zorki import registry
from zorki.engine.run.folder import RESULTS, is_run, new_folder, read_results
from zorki.engine.training.train import resume, train
from zorki.errors import DataError, RecipeError, WeightsError
from zorki.files import write_json
from zorki.input_files.json_files import read_json
from zorki.output import say
from zorki.recipe import Recipe
from zorki.settings import by_field
from zorki.task_settings import recipe_for, task_settings

SEEDS = "seeds.json"


def train_seeds(model: str, data: str | Path, count: int, *, quiet: bool = False, **settings: Any) -> Path:
    """Trains runs that differ in the seed, one after the other, and returns the folder that holds them.

    Each is an ordinary run, in OUT/MODEL-seeds-1/seed-0, -1, ...; `zorki.compare` takes the folder.

    Args:
        count: of runs, with the seeds from `settings["seed"]` on.
        settings: of the recipe; `name` is that of the folder.

    Raises:
        ZorkiError: as `zorki.train`; what was trained so far stays, and `resume_seeds` goes on.
    """
    task = registry.find(model).task
    kind = task.settings or Recipe
    given = by_field(settings, kind, *task_settings())
    wish = recipe_for(kind, task.name, given)
    if count < 2:
        raise RecipeError(f"seeds is {count}; expected at least 2 runs, or leave it out and say --seed")
    if wish.world > 1:
        raise RecipeError(f"devices is {wish.devices}; runs of several seeds take one each: start each with --seed")
    folder = new_folder(Path(wish.out), f"{model}-seeds", wish.name)
    inner = {name: value for name, value in given.items() if name not in ("out", "name", "seed")}
    source = str(Path(data).resolve()) if Path(data).exists() else str(data)
    about = {"model": model, "data": source, "seeds": list(range(wish.seed, wish.seed + count)), "settings": inner}
    write_json(folder / SEEDS, about)
    try:
        _train_all(folder, about, quiet)
    except BaseException:
        if not any(is_run(one) for one in folder.iterdir() if one.is_dir()):  # nothing was begun
            (folder / SEEDS).unlink(missing_ok=True)
            folder.rmdir()
        raise
    return folder


def is_folder_of_seeds(folder: Path) -> bool:
    """Whether `train_seeds` made a folder."""
    return (folder / SEEDS).is_file()


def resume_seeds(folder: Path, count: int | None = None, *, quiet: bool = False) -> Path:
    """Goes on where `train_seeds` was stopped: finished runs stay, one that was begun goes on, others are trained.

    Args:
        count: of runs in all; None: as many as at first.

    Raises:
        ZorkiError: the folder holds no such runs, or as `zorki.resume`.
    """
    about = _read(folder)
    seeds = about["seeds"]
    if count is not None:
        if count < len(seeds):
            raise RecipeError(
                f"seeds is {count}, but {folder} has {len(seeds)} runs already; expected at least as many"
            )
        about["seeds"] = list(range(seeds[0], seeds[0] + count))
        write_json(folder / SEEDS, about)
    _train_all(folder, about, quiet)
    return folder


def _read(folder: Path) -> dict[str, Any]:
    path = folder / SEEDS
    try:
        about = read_json(path)
        whole = all(isinstance(seed, int) for seed in about["seeds"]) and about["seeds"]
        if not (whole and isinstance(about["model"], str) and isinstance(about["settings"], dict)):
            raise TypeError
        return {**about, "data": str(about["data"])}
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: expected model, data, seeds and settings; restore it, or train anew") from error
    except DataError as error:
        raise WeightsError(str(error)) from error


def _train_all(folder: Path, about: dict[str, Any], quiet: bool) -> None:
    tell: Callable[[str], None] = _silent if quiet else say
    seeds: Sequence[int] = about["seeds"]
    for number, seed in enumerate(seeds, 1):
        place = folder / f"seed-{seed}"
        if (place / RESULTS).is_file():
            tell(f"seed {seed}: is trained already, in {place}")
            continue
        tell(f"seed {seed}: run {number} of {len(seeds)}")
        if is_run(place):
            resume(place, quiet=quiet)
        else:
            train(
                about["model"], about["data"], quiet=quiet, out=str(folder), name=place.name, seed=seed,
                **about["settings"],
            )  # fmt: skip
    monitor = registry.find(about["model"]).task.monitor
    for split in ("val", "test"):
        found = [read_results(folder / f"seed-{seed}").get(split, {}).get("metrics", {}).get(monitor) for seed in seeds]
        scores = [float(score) for score in found if isinstance(score, int | float)]
        if len(scores) > 1:
            tell(
                f"{split}: {monitor} {mean(scores):.4f}, standard deviation {stdev(scores):.4f} of {len(scores)} seeds"
            )
    tell(f"runs: {folder}; compare them with others: zorki compare {folder} OTHER")


def _silent(text: str) -> None:
    """Says nothing."""

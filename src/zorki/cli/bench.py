"""`zorki bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from zorki.cli.flags.recipe import Flags, given_settings, read_recipe
from zorki.errors import RecipeError, ZorkiError, did_you_mean
from zorki.output import say
from zorki.recipe import Recipe
from zorki.task_settings import recipe_for


def bench(
    task: Annotated[str, Parameter(help="A task; `zorki tasks` lists them.")],
    data: Annotated[str, Parameter(help="Folder or file with your images, or scenes:COUNT@SIZE.")],
    *,
    models: Annotated[str, Parameter(help="Names of models, separated by commas; `zorki models` lists them.")],
    recipe: Annotated[Path | None, Parameter(help="Settings from this recipe.yaml; flags take precedence.")] = None,
    split: Annotated[str | None, Parameter(help="Split to evaluate on; empty: test, else val.")] = None,
    flags: Annotated[Any, Parameter(name="*")] = Flags(),  # noqa: B008
) -> None:
    """Train several models on the same dataset with the same settings, and compare them.

    Each run lies in OUT/MODEL; a model whose run is finished there is not trained again, and one that was stopped
    goes on. OUT is runs/bench-TASK-1, or the next that is free, where none is named. The comparison (table and plot)
    is written into a new folder in OUT.

    zorki bench detection cells/ --models ssd_squeezenet,fcos_squeezenet --epochs 20 --out runs/cells
    """
    from zorki import registry
    from zorki.engine.comparison.compare import compare
    from zorki.engine.comparison.page import markdown, write_comparison
    from zorki.files import output_folder

    tasks = registry.tasks()
    if task not in tasks:
        raise RecipeError(f"no task is named {task!r}.{did_you_mean(task, tasks)} There are: {', '.join(tasks)}")
    names = [name.strip() for name in models.split(",") if name.strip()]
    wrong = [name for name in names if registry.find(name).task.name != task]
    if wrong or not names:
        raise RecipeError(f"{', '.join(wrong) or 'no model'}: expected models for {task}; `zorki models` lists them")
    settings = {**(read_recipe(recipe) if recipe is not None else {}), **given_settings(flags)}
    checked = recipe_for(tasks[task].settings or Recipe, task, settings).to_json()
    settings = {name: checked[name] for name in settings if name in checked}
    if settings.pop("name", None) is not None:
        raise RecipeError(
            "runs of a benchmark are named after their models: leave out --name, and name a folder by --out"
        )
    named = settings.pop("out", None)
    out = Path(named) if named else output_folder(None, f"bench-{task}")
    say(f"runs: {out} (--out {out} goes on there)")
    failed = [name for name in names if not _trained(name, data, out, settings)]
    done = [out / _folder(name) for name in names if name not in failed]
    if not done:
        raise ZorkiError("none of the models could be trained; the reasons stand above")
    device, threads = settings.get("device"), settings.get("threads")
    compared = compare(done, data, split=split, device=device, threads=threads)
    page = write_comparison(compared, output_folder(None, "compare", out), title="Comparison")
    say(markdown(compared), end="")
    say(f"comparison: {page}")
    if failed:
        raise ZorkiError(f"could not be trained, and is not in the comparison: {', '.join(failed)}")


def _folder(name: str) -> str:
    from zorki.engine.run.folder import folder_name

    return folder_name(name)


def _trained(name: str, data: str, out: Path, settings: dict[str, Any]) -> bool:
    """Trains in a process of its own, so that one model's memory and mistakes are not another's."""
    import yaml

    from zorki import registry
    from zorki.engine.run.folder import RESULTS, is_run
    from zorki.files import write_text

    folder = out / _folder(name)
    if is_run(folder):
        _check_same(folder, data, settings)
    if (folder / RESULTS).is_file():
        say(f"{name}: is trained already, in {folder}")
        return True
    if is_run(folder):
        words = ["--resume", str(folder)]
    else:
        recipe = out / f"{_folder(name)}.yaml"
        write_text(recipe, yaml.safe_dump({**settings, "out": str(out), "name": folder.name}))
        words = [name, data, "--recipe", str(recipe)]
    words += [f"--plugin={plugin}" for plugin in registry.plugins()]
    say(f"{name}: training", flush=True)
    return subprocess.run([sys.executable, "-m", "zorki", "train", *words], check=False).returncode == 0


def _check_same(folder: Path, data: str, settings: dict[str, Any]) -> None:
    """A run of other data or settings is not part of this benchmark."""
    from zorki.engine.run.folder import read_about

    about = read_about(folder)
    source = str(Path(data).resolve()) if Path(data).exists() else data
    then = {key: value for key, value in about.get("explicit", {}).items() if key not in ("out", "name")}
    other = [key for key in sorted({*then, *settings}) if then.get(key) != settings.get(key)]
    if about["data"] != source or other:
        what = ", ".join([*(["the data"] if about["data"] != source else []), *other])
        raise RecipeError(f"{folder}: holds a run that differs in {what}; name another --out, or remove it")


bench.__annotations__["flags"] = Annotated[Flags, Parameter(name="*")]

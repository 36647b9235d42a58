"""`tune`: a recipe searched for by Optuna, on validation; the test split is not evaluated."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from zorki import registry
from zorki.engine.run.checkpoints import same_chance
from zorki.engine.run.folder import folder_name, new_folder
from zorki.engine.training.plan import draft_plan
from zorki.engine.tuning.latency import latency
from zorki.engine.tuning.page import write_tuning
from zorki.engine.tuning.space import OPTIONS, Range, parse_space, settings_of
from zorki.engine.tuning.study import (
    FOLDER,
    LATENCY,
    REASON,
    SAMPLERS,
    Workplace,
    open_study,
    optuna_module,
    run_trials,
)
from zorki.engine.tuning.trial_process import Launch, launcher
from zorki.engine.tuning.trials import TriedRecipe, Tuning
from zorki.errors import RecipeError, WeightsError
from zorki.files import write_json, write_text
from zorki.input_files.json_files import read_json
from zorki.output import say
from zorki.recipe import Recipe
from zorki.settings import by_field
from zorki.task_settings import recipe_for, task_settings

STUDY, BEST_RECIPE = "study.json", "recipe.yaml"


def tune(
    model: str,
    data: str | Path,
    *,
    over: str,
    budget: int = 20,
    sampler: str = "tpe",
    storage: str | None = None,
    workers_at_once: int = 1,
    max_latency: float | None = None,
    on: str = "local",
    quiet: bool = False,
    launch: Launch | None = None,
    **settings: Any,
) -> Tuning:
    """Searches for a better recipe by trials, each an ordinary run that is scored on validation.

    Trial 0 is the default recipe. Where the folder `name` holds a study, it goes on until it has `budget` trials.

    Args:
        over: settings and ranges, such as "lr=log:1e-5:1e-1,weight_decay,mixup"; see `zorki.engine.tuning.space`.
        budget: trials in all, those that are pruned or fail included.
        sampler: tpe, random, cmaes, gp or qmc.
        storage: a URL that Optuna takes, to share a study between machines; None: a journal in the study's folder.
        workers_at_once: trials that run at the same time.
        max_latency: seconds for one image that the best recipe may take.
        on: local, or ray for the nodes of a cluster that share the folder.
        launch: starts a trial; None: as `on` says.
        settings: of every trial; `out` and `name` are of the study's folder.

    Raises:
        ZorkiError: as `zorki.train` of the default recipe; no validation split; or Optuna is missing.
    """
    tell: Callable[[str], None] = _silent if quiet else partial(say, flush=True)
    entry = registry.find(model)
    kind = entry.task.settings or Recipe
    given = by_field(settings, kind, *task_settings())
    wish = recipe_for(kind, entry.task.name, given)
    if budget < 2 or workers_at_once < 1:
        raise RecipeError(f"budget is {budget} with {workers_at_once} at once; expected at least 2 trials, 1 at once")
    if sampler not in SAMPLERS:
        raise RecipeError(f"sampler is {sampler!r}; expected one of {', '.join(SAMPLERS)}")
    optuna_module()
    values = wish.to_json()
    inner = {name: values[name] for name in given if name in values and name not in ("out", "name")}
    start = launch or launcher(on, wish.device)
    source = str(Path(data).resolve()) if Path(data).exists() else str(data)
    optimizer, default = _default(model, source, inner, tell)
    space = parse_space(over, kind, optimizer)
    registry.check_options(model, [name.removeprefix(OPTIONS) for name in space if name.startswith(OPTIONS)])
    if fixed := [name for name in space if name in inner]:
        raise RecipeError(f"{fixed[0]} is searched and set as well; say it in --over alone")
    about = {"model": model, "data": source, "over": over, "settings": _plain(inner), "max_latency": max_latency}
    folder, is_new = _folder(wish, model, about)
    try:
        study = open_study(wish.name or folder.name, storage, folder, sampler, wish.seed)
    except BaseException:
        if is_new:
            shutil.rmtree(folder)
        raise
    place = Workplace(
        folder, model, source, _plain(inner), space, {name: default.get(name) for name in space}, entry.task.monitor,
        start, partial(latency, device=wish.device), tell, max_latency,
    )  # fmt: skip
    tell(f"study: {folder}; {budget} trials over {', '.join(f'{name}={span}' for name, span in space.items())}")
    try:
        run_trials(study, place, budget, workers_at_once)
    finally:
        found = tuning_of(study, place)
        _write(found, place)
    tell(str(found))
    return found


def _default(model: str, data: str, settings: Mapping[str, Any], say: Callable[[str], None]) -> tuple[str | None, Any]:
    """The optimizer and all values of the default recipe, as a training would choose them. Raises as that."""
    with same_chance():
        plan = draft_plan(model, data, None, settings, None, _silent)
    if not plan.data_survey.splits.get("val"):
        raise RecipeError(f"{data}: trials are compared on validation, and the data have no such split")
    if plan.task.keeps_last:
        raise RecipeError(f"{plan.task.name} has no score on validation by which recipes could be compared")
    return plan.recipe.optimizer, plan.recipe.to_json()


def _folder(wish: Recipe, model: str, about: Mapping[str, Any]) -> tuple[Path, bool]:
    """A new folder, or that of a study that goes on; and which it is. Raises WeightsError where that is another one."""
    named = None if wish.name is None else Path(wish.out) / wish.name
    if named is None or not (named / STUDY).is_file():
        folder = new_folder(Path(wish.out), f"tune-{folder_name(model)}", wish.name)
        write_json(folder / STUDY, about)
        return folder, True
    then = read_json(named / STUDY)
    other = [key for key in about if not isinstance(then, dict) or then.get(key) != about[key]]
    if other:
        raise WeightsError(f"{named}: holds a study that differs in {', '.join(other)}; choose another --name")
    return named, False


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}


def tuning_of(study: Any, place: Workplace) -> Tuning:
    """What a study holds, in plain values."""
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
    trials = [
        TriedRecipe(
            number=trial.number,
            folder=place.folder / trial.user_attrs.get(FOLDER, ""),
            params=dict(trial.params),
            state=words[trial.state.name],
            value=trial.value if trial.state.name == "COMPLETE" else None,
            values=dict(trial.intermediate_values),
            latency=trial.user_attrs.get(LATENCY),
            feasible=place.max_latency is None or trial.user_attrs.get(LATENCY, 0.0) <= place.max_latency,
            reason=trial.user_attrs.get(REASON, ""),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name in words
    ]
    return Tuning(place.folder, place.model, place.monitor, place.space, trials, _importance(study, place.space))


def _importance(study: Any, space: Mapping[str, Range]) -> dict[str, float]:
    """By PED-ANOVA (Watanabe et al., 2023), which needs no other package; empty where trials are too few or equal."""
    import optuna

    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    there = [name for name in space if all(name in trial.params for trial in complete if trial.number)]
    trials = [trial for trial in complete if all(name in trial.params for name in there)]
    if len(there) < 2 or len(trials) < 8 or len({trial.value for trial in trials}) < 3:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=there)
    except (ValueError, RuntimeError):  # a study in which nothing varies
        return {}
    return dict(found)


def _write(found: Tuning, place: Workplace) -> None:
    best = found.best
    if best is not None:
        settings = dict(place.fixed) if best.number == 0 else settings_of(best.params, place.fixed)
        write_text(found.folder / BEST_RECIPE, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    write_tuning(found)


def _silent(text: str) -> None:
    """Says nothing."""

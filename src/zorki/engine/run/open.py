"""A run: a folder that holds all that was said, chosen, learned and measured, and can be asked again.

runs/lenet5-1/
  run.json          model, plugins, task, classes, preprocessing, recipe, choices, environment, how to repeat
  recipe.yaml       the recipe alone, to read and to edit
  best.safetensors  the weights that judged best on validation (the last, where nothing was validated)
  last.ckpt         what `--resume` needs
  steps.csv epochs.csv tensorboard/   the log
  results.json      metrics of the best weights on each split
  report.html
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from zorki import registry
from zorki.contracts import Model, Preprocess, Results, Task
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.errors import RecipeError, WeightsError, did_you_mean
from zorki.recipe import Recipe, without_measured_size
from zorki.settings import names
from zorki.task_settings import all_names
from zorki.types import ClassInfo

if TYPE_CHECKING:
    from zorki.engine.prediction.predict import RunSettings
    from zorki.engine.prediction.result import Result
    from zorki.engine.prediction.selection import Classes

ABOUT, BEST, RECIPE, RESULTS, REPORT = "run.json", "best.safetensors", "recipe.yaml", "results.json", "report.html"
IMAGE_SIZE = "image_size"
RECIPE_FIELDS_OF_BUILDERS = (IMAGE_SIZE, "dropout")


@dataclass
class Run:
    """A trained model with its folder; what `zorki.train` and `zorki.load` return.

    `about` is the content of run.json.
    """

    folder: Path
    model_name: str
    task: Task[Any, Any]
    info: ClassInfo
    recipe: Recipe
    about: dict[str, Any]
    model: Model[Any, Any, Any]

    @property
    def class_names(self) -> list[str]:
        """Names of the labels 0..num_classes-1."""
        return list(self.info.names)

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.folder / REPORT

    @property
    def results(self) -> dict[str, Any]:
        """Figures by split, as written after training; empty before."""
        return read_results(self.folder)

    def evaluate(
        self,
        data: Any = None,
        *,
        split: str | None = None,
        batch_size: int | None = None,
        device: str | None = None,
        workers: int | None = None,
        strict: bool = False,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        classes: Classes | None = None,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> Results:
        """Judges the run on a split of `data` (default: what it was trained on). See `zorki.evaluate`."""
        from zorki.engine.evaluation.evaluate import evaluate

        settings: dict[str, Any] = {
            "batch_size": batch_size, "device": device, "workers": workers, "strict": strict, "conf": conf, "iou": iou,
            "max_det": max_det, "classes": classes,
        }  # fmt: skip
        return evaluate([self], data, split=split, tile=tile, overlap=overlap, **settings)[-1]

    @overload
    def predict(self, *sources: Any, stream: Literal[True], **settings: Unpack[RunSettings]) -> Iterator[Result]: ...

    @overload
    def predict(
        self, *sources: Any, stream: Literal[False] = False, **settings: Unpack[RunSettings]
    ) -> list[Result]: ...

    def predict(
        self,
        *sources: Any,
        stream: bool = False,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        classes: str | int | Sequence[str | int] | None = None,
        out: str | Path | bool | None = None,
        batch_size: int | None = None,
        device: str | None = None,
        strict: bool | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        max_frames: int | None = None,
        bgr: bool = False,
        quiet: bool = False,
    ) -> list[Result] | Iterator[Result]:
        """A `Result` for each image and frame, in the order of the sources, or of lists of them. See `zorki.predict`.

        Raises:
            ZorkiError: as `zorki.predict`.
        """
        from zorki.engine.prediction.predict import predict

        settings: RunSettings = {
            "conf": conf, "iou": iou, "max_det": max_det, "classes": classes, "out": out, "batch_size": batch_size,
            "device": device, "strict": strict, "tile": tile, "overlap": overlap, "max_frames": max_frames, "bgr": bgr,
            "quiet": quiet,
        }  # fmt: skip
        if stream:
            return predict([self], list(sources), stream=True, **settings)
        return predict([self], list(sources), **settings)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (Path(folder) / ABOUT).is_file()


def build(name: str, num_classes: int, recipe: Recipe) -> Model[Any, Any, Any]:
    """The named model with what the recipe says of its builder's arguments.

    Raises:
        RecipeError: no such model, no such argument, or a value that the builder refuses.
    """
    return registry.build(name, num_classes, builder_options(recipe))


def builder_options(recipe: Recipe) -> dict[str, Any]:
    """The fields of the recipe that builders take, and the recipe's `options`."""
    fields = {name: getattr(recipe, name) for name in RECIPE_FIELDS_OF_BUILDERS if getattr(recipe, name) is not None}
    return {**registry.canonical_options(recipe.options), **fields}


def build_trained(
    name: str,
    num_classes: int,
    recipe: Recipe,
    saved: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None = None,
) -> Model[Any, Any, Any]:
    """The named model as it was trained, with the preprocessing that was saved beside its weights.

    Args:
        saved: what the preprocessing's `to_json` gave; None for weights that come without: then the builder's own.
        options: arguments of the builder in the place of those that it was trained with. What of the preprocessing
            hangs on them changes with them, and nothing else.

    Raises:
        RecipeError: no such model, no such argument, or a value that the builder refuses.
    """
    given, changes = builder_options(recipe), registry.canonical_options(options or {})
    if saved is None:
        return registry.build(name, num_classes, {**given, **changes})
    preprocess = preprocess_from_json(dict(saved))
    model = registry.build(name, num_classes, given)
    if registry.find(name).takes(IMAGE_SIZE) and IMAGE_SIZE not in given and model.preprocess.size != preprocess.size:
        # The builder's own size was another one then, and parts of networks (priors, embeddings) hang on it.
        given[IMAGE_SIZE] = preprocess.size
        model = registry.build(name, num_classes, given)
    if changes:
        plain = model.preprocess
        model = registry.build(name, num_classes, {**given, **changes})
        preprocess = _changed(preprocess, plain, model.preprocess)
    model.restore_preprocess(preprocess)
    return model


def _changed(saved: Preprocess, before: Preprocess, after: Preprocess) -> Preprocess:
    """The saved preprocessing with what differs between two others."""
    if type(before) is not type(after):
        return after
    old, new = before.to_json(), after.to_json()
    return preprocess_from_json({**saved.to_json(), **{key: new[key] for key in new if old.get(key) != new[key]}})


def load(folder: str | Path, options: Mapping[str, Any] | None = None) -> Run:
    """The run in a folder, with its best weights.

    Args:
        options: arguments of the model's builder in the place of those that it was trained with, such as a larger
            `image_size`; of networks whose weights fit all the same.

    Raises:
        WeightsError: the folder is no run's, its weights are missing, or do not fit.
        RecipeError: the model has no such option, or not with that value.
    """
    from zorki.weights import load_into, read_weights

    folder = Path(folder)
    about = read_about(folder)
    recipe = recipe_of(about)
    task = registry.task(about["task"])
    if task is None:
        raise WeightsError(f"{folder / ABOUT}: task {about['task']!r} is not known to this version of zorki")
    model = build_trained(about["model"], len(about["class_names"]), recipe, about.get("preprocess"), options)
    best = folder / BEST
    if not best.exists():
        raise WeightsError(
            f"{best}: not there yet; the first epoch writes it. Go on with: zorki train --resume {folder}"
        )
    match = load_into(model, read_weights(best))
    if match.mismatched or match.new:
        told = f" with {', '.join(f'{name} {value}' for name, value in options.items())}" if options else ""
        raise WeightsError(f"{best}: does not fit {about['model']}{told}:\n{match.summary()}")
    info = class_info_of(about, task, folder)
    recipe = _with_options(recipe, options or {})
    return Run(folder, about["model"], task, info, recipe, about, model.eval())


def class_info_of(about: Mapping[str, Any], task: Task[Any, Any], folder: Path) -> ClassInfo:
    """What a run knows of its classes, from its run.json; of runs of older versions also from their results."""
    names = {"names": about["class_names"]}
    if "class_info" in about:
        return task.data.complete(ClassInfo.from_json({**about["class_info"], **names}))
    facts = dict(about.get("data_facts", {}))
    if len(facts.get("category_ids", names["names"])) != len(names["names"]):
        del facts["category_ids"]
    info = task.data.complete(ClassInfo.from_json({**facts, **names}))
    results = read_results(folder)
    for split in ("val", *results):
        learned = task.evaluation.learn(info, results.get(split, {}).get("metrics", {}), split)
        if learned != info:
            return learned
    return info


def read_results(folder: Path) -> dict[str, Any]:
    """Results by split, as written after training; empty before.

    Metrics stand under "metrics", also those of older versions, which wrote "figures" and some keys otherwise.
    """
    path = Path(folder) / RESULTS
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {split: {"metrics": result.pop("figures", {}), **result} for split, result in found.items()}


def class_info_json(info: ClassInfo) -> dict[str, Any]:
    """What run.json holds of the classes beside their names."""
    return {name: value for name, value in info.to_json().items() if name != "names"}


def _with_options(recipe: Recipe, options: Mapping[str, Any]) -> Recipe:
    """The recipe with other arguments of the builder, those that are fields of the recipe among them."""
    options = registry.canonical_options(options)
    fields: dict[str, Any] = {name: None for name in RECIPE_FIELDS_OF_BUILDERS if name in options}
    return dataclasses.replace(recipe, options={**registry.canonical_options(recipe.options), **options}, **fields)


def recipe_of(about: Mapping[str, Any]) -> Recipe:
    """The recipe of a run; fields that this version does not know are left out.

    So is a size that nobody said: earlier versions wrote there what the first training image measured.
    """
    values = without_measured_size(about["recipe"], about.get("said", {IMAGE_SIZE}))
    task = registry.task(about["task"])
    kind: type[Recipe] = (task.settings if task is not None else None) or Recipe
    return kind.of({name: value for name, value in values.items() if name in names(kind)})


def read_about(folder: Path) -> dict[str, Any]:
    """The content of run.json. Raises WeightsError where the folder is no run's."""
    path = Path(folder) / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = _near_runs(Path(folder))
        raise WeightsError(f"{folder}: expected a run's folder (with {ABOUT}), found none.{near}") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read: {error}") from error
    missing = {"model", "task", "class_names", "recipe"} - set(about)
    if missing:
        raise WeightsError(f"{path}: lacks {sorted(missing)}; was it edited? Restore it, or train again")
    _check_plugins(path, about)
    return _with_todays_names(about)


def _check_plugins(path: Path, about: Mapping[str, Any]) -> None:
    """A run names the plugins of its model, but their code runs only where the user asks for it."""
    absent = [plugin for plugin in about.get("plugins", []) if plugin not in registry.plugins()]
    if not absent:
        return
    try:
        registry.find(about["model"])
    except RecipeError:
        flags = " ".join(f"--plugin {plugin}" for plugin in absent)
        raise WeightsError(
            f"{path}: {about['model']} comes from a plugin, whose code is run only when you ask for it: "
            f"{flags} (in Python zorki.load_plugin)"
        ) from None


def _with_todays_names(about: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names that they have in this version, in runs that older ones wrote."""
    known = all_names()
    about["recipe"] = {known.get(name, name): value for name, value in about["recipe"].items()}
    if "said" in about:
        about["said"] = {known.get(name, name): value for name, value in about["said"].items()}
    if "choices" in about:
        about["choices"] = [{**one, "name": known.get(one["name"], one["name"])} for one in about["choices"]]
    return about


def _near_runs(folder: Path) -> str:
    parent = folder.parent
    names = [child.name for child in parent.iterdir() if is_run(child)] if parent.is_dir() else []
    return did_you_mean(folder.name, names)


def folder_name(model_name: str) -> str:
    """The model's name as every file system takes it: `timm:x` becomes `timm-x`."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in model_name)


def new_folder(out: Path, model_name: str, name: str | None) -> Path:
    """A run's folder that did not exist before: `name`, or MODEL-1, MODEL-2, ...

    Raises:
        WeightsError: `name` is taken.
    """
    from zorki.errors import ZorkiError

    safe = folder_name(model_name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if name is not None:
            try:
                (out / name).mkdir()
            except FileExistsError:
                raise WeightsError(
                    f"{out / name}: is there already; choose another --name, or: zorki train --resume {out / name}"
                ) from None
            return out / name
        number = 1
        while True:
            try:
                (out / f"{safe}-{number}").mkdir()
                return out / f"{safe}-{number}"
            except FileExistsError:
                number += 1
    except OSError as error:
        raise ZorkiError(f"{out}: no run can be written there: {error.strerror}") from error


def result_json(results: Results) -> dict[str, Any]:
    """Results in plain JSON, without the images."""
    return {
        "split": results.split,
        "count": results.count,
        "metrics": results.metrics.to_json(),
        "losses": results.losses,
        "baseline": results.baseline,
        "defects": [str(defect) for defect in results.defects],
    }

"""The model card of a run: README.md in the form of Hugging Face's, a YAML head and sections for people.

Every sentence is made of what run.json and results.json hold. What a person wrote stays: see `kept_text`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zorki import registry
from zorki.contracts import Task
from zorki.contracts.metric import text_of
from zorki.engine.publishing.kept_text import own_sections, page_of, refreshed
from zorki.engine.publishing.public_facts import public_about, repeat_command
from zorki.engine.publishing.weights_source import weights_source
from zorki.engine.run.folder import class_info_of, read_about, read_results
from zorki.errors import DataError, WeightsError
from zorki.files import write_text
from zorki.hub import CARD, FENCE, card_head
from zorki.input_files.content import read_text
from zorki.types import ClassInfo

MAX_NAMES = 100  # class names that are listed
FEW = 20  # objects or images of a class below which its score says little
_ALWAYS_ANEW = "model-index"  # of the head: the one entry whose values change as training goes on
# Settings that are told in short, where they have a value; all are in recipe.yaml.
_SETTINGS = (
    "weights", "freeze", "epochs", "batch_size", "optimizer", "lr", "weight_decay", "scheduler", "precision", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class CardFacts:
    """What a card is made of.

    Attributes:
        about: the content of run.json, without private paths.
        results: metrics by split, as in results.json.
        start: source and license of the weights that training began with; None: from nothing.
        address: how the run is named to `zorki predict`: a folder, or hf://owner/name.
        license: of these weights, as far as somebody said so.
    """

    name: str
    about: Mapping[str, Any]
    results: Mapping[str, Any]
    task: Task[Any, Any]
    info: ClassInfo
    start: Mapping[str, Any] | None
    address: str
    license: str | None


def write_card(folder: Path, *, address: str | None = None, license: str | None = None) -> str | None:
    """Writes the card into a run's folder, or refreshes the one that is there.

    Args:
        address: where the run can be had, such as hf://owner/name; None: in its folder.
        license: of the weights, an identifier such as apache-2.0; None: that of the weights that training began with.

    Returns:
        What was kept as a person wrote it, in a sentence; None: nothing.

    Raises:
        WeightsError: the folder is no run's.
        ZorkiError: the card cannot be written.
    """
    facts = card_facts(folder, address=address, license=license)
    path = Path(folder) / CARD
    if not path.exists():
        write_text(path, FENCE + _dumped(head(facts)) + FENCE + "\n" + page_of(sections(facts)))
        return None
    try:
        text = _merged(read_text(path), facts, str(path), said=license is not None)
    except (DataError, OSError, UnicodeDecodeError) as error:
        return f"{path}: kept as it is: {error}"
    write_text(path, text)
    theirs = [name for name in sections(facts) if name not in own_sections(text)]
    return f"{path}: kept as somebody wrote them: {', '.join(theirs)}" if theirs else None


def card_facts(folder: Path, *, address: str | None = None, license: str | None = None) -> CardFacts:
    """What the card of a run tells. Raises WeightsError where the folder is no run's, or its files are broken."""
    folder = Path(folder)
    about = read_about(folder)
    task = registry.task(about["task"])
    if task is None:
        raise WeightsError(f"{folder}: task {about['task']!r} is not known to this zorki; install a newer one")
    start = weights_source(about["model"], about["recipe"].get("weights"))
    return CardFacts(
        name=folder.name,
        about=public_about(about),
        results=read_results(folder),
        task=task,
        info=class_info_of(about, task, folder),
        start=start,
        address=address or f"{folder.resolve().parent.name}/{folder.name}",
        license=license or (start or {}).get("license"),
    )


def head(facts: CardFacts) -> dict[str, Any]:
    """The head, by the names of Hugging Face's model cards; what is not known is left out."""
    data, tag = facts.about.get("data"), facts.task.pipeline_tag
    values = {
        "library_name": "zorki",
        "license": facts.license,
        "pipeline_tag": tag,
        "tags": list(dict.fromkeys(["zorki", facts.task.name.replace("_", "-"), facts.about["model"]])),
        "datasets": [data] if data else None,
        "metrics": list(_headline(facts)) if facts.results else None,
        _ALWAYS_ANEW: _model_index(facts),
    }
    return {name: value for name, value in values.items() if value}


def sections(facts: CardFacts) -> dict[str, str]:
    """The sections of the body, in Markdown, by their names."""
    return {
        "title": _title(facts),
        "classes": _classes(facts),
        "use": _use(facts),
        "results": _results(facts),
        "data": _data(facts),
        "training": _training(facts),
        "preprocessing": _preprocessing(facts),
        "limits": _limits(facts),
    }


def _headline(facts: CardFacts) -> list[str]:
    names = dict.fromkeys((facts.task.monitor, *facts.task.evaluation.headline))
    return [name for name in names if any(name in _scores(result) for result in facts.results.values())]


def _scores(result: Mapping[str, Any]) -> dict[str, int | float]:
    numbers = result["metrics"].items()
    return {name: value for name, value in numbers if isinstance(value, int | float) and not isinstance(value, bool)}


def _model_index(facts: CardFacts) -> list[dict[str, Any]] | None:
    """The scores that runs are compared by, for the hub's own tables."""
    data = facts.about.get("data") or "data"
    found = [
        {
            "task": {"type": facts.task.pipeline_tag or facts.task.name.replace("_", "-"), "name": facts.task.name},
            "dataset": {"type": data, "name": data, "split": split},
            "metrics": [
                {"type": name, "value": round(_scores(result)[name], 6), "name": name}
                for name in _headline(facts)
                if name in _scores(result)
            ],
        }
        for split, result in facts.results.items()
    ]
    found = [one for one in found if one["metrics"]]
    return [{"name": facts.name, "results": found}] if found else None


def _title(facts: CardFacts) -> str:
    about = facts.about
    version = about.get("environment", {}).get("versions", {}).get("zorki")
    of_version = f" {version}" if version else ""
    trained = f" on {about['train_count']:,} {facts.task.unit}s of {about['data']}" if about.get("data") else ""
    return (
        f"# {facts.name}\n\n`{about['model']}` for {facts.task.name.replace('_', ' ')}: {facts.task.summary}\n\n"
        f"Trained with zorki{of_version}{trained}; {about['parameters']:,} parameters."
    )


def _classes(facts: CardFacts) -> str:
    names = list(facts.info.names)
    lines = [f"## Classes\n\n{len(names)}: {', '.join(names[:MAX_NAMES])}"]
    if len(names) > MAX_NAMES:
        lines[0] += f" and {len(names) - MAX_NAMES} more, which run.json lists"
    if facts.info.skeleton is not None:
        lines.append(f"Joints: {', '.join(facts.info.skeleton.names)}")
    if facts.info.score_threshold is not None:
        split = f", the best on {facts.info.threshold_split}" if facts.info.threshold_split else ""
        lines.append(f"Predictions are shown from a score of {facts.info.score_threshold:.3f} on{split}.")
    return "\n\n".join(lines)


def _use(facts: CardFacts) -> str:
    run, plugins = shlex.quote(facts.address), facts.about.get("plugins", [])
    flags = "".join(f" --plugin {shlex.quote(one)}" for one in plugins)
    source = "FILMS" if facts.task.unit == "clip" else "IMAGES"
    predict = f"zorki predict {run} {source} --out predictions{flags}"
    lines = ("import zorki", "", f'run = zorki.load("{facts.address}")', f'for result in run.predict("{source}"):')
    python = "\n".join([*lines, "    print(result)"])
    if facts.task.unit == "video":  # followed from a box in the first frame
        predict, python = f"zorki track {run} FILM --box X0,Y0,X1,Y1{flags}", ""
    commands = ["pip install zorki", predict, f"zorki export {run} --out model.onnx{flags}"]
    parts = ["## How to use it", _fenced("\n".join(commands)), *([_fenced(python, "python")] if python else [])]
    if plugins:
        parts.append(f"The network comes from a plugin, whose file has to be at hand: {', '.join(plugins)}.")
    return "\n\n".join(parts)


def _results(facts: CardFacts) -> str:
    if not facts.results:
        return "## Results\n\nNothing was evaluated: no number tells how well it predicts."
    columns: dict[str, Mapping[str, Any]] = {}
    for split, result in facts.results.items():
        columns[split] = _scores(result)
        if result.get("baseline"):
            columns[f"{split}, baseline"] = result["baseline"]
    names = dict.fromkeys([*_headline(facts), *(name for one in columns.values() for name in one)])
    rows = [[name, *(_number(column.get(name)) for column in columns.values())] for name in names]
    commands = [f"zorki evaluate {shlex.quote(facts.address)} DATA --split {split}" for split in facts.results]
    baseline = ""
    if any("baseline" in name for name in columns):
        baseline = f"\n\nThe baseline predicts without looking at the {facts.task.unit}."
    return f"## Results\n\n{_table(['', *columns], rows)}{baseline}\n\n" + _fenced("\n".join(commands))


def _data(facts: CardFacts) -> str:
    about = facts.about
    rows = [[split, f"{count:,}"] for split, count in about.get("counts", {}).items()]
    told = [f"## Training data\n\n{about.get('data') or 'A dataset'}, read as {about.get('format', 'its files')}."]
    if rows:
        told.append(_table(["split", f"{facts.task.unit}s"], rows))
    if about["train_count"] and about["train_count"] != about.get("counts", {}).get("train"):
        told.append(f"Trained on {about['train_count']:,} of those in train.")
    return "\n\n".join(told)


def _training(facts: CardFacts) -> str:
    recipe, why = facts.about["recipe"], {one["name"]: one.get("why") for one in facts.about.get("choices", [])}
    values = {name: recipe.get(name) for name in _SETTINGS}
    values |= {name: value for name, value in facts.about.get("explicit", {}).items() if name not in ("out", "name")}
    rows = [[name, _plain(value), why.get(name) or ""] for name, value in values.items() if value not in (None, {}, [])]
    start = "Trained from nothing."
    if facts.start is not None:
        license = facts.start.get("license")
        start = f"Training began with the weights {facts.start['source']}, " + (
            f"whose license is {license}." if license else "whose license is not known here."
        )
    command = repeat_command(facts.about)
    table = _table(["setting", "value", "chosen because"], rows)
    return f"## Training\n\n{start} All settings are in recipe.yaml.\n\n{table}\n\n{_fenced(command)}"


def _preprocessing(facts: CardFacts) -> str:
    values = facts.about.get("preprocess") or {}
    rows = [[name, _plain(value)] for name, value in values.items()]
    told = "## Preprocessing\n\nIs part of the run, and `zorki` applies it: images go in as they are."
    return f"{told}\n\n{_table(['', 'value'], rows)}" if rows else told


def _limits(facts: CardFacts) -> str:
    """What the facts say against it, in sentences."""
    unit, results = facts.task.unit, facts.results
    data = facts.about.get("data") or "the training data"
    told = []
    if len(facts.info.names) > 1:
        told.append(f"It was trained on the {len(facts.info.names)} classes above, and on no other.")
    if results:
        splits = " and ".join(results)
        told.append(
            f"The numbers are of {splits} of {data}, {unit}s of the same kind as those that it was trained on. How it "
            f"predicts on {unit}s from elsewhere was not measured: `zorki evaluate` tells, on some of yours with "
            "ground truth."
        )
    else:
        told.append(f"How well it predicts was not measured, neither on {data} nor elsewhere.")
    if results and "test" not in results:
        told.append("The weights were chosen by the numbers on val, which flatter it; nothing else was held out.")
    for split, result in results.items():
        whole = result.get("split_count", result.get("count"))
        if whole and result.get("count") and whole != result["count"]:
            told.append(f"Of {split}, {result['count']:,} of {whole:,} {unit}s were evaluated.")
        if rare := _rare(result):
            told.append(f"Fewer than {FEW} examples in {split}, so that their scores tell little: {', '.join(rare)}.")
        if beaten := _not_better(facts, result):
            told.append(f"On {split} its {beaten} is not above that of the baseline.")
    told.append("It was not examined for uses in which wrong predictions do harm, nor for fairness between groups.")
    return "## Intended use and limits\n\n" + "\n".join(f"- {one}" for one in told)


def _rare(result: Mapping[str, Any]) -> list[str]:
    """Classes of few examples, with their number; ten of them at most."""
    rows = [row for row in result["metrics"].get("per_class", []) if isinstance(row, dict)]
    few = [f"{row.get('class_name')} ({row['count']})" for row in rows if 0 <= row.get("count", FEW) < FEW]
    return [*few[:10], f"and {len(few) - 10} more"] if len(few) > 10 else few


def _not_better(facts: CardFacts, result: Mapping[str, Any]) -> str | None:
    """The monitor, where the baseline's is as high."""
    monitor = facts.task.monitor
    own, other = _scores(result).get(monitor), (result.get("baseline") or {}).get(monitor)
    return monitor if own is not None and other is not None and own <= other else None


def _merged(text: str, facts: CardFacts, source: str, *, said: bool) -> str:
    """The page with what is ours written anew; of the head, values that are there stay.

    Raises:
        DataError: the head is no YAML.
    """
    values, body = card_head(text, source)
    if values is None:
        return refreshed(text, sections(facts))
    own = head(facts)
    anew = {name: value for name, value in own.items() if name not in values or (said and name == "license")}
    index = {_ALWAYS_ANEW: _joined_index(values.get(_ALWAYS_ANEW), own.get(_ALWAYS_ANEW), facts.name)}
    merged = {**values, **anew, **{name: value for name, value in index.items() if value}}
    if merged == values:
        return text[: len(text) - len(body)] + refreshed(body, sections(facts))
    return FENCE + _dumped(merged) + FENCE + refreshed(body, sections(facts))


def _joined_index(theirs: Any, own: list[dict[str, Any]] | None, name: str) -> Any:
    """Entries of other models as they are, and ours anew."""
    if not isinstance(theirs, list):
        return own if theirs is None else theirs
    return [*(own or []), *(one for one in theirs if not (isinstance(one, dict) and one.get("name") == name))]


def _dumped(values: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=110))


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(one) for one in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _number(value: Any) -> str:
    return text_of(value) if isinstance(value, int | float) else "-"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"

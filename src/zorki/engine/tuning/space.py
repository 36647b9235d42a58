"""What `zorki tune --over` says: which settings are searched, and in which range.

lr=log:1e-5:1e-1      a number, by factors
hflip=0:0.5           a number, evenly; whole where the setting is a count
optimizer=sgd|adamw   one of these
weight_decay          a range that suits the setting
options.dropout=0:0.5 an argument of the model's builder, with its range
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from zorki.errors import RecipeError, suggestion
from zorki.recipe import Recipe
from zorki.settings import checked, describe, names, near

OPTIONS = "options."
# Ranges of settings whose own bounds are wider than anybody searches. MixUp: Zhang et al., 2018, alpha up to 0.4 on
# ImageNet; learning rates and weight decays from well below to well above what networks here train with.
USUAL: dict[str, str] = {
    "lr": "log:1e-4:1", "weight_decay": "log:1e-6:1e-1", "mixup": "0:0.4", "cutmix": "0:1", "dropout": "0:0.6",
    "momentum": "0.8:0.99", "label_smoothing": "0:0.2", "rotate": "0:30", "random_crop": "0.2:1", "ema": "0.99:0.9999",
    "batch_size": "16:256", "backbone_lr_scale": "log:0.01:1", "noise": "0:20", "blur": "0:2",
    "clip_grad": "log:0.1:10",
    "warmup_epochs": "0:5", "scale_jitter": "0:0.5", "translate": "0:0.2", "cutout": "0:0.5",
}  # fmt: skip
ADAPTIVE_LR = "log:1e-5:1e-1"  # of adam, adamw and rmsprop, whose steps do not shrink with the gradient
NOT_SEARCHED = ("seed", "name", "out", "device", "devices", "nodes", "workers", "threads", "time", "evaluate_test")


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`, by factors where `log`, whole where `whole`."""

    low: float
    high: float
    log: bool
    whole: bool

    def holds(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{'log:' if self.log else ''}{self.low:g}:{self.high:g}"


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return "|".join(str(value) for value in self.values)


Range = Numbers | Choices
Space = Mapping[str, Range]


def parse_space(text: str, kind: type[Recipe], optimizer: str | None = None) -> dict[str, Range]:
    """The ranges by the names of settings.

    Args:
        text: as `--over` has it, with commas between settings.
        kind: of the task's recipe.
        optimizer: that is trained with, on which the usual range of learning rates hangs.

    Raises:
        RecipeError: a setting or a range is none, or a setting has no usual range.
    """
    found: dict[str, Range] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, given = part.partition("=")
        own = _own_name(name, kind)
        if own in found:
            raise RecipeError(f"{own} is searched twice in --over {text}; say it once")
        if own.startswith(OPTIONS):
            found[own] = _range_of_option(own, given)
        else:
            found[own] = _range(own, given if equals else _usual(own, kind, optimizer), kind)
    if not found:
        raise RecipeError("nothing to search; expected settings such as --over lr=log:1e-5:1e-1,weight_decay,mixup")
    return found


def _own_name(name: str, kind: type[Recipe]) -> str:
    if name.startswith(OPTIONS):
        return name
    own = names(kind).get(name.replace("-", "_"))
    if own is None:
        raise RecipeError(f"there is no setting {name!r} to search.{suggestion(near(name, names(kind)))}")
    if own in NOT_SEARCHED:
        raise RecipeError(f"{own} is no part of a recipe, so it is not searched; leave it out of --over")
    return own


def _usual(name: str, kind: type[Recipe], optimizer: str | None) -> str:
    if name == "lr" and optimizer in ("adam", "adamw", "rmsprop"):
        return ADAPTIVE_LR
    if name in USUAL:
        return USUAL[name]
    if values := _literals(kind, name):
        return "|".join(map(str, values))
    if bool in _parts(kind, name):
        return "true|false"
    facts = describe(kind, name)
    if facts["least"] is not None and facts["most"] is not None and facts["most"] <= 1:
        return f"{facts['least']}:{facts['most']}"
    raise RecipeError(f"{name} has no usual range; say one, such as {name}=LOW:HIGH, {name}=log:LOW:HIGH or {name}=A|B")


def _range(name: str, text: str, kind: type[Recipe]) -> Range:
    """Checked against what the setting takes: its bounds, its kind, its words."""
    if "|" in text or ":" not in text:
        values = [_value(word) for word in text.split("|")]
        return _choices(name, [checked(kind, {name: value})[name] for value in values], text)
    low, high, log = _numbers(name, text)
    for end in (low, high):
        checked(kind, {name: end})
    parts = _parts(kind, name)
    return Numbers(low, high, log, int in parts and float not in parts)


def _range_of_option(name: str, text: str) -> Range:
    if not text:
        raise RecipeError(f"{name} is an argument of the model; say its range, such as {name}=0:0.5 or {name}=A|B")
    if "|" in text or ":" not in text:
        return _choices(name, [_value(word) for word in text.split("|")], text)
    low, high, log = _numbers(name, text)
    return Numbers(low, high, log, whole=all("." not in end and "e" not in end for end in text.split(":")[-2:]))


def _choices(name: str, values: list[Any], text: str) -> Choices:
    if len(set(values)) < 2:
        raise RecipeError(f"{name}={text}: expected two values or more, such as A|B, or a range LOW:HIGH")
    return Choices(tuple(values))


def _numbers(name: str, text: str) -> tuple[float, float, bool]:
    words = text.split(":")
    log = words[0] == "log"
    try:
        low, high = (float(word) for word in words[log:])
        if not low < high or (log and low <= 0) or high == float("inf"):
            raise ValueError
    except ValueError:
        raise RecipeError(
            f"{name}={text}: expected LOW:HIGH with LOW below HIGH, or log:LOW:HIGH with LOW above 0"
        ) from None
    return low, high, log


def _value(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            pass
    return word


def _parts(kind: type[Recipe], name: str) -> tuple[Any, ...]:
    hint = get_type_hints(kind)[name]
    return get_args(hint) or (hint,)


def _literals(kind: type[Recipe], name: str) -> tuple[Any, ...]:
    hint = get_type_hints(kind)[name]
    return next((get_args(part) for part in (hint, *get_args(hint)) if get_origin(part) is Literal), ())


def settings_of(params: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a trial: those that are fixed, and what was drawn."""
    own = {name: value for name, value in params.items() if not name.startswith(OPTIONS)}
    options = {name.removeprefix(OPTIONS): str(value) for name, value in params.items() if name.startswith(OPTIONS)}
    both = {**dict(fixed.get("options", {})), **options}
    return {**fixed, **own, **({"options": both} if both else {})}

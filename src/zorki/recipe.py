"""The settings of one run: one frozen dataclass whose fields are the command line's flags and Python's arguments.

A field that is None was not said: a choice is made for it, printed, and written into the run's folder. What was said
is never overridden.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from zorki.class_selection import ClassSelection
from zorki.data import formats
from zorki.errors import RecipeError, did_you_mean

Optimizer = Literal["sgd", "adam", "adamw", "rmsprop"]
Schedule = Literal["constant", "steps", "cosine", "one-cycle", "plateau"]
Normalization = Literal["mean_std", "mean", "mean_image", "weights"]
Precision = Literal["32", "bf16", "16"]
Device = Literal["cpu", "cuda", "mps"]
TrainOn = Literal["train", "trainval"]


def _setting(
    default: Any,
    group: str,
    help: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
) -> Any:
    metadata = {"group": group, "help": help, "unit": unit, "least": least, "most": most}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run can be told. See `describe` for the help, unit and range of each field."""

    # Data
    format: str | None = _setting(
        None,
        "Data",
        f"Format of the data; empty: detected ({formats.choices()}).",
    )
    size: int | None = _setting(
        None, "Data", "Side of the network's input; empty: the model's own.", unit="pixels", least=1
    )
    strict: bool = _setting(False, "Data", "Stop at the first broken image instead of leaving it out.")
    max_pixels: int | None = _setting(None, "Data", "Refuse larger images; empty: 178 million.", unit="pixels", least=1)
    balanced: bool = _setting(False, "Data", "Draw rare classes as often as common ones.")
    limit: int | None = _setting(None, "Data", "Train on so many images only, drawn at random, to try things.", least=1)
    train_on: TrainOn = _setting(
        "train",
        "Data",
        "Images to learn from: train, or trainval, which adds those of val; the last epoch is kept then.",
    )
    workers: int | None = _setting(
        None, "Data", "Processes that read and vary images; 0 reads in the main one.", least=0
    )
    class_map: str | None = _setting(
        None, "Data", "Rename, merge or leave out classes: OLD=NEW,OLD=NEW,...; - in place of NEW leaves one out."
    )
    only_classes: str | None = _setting(None, "Data", "Read these classes only, by their new names: A,B,...")

    # Weights
    weights: str | None = _setting(
        None, "Weights", "Start from these: a word such as imagenet (downloads), a file, or a run's folder."
    )
    freeze: str = _setting(
        "nothing", "Weights", "What does not learn: nothing, backbone, or all but the last N stages, written -N."
    )
    backbone_rate: float = _setting(
        1.0, "Weights", "The backbone's learning rate as a share of the head's.", unit="share", least=0, most=1
    )
    options: Mapping[str, str] = _setting(
        {}, "Weights", "Arguments of the model's builder, as --options.NAME VALUE; `zorki info MODEL` lists them."
    )

    # Training
    epochs: int | None = _setting(None, "Training", "Times through the training images.", unit="epochs", least=1)
    batch_size: int | None = _setting(None, "Training", "Images a step, over all devices.", unit="images", least=1)
    optimizer: Optimizer | None = _setting(None, "Training", "Rule that turns gradients into steps.")
    rate: float | None = _setting(None, "Training", "Largest learning rate.", unit="per step", least=0)
    momentum: float = _setting(0.9, "Training", "Momentum of sgd and rmsprop.", least=0, most=1)
    nesterov: bool = _setting(True, "Training", "Nesterov's look-ahead, for sgd.")
    weight_decay: float | None = _setting(
        None,
        "Training",
        "Pull of weights to zero; norms and biases are spared.",
        unit="per step, times the rate",
        least=0,
    )
    schedule: Schedule = _setting("one-cycle", "Training", "How the learning rate goes over training.")
    warmup: float | None = _setting(
        None,
        "Training",
        "Start at a tiny rate and rise over so many epochs (one-cycle rises by itself).",
        unit="epochs",
        least=0,
    )
    step_at: tuple[float, ...] = _setting(
        (0.5, 0.75),
        "Training",
        "Where the schedule `steps` divides the rate by ten.",
        unit="share of training",
        least=0,
        most=1,
    )
    clip: float | None = _setting(None, "Training", "Longest gradient; longer ones are cut, 0 cuts none.", least=0)
    accumulate: int = _setting(
        1, "Training", "Batches whose gradients are joined into one step.", unit="batches", least=1
    )
    average: float | None = _setting(
        None,
        "Training",
        "Judge and keep a moving average of the weights with this decay (EMA), such as 0.999.",
        least=0,
        most=1,
    )
    patience: int | None = _setting(
        None, "Training", "Stop after so many epochs without a better validation figure.", unit="epochs", least=1
    )
    seed: int = _setting(0, "Training", "Number from which all chance follows.", least=0, most=2**32 - 1)

    # Loss
    dropout: float | None = _setting(
        None, "Loss", "Share of activations dropped; empty: the model's own.", least=0, most=1
    )
    label_smoothing: float = _setting(
        0.0, "Loss", "Share of the truth spread over all classes.", unit="share", least=0, most=1
    )
    class_weights: bool = _setting(False, "Loss", "Weigh classes by the inverse of their count.")
    loss: str | None = _setting(
        None,
        "Loss",
        "What segmentation loses at pixels: words of ce, dice, focal, lovasz and tversky, such as ce,dice or "
        "ce:1,dice:0.5; empty: the model's own.",
    )
    border_weight: float = _setting(
        0.0, "Loss", "Gaps between objects count up to so much more (segmentation; U-Net's is 10).", least=0
    )

    # Augmentation
    normalize: Normalization | None = _setting(
        None,
        "Augmentation",
        "Statistics taken off the pixels: of the training images, or those that came with the weights.",
    )
    flip: float | None = _setting(None, "Augmentation", "Mirror left and right with this probability.", least=0, most=1)
    flip_vertical: float = _setting(
        0.0, "Augmentation", "Mirror top and bottom with this probability.", least=0, most=1
    )
    rotate: float = _setting(
        0.0, "Augmentation", "Turn by up to so much either way.", unit="degrees", least=0, most=180
    )
    crop: float | None = _setting(
        None,
        "Augmentation",
        "Take a random part of at least this area; 1 takes all, empty chooses.",
        unit="share of area",
        least=0.01,
        most=1,
    )
    rescale: float = _setting(
        0.0, "Augmentation", "Enlarge or shrink by up to this share.", unit="share", least=0, most=0.9
    )
    shift: float | None = _setting(
        None,
        "Augmentation",
        "Move by up to this share of the size, whole pixels.",
        unit="share of size",
        least=0,
        most=1,
    )
    brightness: float = _setting(
        0.0, "Augmentation", "Vary brightness by up to this share.", unit="share", least=0, most=1
    )
    contrast: float = _setting(0.0, "Augmentation", "Vary contrast by up to this share.", unit="share", least=0, most=1)
    saturation: float = _setting(
        0.0, "Augmentation", "Vary saturation by up to this share.", unit="share", least=0, most=1
    )
    hue: float = _setting(
        0.0, "Augmentation", "Turn hues by up to this share of the circle.", unit="share", least=0, most=0.5
    )
    noise: float = _setting(0.0, "Augmentation", "Add noise of up to this deviation.", unit="levels of 255", least=0)
    blur: float = _setting(0.0, "Augmentation", "Blur with up to this deviation.", unit="pixels", least=0)
    obstruct: float = _setting(
        0.0, "Augmentation", "Cover a square of this side (CutOut).", unit="share of the shorter side", least=0, most=1
    )
    elastic: float = _setting(
        0.0,
        "Augmentation",
        "Bend images: deviation of displacements on a coarse grid (U-Net's is 10).",
        unit="pixels",
        least=0,
    )
    mixup: float = _setting(0.0, "Augmentation", "MixUp: blend pairs, shares from Beta(a, a); such as 0.2.", least=0)
    cutmix: float = _setting(
        0.0, "Augmentation", "CutMix: paste parts of pairs, areas from Beta(a, a); such as 1.0.", least=0
    )
    mosaic: float = _setting(
        0.0,
        "Augmentation",
        "Mosaic: make one image of four with this probability (detection); such as 0.5.",
        least=0,
        most=1,
    )

    # Machine
    device: Device | None = _setting(None, "Machine", "What the network runs on; empty: the best there is.")
    devices: int = _setting(1, "Machine", "Devices a node.", least=1)
    nodes: int = _setting(1, "Machine", "Computers, with the processes started by torchrun or Slurm.", least=1)
    precision: Precision | None = _setting(
        None, "Machine", "Numbers of the forward pass; empty: bf16 where the device is good at it."
    )
    threads: int | None = _setting(
        None, "Machine", "Threads of the main process; empty: PyTorch's own choice.", least=1
    )
    compile: bool = _setting(False, "Machine", "torch.compile the network: slow start, then often faster on a GPU.")

    # Run
    out: str = _setting("runs", "Run", "Folder that holds the runs.")
    name: str | None = _setting(None, "Run", "Name of the run's folder; empty: MODEL-1, MODEL-2, ...")
    checkpoint_minutes: float = _setting(
        2.0,
        "Run",
        "Time between checkpoints within an epoch; one is written after each epoch anyway.",
        unit="minutes",
        least=0,
    )
    checkpoint_steps: int | None = _setting(
        None, "Run", "Write a checkpoint every so many steps, too.", unit="steps", least=1
    )
    log_every: int = _setting(20, "Run", "Steps between rows of the log.", unit="steps", least=1)
    wandb: str | None = _setting(None, "Run", "Also log to this project of Weights & Biases (extra `track`).")

    def __post_init__(self) -> None:
        for name in ("class_map", "only_classes"):  # in Python also a mapping, and a list
            if (value := getattr(self, name)) is not None and not isinstance(value, str):
                object.__setattr__(self, name, json.dumps(value, ensure_ascii=False))
        hints = _hints()
        for f in dataclasses.fields(self):
            object.__setattr__(self, f.name, _checked(f, hints[f.name], getattr(self, f.name)))
        if self.freeze not in ("nothing", "backbone") and not _is_count(self.freeze):
            raise RecipeError(
                f"freeze is {self.freeze!r}; expected nothing, backbone, or -N: all but the last N stages"
            )
        if self.mixup > 0 and self.cutmix > 0:
            raise RecipeError("mixup and cutmix are both above 0; expected one of them: set the other to 0")

        ClassSelection.parse(self.class_map, self.only_classes)

    @property
    def selection(self) -> ClassSelection:
        """Which classes of the data are read, and by what names."""
        return ClassSelection.parse(self.class_map, self.only_classes)

    def to_json(self) -> dict[str, Any]:
        """Plain values, one a field."""
        return {
            f.name: list(value) if isinstance(value := getattr(self, f.name), tuple) else _plain(value)
            for f in dataclasses.fields(self)
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe with these fields. Raises RecipeError for a name that is no field."""
        known = {f.name for f in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise RecipeError(f"a recipe has no field {name!r}.{did_you_mean(name, known)}")
        return cls(**values)

    def said(self) -> dict[str, Any]:
        """The fields that differ from the defaults: what was typed, or chosen."""
        default = Recipe()
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(default, f.name)
        }


def describe(name: str) -> dict[str, Any]:
    """Group, help, unit, least and most of a field.

    >>> describe("rotate")["unit"]
    'degrees'
    """
    return dict(Recipe.__dataclass_fields__[name].metadata)


def _hints() -> dict[str, Any]:
    return get_type_hints(Recipe)


def _is_count(text: str) -> bool:
    return text.startswith("-") and text[1:].isdigit() and int(text[1:]) > 0


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _choices(hint: Any) -> tuple[Any, ...]:
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Literal:
            return get_args(part)
    return ()


def _checked(f: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """The value in its field's kind and range. Raises RecipeError with what was expected."""
    parts = get_args(hint) if type(None) in get_args(hint) else (hint,)
    if value is None:
        if type(None) in parts:
            return None
        raise RecipeError(f"{f.name} is None; expected a value, such as {f.default!r}")
    if choices := _choices(hint):
        value = str(value) if type(value) is int else value  # YAML reads a precision of 32 as a number
        if value not in choices:
            words = ", ".join(str(choice) for choice in choices)
            raise RecipeError(f"{f.name} is {value!r}; expected one of {words}.{did_you_mean(str(value), choices)}")
        return value
    if get_origin(hint) is tuple:
        values = tuple(_number(f, float, item) for item in (value if isinstance(value, list | tuple) else [value]))
        return values
    if bool in parts:
        if not isinstance(value, bool):
            raise RecipeError(f"{f.name} is {value!r}; expected true or false")
        return value
    if int in parts or float in parts:
        return _number(f, int if int in parts else float, value)
    if str in parts and not isinstance(value, str):
        return str(value)
    if get_origin(hint) is Mapping and not isinstance(value, Mapping):
        raise RecipeError(f"{f.name} is {value!r}; expected names with values")
    return value


def _number(f: dataclasses.Field[Any], kind: type, value: Any) -> Any:
    try:
        number = kind(value)
        if isinstance(value, bool) or (kind is int and number != float(value)):
            raise ValueError
    except (TypeError, ValueError):
        wanted = "a whole number" if kind is int else "a number"
        raise RecipeError(f"{f.name} is {value!r}; expected {wanted}") from None
    least, most = f.metadata["least"], f.metadata["most"]
    if number != number or (least is not None and number < least) or (most is not None and number > most):
        bounds = " and ".join(
            text
            for text in (
                f"at least {least}" if least is not None else "",
                f"at most {most}" if most is not None else "",
            )
            if text
        )
        unit = f" ({f.metadata['unit']})" if f.metadata["unit"] else ""
        raise RecipeError(f"{f.name} is {value}; expected {bounds or 'a number'}{unit}")
    return number

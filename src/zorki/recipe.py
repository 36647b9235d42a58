"""The settings of one run: one frozen dataclass whose fields are the command line's flags and Python's arguments.

A field that is None was not given: a default is chosen for it, printed, and written into the run's folder. What was
given is never overridden. Names that fields had in older versions, or have in other tools, are their `aliases`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from zorki import settings
from zorki.class_selection import ClassSelection
from zorki.data import formats
from zorki.devices import count_or_indices, count_there, device_name, index_of, kind_of
from zorki.errors import RecipeError
from zorki.settings import setting

Optimizer = Literal["sgd", "adam", "adamw", "rmsprop"]
Scheduler = Literal["constant", "multistep", "cosine", "one-cycle", "plateau"]
Normalization = Literal["mean_std", "mean", "mean_image", "weights"]
Precision = Literal["32", "bf16", "16"]
MemoryFormat = Literal["channels_last", "contiguous"]
TrainOn = Literal["train", "trainval"]

_DATA, _WEIGHTS, _TRAINING = "Data", "Weights", "Training"
_AUGMENTATION, _MACHINE, _RUN = "Augmentation", "Machine", "Run"


@dataclass(frozen=True)
class Recipe:
    """What a training run of any task can be told. See `describe` for the help, unit and range of each field.

    What one task knows beside it is a field of the task's own kind of recipe, under its own heading: a class in
    `tasks/<task>/settings.py`, final, see `zorki.task_settings` for how they are found.

    Values are checked when they are set. Raises RecipeError with what was expected.
    """

    task: ClassVar[str] = ""  # whose recipe it is; that of every task without one of its own: ""

    # Data
    format: str | None = setting(
        None,
        _DATA,
        f"Format of the data; empty: detected ({formats.choices()}).",
    )
    image_size: int | None = setting(
        None,
        _DATA,
        "Side of the network's input; empty: the model's own.",
        unit="pixels",
        least=1,
        aliases=("size", "imgsz", "img_size"),
    )
    strict: bool = setting(False, _DATA, "Stop at the first broken image instead of leaving it out.")
    max_pixels: int | None = setting(None, _DATA, "Refuse larger images; empty: 178 million.", unit="pixels", least=1)
    allow_outside: bool = setting(False, _DATA, "Follow paths in annotation files that lead out of the data's folder.")
    class_balanced: bool = setting(
        False, _DATA, "Sample images of rare classes as often as those of common ones.", aliases=("balanced",)
    )
    limit: float | None = setting(
        None,
        _DATA,
        "Train on a random subset of this many images; or on a share of each class, such as 10%, drawn by --seed, and "
        "evaluate all.",
        unit="images",
        off=None,
        percent=True,
    )
    limit_val: int | None = setting(
        None,
        _DATA,
        "Evaluate random subsets of this many images of val and of test, the same in every epoch; off: all. Empty: as "
        "many as --limit says, where it says something, else all.",
        unit="images",
        least=0,
        off=0,
    )
    train_on: TrainOn = setting(
        "train", _DATA, "Splits to train on: train, or trainval, which adds val; the last epoch is kept then."
    )
    hold_out: str | None = setting(
        None,
        _DATA,
        "Group of samples, such as a person or a film, that is the test split; all others are trained on. For data "
        "that have groups; `zorki train --folds group` holds out each in turn.",
        off=None,
    )
    workers: int | None = setting(
        None,
        _DATA,
        "Dataloader processes; 0 loads in the main process.",
        unit="processes",
        least=0,
        aliases=("num_workers",),
    )
    class_map: str | None = setting(
        None, _DATA, "Rename, merge or leave out classes: OLD=NEW,OLD=NEW,...; - in place of NEW leaves one out."
    )
    only_classes: str | None = setting(None, _DATA, "Read these classes only, by their new names: A,B,...")
    class_attribute: str | None = setting(
        None,
        _DATA,
        "Attribute of regions that is the class, where the data (VIA) have several; empty: chosen.",
    )
    unlabeled: Literal["background", "skip"] = setting(
        "background", _DATA, "Images without a file of labels (YOLO): background, or skip to leave them out."
    )

    # Weights
    weights: str | None = setting(
        None, _WEIGHTS, "Pretrained weights: a word such as imagenet (downloads), a file, or a run's folder."
    )
    freeze: str = setting(
        "nothing",
        _WEIGHTS,
        "Frozen layers: nothing, backbone, or -N: all but the last N stages.",
        off="nothing",
        words={"none": "nothing"},
    )
    backbone_lr_scale: float = setting(
        1.0,
        _WEIGHTS,
        "Factor on the learning rate of the backbone.",
        least=0,
        most=1,
        aliases=("backbone_rate",),
    )
    options: Mapping[str, str] = setting(
        {}, _WEIGHTS, "Arguments of the model's builder, as --options.NAME VALUE; `zorki info MODEL` lists them."
    )

    # Training
    epochs: int | None = setting(None, _TRAINING, "Passes over the training images.", unit="epochs", least=1)
    time: float | None = setting(
        None,
        _TRAINING,
        "Time to train in, such as 90s, 10m or 1h30m (a number alone: seconds), evaluation included. Where --epochs is "
        "not given, their number is chosen from timed steps; training stops after the epoch in which the time ends.",
        unit="seconds",
        least=1,
        aliases=("max_time",),
        off=None,
        duration=True,
    )
    batch_size: int | None = setting(
        None,
        _TRAINING,
        "Images a step, over all devices; auto: as many as a GPU's memory holds, with 15 % to spare.",
        unit="images",
        least=0,
        aliases=("batch",),
        words={"auto": "0"},
    )
    optimizer: Optimizer | None = setting(None, _TRAINING, "Optimizer.", aliases=("optimiser", "opt"))
    lr: float | None = setting(
        None, _TRAINING, "Peak learning rate.", least=0, aliases=("rate", "lr0", "learning_rate")
    )
    momentum: float = setting(0.9, _TRAINING, "Momentum of sgd and rmsprop.", least=0, most=1, off=0.0)
    nesterov: bool = setting(True, _TRAINING, "Nesterov momentum, for sgd.")
    weight_decay: float | None = setting(
        None,
        _TRAINING,
        "Weight decay; not on norms and biases.",
        least=0,
        aliases=("wd",),
        off=0.0,
    )
    scheduler: Scheduler = setting(
        "one-cycle",
        _TRAINING,
        "Learning rate schedule.",
        aliases=("schedule", "sched", "lr_scheduler"),
        words={"steps": "multistep", "onecycle": "one-cycle"},
        off="constant",
    )
    warmup_epochs: float | None = setting(
        None,
        _TRAINING,
        "Epochs over which the learning rate rises from near 0 (one-cycle warms up by itself).",
        unit="epochs",
        least=0,
        aliases=("warmup",),
        off=0.0,
    )
    milestones: tuple[float, ...] = setting(
        (0.5, 0.75),
        _TRAINING,
        "Where multistep divides the learning rate by ten.",
        unit="fraction of training",
        least=0,
        most=1,
        aliases=("step_at",),
    )
    clip_grad: float | None = setting(
        None,
        _TRAINING,
        "Maximum gradient norm; 0 turns clipping off.",
        least=0,
        aliases=("clip", "max_grad_norm", "clip_grad_norm"),
        off=0.0,
    )
    grad_accum: int = setting(
        1,
        _TRAINING,
        "Gradient accumulation: batches for each optimizer step.",
        unit="batches",
        least=1,
        aliases=("accumulate", "grad_accum_steps", "gradient_accumulation_steps"),
        off=1,
    )
    ema: float | None = setting(
        None,
        _TRAINING,
        "Decay of the exponential moving average of the weights, such as 0.999; it is what is evaluated and kept.",
        least=0,
        most=1,
        aliases=("average", "ema_decay"),
        off=None,
    )
    patience: int | None = setting(
        None,
        _TRAINING,
        "Early stopping: epochs without a better validation metric.",
        unit="epochs",
        least=1,
        aliases=("early_stopping",),
        off=None,
    )
    seed: int = setting(0, _TRAINING, "Random seed.", least=0, most=2**32 - 1)

    dropout: float | None = setting(
        None, _TRAINING, "Dropout probability; empty: the model's own.", least=0, most=1, off=0.0
    )

    # Augmentation
    normalize: Normalization | None = setting(
        None,
        _AUGMENTATION,
        "Statistics for normalization: of the training images, or those of the weights.",
        aliases=("normalise",),
    )
    hflip: float | None = setting(
        None, _AUGMENTATION, "Probability of a horizontal flip.", least=0, most=1, aliases=("flip", "fliplr"), off=0.0
    )
    vflip: float = setting(
        0.0,
        _AUGMENTATION,
        "Probability of a vertical flip.",
        least=0,
        most=1,
        aliases=("flip_vertical", "flipud"),
        off=0.0,
    )
    rotate: float = setting(
        0.0,
        _AUGMENTATION,
        "Maximum rotation, either way.",
        unit="degrees",
        least=0,
        most=180,
        aliases=("degrees",),
        off=0.0,
    )
    random_crop: float | None = setting(
        None,
        _AUGMENTATION,
        "Smallest area of a random crop; 1 keeps the whole image.",
        unit="fraction of the area",
        least=0.01,
        most=1,
        aliases=("crop",),
        off=1.0,
    )
    scale_jitter: float = setting(
        0.0,
        _AUGMENTATION,
        "Maximum change of scale, up or down.",
        unit="fraction",
        least=0,
        most=0.9,
        aliases=("rescale", "scale"),
        off=0.0,
    )
    translate: float | None = setting(
        None,
        _AUGMENTATION,
        "Maximum translation, in whole pixels.",
        unit="fraction of the side",
        least=0,
        most=1,
        aliases=("shift",),
        off=0.0,
    )
    brightness: float = setting(
        0.0, _AUGMENTATION, "Maximum change of brightness.", unit="fraction", least=0, most=1, off=0.0
    )
    contrast: float = setting(
        0.0, _AUGMENTATION, "Maximum change of contrast.", unit="fraction", least=0, most=1, off=0.0
    )
    saturation: float = setting(
        0.0, _AUGMENTATION, "Maximum change of saturation.", unit="fraction", least=0, most=1, off=0.0
    )
    hue: float = setting(
        0.0, _AUGMENTATION, "Maximum shift of hue.", unit="fraction of the circle", least=0, most=0.5, off=0.0
    )
    noise: float = setting(
        0.0,
        _AUGMENTATION,
        "Maximum standard deviation of Gaussian noise.",
        unit="levels of 255",
        least=0,
        off=0.0,
    )
    blur: float = setting(
        0.0, _AUGMENTATION, "Maximum standard deviation of Gaussian blur.", unit="pixels", least=0, off=0.0
    )
    cutout: float = setting(
        0.0,
        _AUGMENTATION,
        "Cutout: side of the square that is covered.",
        unit="fraction of the shorter side",
        least=0,
        most=1,
        aliases=("obstruct",),
        off=0.0,
    )
    transforms: str | None = setting(
        None,
        _AUGMENTATION,
        "Transforms of installed packages, applied last: A,B,... (entry points zorki.transforms).",
        off=None,
    )

    # Machine
    device: str | None = setting(
        None, _MACHINE, "Device to train on: cpu, cuda, cuda:1 (or 1), mps; empty: the best there is."
    )
    devices: str = setting("1", _MACHINE, "Devices of each node: how many, all, or GPUs by index, such as 0,1.")
    nodes: int = setting(
        1, _MACHINE, "Nodes, with processes started by torchrun or Slurm.", least=1, aliases=("num_nodes",)
    )
    precision: Precision | None = setting(
        None,
        _MACHINE,
        "Mixed precision: bf16 or 16, else 32; empty: bf16 where the device is fast at it.",
        unit="bits",
        words={
            "fp32": "32", "float32": "32", "32-true": "32", "bfloat16": "bf16", "bf16-mixed": "bf16", "fp16": "16",
            "float16": "16", "half": "16", "16-mixed": "16",
        },
        off="32",
    )  # fmt: skip
    memory_format: MemoryFormat | None = setting(
        None,
        _MACHINE,
        "Memory format of images and weights; empty or auto: the quicker one, measured where the training is long.",
        words={"auto": None, "channels-last": "channels_last", "nhwc": "channels_last", "nchw": "contiguous"},
    )
    threads: int | None = setting(None, _MACHINE, "Threads of the main process; empty: PyTorch's own choice.", least=1)
    compile: bool = setting(False, _MACHINE, "torch.compile the network: a slow start, then often faster on a GPU.")

    # Run
    out: str = setting("runs", _RUN, "Folder that holds the runs.")
    name: str | None = setting(None, _RUN, "Name of the run's folder; empty: MODEL-1, MODEL-2, ...")
    checkpoint_minutes: float = setting(
        2.0,
        _RUN,
        "Time between checkpoints within an epoch; one is written after each epoch anyway.",
        unit="minutes",
        least=0,
    )
    checkpoint_steps: int | None = setting(
        None, _RUN, "Steps between checkpoints within an epoch.", unit="steps", least=1, off=None
    )
    evaluate_test: bool = setting(
        True,
        _RUN,
        "Evaluate the best weights on the test split, too, after training; false while recipes are chosen.",
    )
    log_every: int = setting(20, _RUN, "Steps between rows of the log.", unit="steps", least=1)
    wandb: str | None = setting(None, _RUN, "Also log to this project of Weights & Biases (extra `track`).", off=None)
    mlflow: str | None = setting(None, _RUN, "Also log to this experiment of MLflow (package mlflow).", off=None)
    log_images: int = setting(
        8,
        _RUN,
        "Validation images that loggers show with their predictions, some ten times a training.",
        least=0,
        off=0,
    )

    def __post_init__(self) -> None:
        for name in ("class_map", "only_classes"):  # in Python also a mapping, and a list
            if (value := getattr(self, name)) is not None and not isinstance(value, str):
                object.__setattr__(self, name, json.dumps(value, ensure_ascii=False))
        settings.check(self)
        if self.freeze not in ("nothing", "backbone") and not _is_count(self.freeze):
            raise RecipeError(
                f"freeze is {self.freeze!r}; expected nothing, backbone, or -N: all but the last N stages"
            )
        ClassSelection.parse(self.class_map, self.only_classes)
        self._check_devices()

    def _check_devices(self) -> None:
        if self.device is not None:
            object.__setattr__(self, "device", device_name(self.device))
        if count_or_indices(self.devices) != 1 and index_of(self.device or "") is not None:
            raise RecipeError(
                f"device is {self.device}, which is one, but devices is {self.devices}; say which with devices alone"
            )

    @property
    def accelerator(self) -> str:
        """The kind of device: cpu, cuda or mps; cpu where none was chosen yet."""
        return kind_of(self.device or "cpu")

    @property
    def main_device(self) -> str:
        """The device of what one process does alone, such as evaluating the best weights: the first of several."""
        listed = count_or_indices(self.devices)
        return f"{self.accelerator}:{listed[0]}" if isinstance(listed, list) else self.device or "cpu"

    @property
    def num_devices(self) -> int:
        """Devices of each node, and processes."""
        listed = count_or_indices(self.devices)
        if listed is None:
            return max(1, count_there(self.accelerator))
        return len(listed) if isinstance(listed, list) else listed

    @property
    def world(self) -> int:
        """Processes that train together."""
        return self.num_devices * self.nodes

    def to_json(self) -> dict[str, Any]:
        """Plain values, one a field."""
        return settings.plain(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The recipe with these values, by any of the fields' names.

        Raises:
            RecipeError: a name is no field's, a field is given twice, or a value is none that it can have.
        """
        return cls(**settings.checked(cls, settings.by_field(values, cls)))

    def explicit_values(self) -> dict[str, Any]:
        """The fields that differ from their defaults: what was typed, or chosen."""
        return settings.explicit_values(self)

    @property
    def selection(self) -> ClassSelection:
        """Which classes of the data are read, and by what names."""
        return ClassSelection.parse(
            self.class_map, self.only_classes, attribute=self.class_attribute, unlabeled=self.unlabeled
        )


def without_measured_size(values: Mapping[str, Any], explicit: Collection[str]) -> dict[str, Any]:
    """The settings of a run, without an image size that was not set.

    Earlier versions wrote there what the first training image measured.

    Args:
        values: by names of fields, of this version or of older ones.
        explicit: the names of the settings that were set.
    """
    names = {"image_size", *settings.describe(Recipe, "image_size")["aliases"]}
    return (
        dict(values) if names & set(explicit) else {name: value for name, value in values.items() if name not in names}
    )


def describe(name: str) -> dict[str, Any]:
    """Group, help, unit, least, most, aliases and words of a field.

    >>> describe("rotate")["unit"]
    'degrees'
    """
    return settings.describe(Recipe, name)


def _is_count(text: str) -> bool:
    return text.startswith("-") and text[1:].isdigit() and int(text[1:]) > 0

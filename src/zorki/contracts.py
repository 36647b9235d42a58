"""The two contracts. A task is what is asked; a model is how it is answered; the engine names neither.

folder --read--> Sample --augment--> Sample --preprocess--> Batch --forward--> outputs --loss--> scalars
                                                                        \\--decode--> prediction --metric--> numbers
                                                                                          \\--draw--> image
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload, runtime_checkable

import torch
from torch import Tensor, nn

from zorki.errors import RecipeError, ZorkiError
from zorki.tiles import Stitcher, Tiles
from zorki.types import Batch, Defect, Placement, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

O = TypeVar("O")  # raw outputs of a network  # noqa: E741
T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


@runtime_checkable
class Preprocess(Protocol):
    """Original images to network inputs; a small picklable value that is saved with the weights."""

    def __call__(self, images: Sequence[Tensor]) -> tuple[Any, list[Placement]]:
        """uint8 images (3, H, W) of any sizes to network inputs, and where each image sits in them.

        Inputs are one uint8 tensor (B, 3, height, width), or a dataclass of tensors such as `Proposed`.
        """

    def whole(self) -> Preprocess:
        """The same without cutting anything off, for training on random crops."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the class's name under "kind"."""


@runtime_checkable
class Prepares(Protocol):
    """A `Preprocess` whose dear part can be done beforehand for many images, and is kept."""

    def prepare(self, images: Callable[[int], Tensor], count: int, *, workers: int, say: Callable[[str], None]) -> int:
        """Prepares the images 0..count-1 in so many processes, tells how far it is, and answers how many were new."""


class Dataset(ABC, Generic[T]):
    """Samples of one data set, in splits, with what was found wrong while reading.

    Picklable, so that it travels to worker processes; reading a sample is lazy.
    """

    root: Path
    format: str  # "folders", "csv", "idx", ...
    reason: str  # how the format was recognized, for a person
    class_names: list[str]
    in_memory: bool = False  # nothing is decoded when a sample is read
    may_be_mirrored: bool = True  # a mirrored image keeps its meaning, as photos do and digits do not
    splits: dict[str, list[int]]  # name of the split -> indices of samples
    split_reason: str  # where the splits come from, for a person
    defects: list[Defect]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample[T]:
        """The sample, decoded. Raises DataError where the file is broken."""

    @abstractmethod
    def target(self, index: int) -> T:
        """The annotation alone: no image is decoded."""

    @abstractmethod
    def path(self, index: int) -> Path: ...

    @abstractmethod
    def check(self, index: int) -> Defect | None:
        """A quick look at the sample's file, without decoding: is it there, is it whole, is it not too large?"""

    def mark(self, index: int) -> str:
        """Words that change when what is learned of the sample does: a run that goes on knows its data by them."""
        return self.target(index).mark()  # type: ignore[attr-defined, no-any-return]


class Targets(Sequence[T]):
    """The annotations of some samples, read when they are asked for: thousands of masks do not fit into memory.

    Reading one raises DataError where its file is broken.
    """

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Targets[T]: ...

    def __getitem__(self, place: int | slice) -> T | Targets[T]:
        if isinstance(place, slice):
            return Targets(self.dataset, self.indices[place])
        return self.dataset.target(self.indices[place])


class Metric(ABC, Generic[P, T]):
    """Numbers for predictions against truth. Judges the untouched annotation, in original pixels."""

    @abstractmethod
    def update(self, predictions: Sequence[P], targets: Sequence[T]) -> None: ...

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """Figures by name: floats for the log; lists and nested dicts for tables. Plain JSON."""

    @abstractmethod
    def reset(self) -> None: ...

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Takes in what a metric of the same class counted in another process: afterwards both count as one."""


class Model(nn.Module, ABC, Generic[O, T, P]):
    """A network with the loss that trains it and the decoding that reads it. Knows no file and no metric."""

    preprocess: Preprocess
    suggestions: Mapping[
        str, Any
    ] = {}  # fields of the recipe for where the user said nothing; `rate` is for batches of 128
    walk: Any = None  # images -> every layer run once by shapes alone, for the ledger; None: `forward` does
    normalize: nn.Module  # uint8 pixels to the floats that the network takes; its statistics are buffers
    margin: int = 0  # network pixels along the edges of an input for whose answers the network had no surroundings

    @abstractmethod
    def forward(self, inputs: Any) -> O:
        """Raw outputs, with all that loss and decode need; one type in training and in evaluation.

        `inputs` are what `preprocess` makes: a tensor of images, or a dataclass of tensors.
        """

    @abstractmethod
    def loss(self, outputs: O, targets: Sequence[T]) -> dict[str, Tensor]:
        """Weighted scalars whose sum is minimized; `targets` are in network pixels."""

    @abstractmethod
    def decode(self, outputs: O, placements: Sequence[Placement]) -> list[P]:
        """Answers in the pixels of the original images."""

    def stitcher(self, tiles: Tiles) -> Stitcher[O, P]:
        """What joins the raw outputs for tiles of an image to its answer.

        Raises:
            RecipeError: answers of this kind are about a whole image.
        """
        raise RecipeError(
            f"{type(self).__name__} answers for a whole image, so tiles of it cannot be joined; leave --tile out"
        )

    def after_step(self, progress: float) -> None:
        """Called after each optimizer step with the share of training done; for EMA teachers."""

    def stages(self) -> list[nn.Module]:
        """The backbone's parts from input to output, for freezing and smaller learning rates; head excluded."""
        return []

    def rename_weights(self, names: str) -> str:
        """This model's name for a published weight of that name; the identity where they agree."""
        return names

    def adapt_weights(self, tensors: Mapping[str, Tensor], file: str) -> Mapping[str, Tensor]:
        """Published weights, by their published names, as this model needs their values; `file` is the file's name."""
        return tensors

    def expected_loss(self) -> float | None:
        """The loss of an untrained network that knows nothing, such as log(num_classes); None where unknown."""
        return None


class Task(ABC, Generic[T, P]):
    """What is asked: how data are read and varied, what is measured, how an annotation looks. Knows no architecture."""

    name: ClassVar[str]
    monitor: ClassVar[str]  # the one number that picks the best checkpoint; larger is better
    summary: ClassVar[str]  # one line for `zorki tasks`
    thumbnail_side: ClassVar[int] = 128  # pixels: what shows enough of one image on a sheet of many
    usual_classes: ClassVar[int] = 1000  # of the data that networks are compared on: ImageNet's
    headline: ClassVar[tuple[str, ...]] = ()  # figures to compare runs by; empty: the monitor alone
    exchanges_facts: ClassVar[bool] = False  # `exchange` looks at the `facts` of answers, which need no predictions
    class_names: list[str]

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)

    @classmethod
    @abstractmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[T]:
        """The data set at `root`; `format` forces a reader, `class_names` fixes the labels' order (a run's)."""

    @classmethod
    def recognize(cls, root: Path, format: str | None = None) -> str | None:
        """Why the data at `root` seem to be for this task, in words; None where they do not. Reads no annotation."""
        return None

    @abstractmethod
    def augment(self, sample: Sample[T], recipe: Recipe, generator: torch.Generator) -> Sample[T]:
        """One sample varied, image and target together, with chance drawn from `generator` alone."""

    def mix(self, batch: Batch[T], recipe: Recipe, generator: torch.Generator) -> Batch[T]:
        """A batch with its samples mixed among themselves (MixUp, CutMix); the identity where nothing is mixed."""
        return batch

    @abstractmethod
    def metric(self) -> Metric[P, T]: ...

    @classmethod
    def recognize_answers(cls, predictions: Path, data: Path, format: str | None = None) -> str | None:
        """What the answers in a file are, in words, where they are for this task to judge by the data; else None.

        Of the tasks that judge files, one at most knows a file.
        """
        return None

    @classmethod
    def judge_file(
        cls, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Figures of anybody's answers, in a file of the field's own format; neither model nor images are needed.

        Raises:
            ZorkiError: the task has no such format, or the file or the data cannot be read.
        """
        raise ZorkiError(f"{cls.name} knows no file of answers to judge; evaluate a run, or weights of a model")

    @abstractmethod
    def draw(self, image: Tensor, annotation: T | P) -> Tensor:
        """The uint8 image (3, H, W) with the annotation on it."""

    def export(self, model: Model[Any, T, P], path: Path, height: int, width: int) -> Path:
        """Writes a network from uint8 pixels of that size to answers as ONNX, and returns the path.

        Raises:
            ZorkiError: the task knows no such form, packages are missing, or this network cannot be written so.
        """
        raise ZorkiError(f"{self.name} knows no form of its networks as ONNX; use `zorki predict`")

    def baseline(self, train: Sequence[T]) -> P | None:
        """The best answer without looking at the image; None where there is none."""
        return None

    def configure(self, model: Model[Any, T, P], recipe: Recipe, dataset: Dataset[T], indices: Sequence[int]) -> None:
        """Hands the recipe's wishes about the task's loss (class weights, label smoothing) to the model.

        And what the model takes from the training samples, which are those of `indices`, before it learns.
        """

    def check(self, dataset: Dataset[T], train: Sequence[int]) -> None:
        """Raises DataError where training on these samples makes no sense, such as a single class."""

    def balance(self, targets: Sequence[T]) -> list[float] | None:
        """A sampling weight for each target that makes rare ones as frequent as common; None: no such thing."""
        return None

    def ensemble(self, predictions: Sequence[P]) -> P:
        """One answer from several models' answers to the same image."""
        raise ZorkiError(f"{self.name} has no rule to join the answers of several models; name one run at a time")

    def badness(self, prediction: P, target: T) -> float:
        """How wrong an answer is; the report shows the worst images."""
        return 0.0

    def right(self, prediction: P, target: T) -> bool | None:
        """Whether an answer is right; None where there is no plain yes or no."""
        return None

    def caption(self, annotation: T | P) -> str:
        """A few words for under an image."""
        return ""

    @classmethod
    def names_for(cls, num_classes: int) -> list[str]:
        """Names of classes for weights that tell only how many there are."""
        return [str(label) for label in range(num_classes)]

    def describe(self, annotation: T | P) -> dict[str, Any]:
        """The annotation in plain JSON with names of classes, for predictions.json and the report."""
        return annotation.to_json()  # type: ignore[attr-defined, union-attr, no-any-return]

    def exchange(self, answers: Sequence[Any]) -> Any | None:
        """All answers in the plain JSON that the field exchanges, which predictions.json then is; None: zorki's own.

        Answers have a `source`, the number of a `frame` or None, a `prediction`, and as `facts` what `describe` said
        of it. Where the task `exchanges_facts`, predictions may be None.
        """
        return None

    def attach(self, annotation: P, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes what of an answer belongs into a file of its own, such as a map of classes, and tells facts about it.

        They join those of `describe` in predictions.json; paths among them are written relative to its folder.

        Args:
            place: (folder, suffix) to a free path for this answer: ("masks", ".png") gives OUT/masks/IMAGE.png.
        """
        return {}

    def thumbnail(self, image: Tensor, annotation: T | P, truth: T | None = None) -> Tensor:
        """The uint8 image for the small grids of reports and sheets, which write `caption` under it.

        With what of the annotation can be drawn on it; beside the `truth`, right and wrong are told apart.
        """
        return image

    def adopt(self, results: Mapping[str, Any]) -> None:
        """Takes over what a run found out about its answers, such as the score from which they are worth showing.

        `results` is what results.json holds: {split: {"figures": ..., ...}}, empty where nothing was judged.
        """

    def remember(self, dataset: Dataset[T]) -> dict[str, Any]:
        """Facts about the data that a run's answers need later, such as numbers of classes. Small, plain JSON."""
        return {}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Takes what `remember` gave when the run was trained; empty for runs of older versions."""

    def tally(self, dataset: Dataset[T]) -> dict[str, Any]:
        """Counts for `show` and the report, in plain JSON.

        Under "classes" {split: {class: count}} of what "counted" names (images, where it is missing); under
        "tables" {title: {row: {split: value}}}.
        """
        return {}

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """The task's own part of the report: tables and plots from a result of `metric().compute()`."""
        return []


@dataclass
class Section:
    """A part of a report: a title, HTML that needs no network, and one line that says how to read it."""

    title: str
    html: str
    note: str = ""


@dataclass
class Results:
    """What evaluation found on one split."""

    split: str
    count: int
    figures: dict[str, Any]  # of the metric
    losses: dict[str, float]
    baseline: dict[str, Any] | None = None
    worst: list[tuple[int, Any]] = field(default_factory=list)  # (index in the data set, prediction), most wrong first
    samples: list[tuple[int, Any]] = field(default_factory=list)  # a few, in the data set's order
    defects: list[Defect] = field(default_factory=list)

"""What only some models, or some preprocessing, can do, each with the verb that needs it.

A class has a capability by having its methods: `isinstance(model, Tiled)` asks. Members are methods, or plain values,
never submodules: from Python 3.12 on `isinstance` does not see what `nn.Module` keeps in its own tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from zorki.contracts.dataset import Dataset
from zorki.contracts.preprocess import Preprocess
from zorki.errors import RecipeError
from zorki.tiles import Stitcher, Tiles
from zorki.types import Boxes, ClassInfo, Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float, UInt8
    from numpy import ndarray
    from torch import Tensor, nn

    from zorki.types import Placement, Sample
    from zorki.types.stylization import StyleImage, Stylization, StylizationStep

Outputs = TypeVar("Outputs")
Target = TypeVar("Target", contravariant=True)
Raw = TypeVar("Raw", contravariant=True)  # outputs that are taken
Prediction = TypeVar("Prediction")
Smoothed = TypeVar("Smoothed")  # taken, and given back
State = TypeVar("State")
Predicted = TypeVar("Predicted", contravariant=True)

PixelStatistics = Literal["mean_std", "mean", "mean_image"]


@runtime_checkable
class Tiled(Protocol[Outputs, Prediction]):
    """A model whose predictions for tiles of a large image can be joined: `zorki predict --tile`."""

    margin: int
    """Network pixels along the edges of an input whose predictions lack surroundings."""

    def stitcher(self, tiles: Tiles) -> Stitcher[Outputs, Prediction]:
        """What joins the raw outputs for the tiles of an image to one prediction."""


@dataclass(frozen=True)
class Selection:
    """Which candidates become predictions; None leaves what the network was built with.

    Attributes:
        min_score: the lowest score, 0..1.
        max_iou: of two boxes of a class that both stay in non-maximum suppression, 0..1.
        max_count: predictions an image, the best.
        labels: of the classes that are wanted.
    """

    min_score: float | None = None
    max_iou: float | None = None
    max_count: int | None = None
    labels: tuple[int, ...] | None = None


@runtime_checkable
class SelectsPredictions(Protocol):
    """A model that has more candidates than predictions: `--conf`, `--iou`, `--max-det`, `--classes`."""

    has_nms: bool
    """Whether non-maximum suppression is among its steps."""

    def with_selection(self, selection: Selection) -> Any:
        """A view of the model that selects otherwise: it shares all weights, and the model itself stays as it is."""


@dataclass(frozen=True)
class Decoding:
    """How the outputs of an exported file become annotations: a rule by its name, with its numbers.

    docs/export.md tells what each kind gives and does. The numbers are those that the graph was made with, such as
    thresholds, or those that what comes behind the graph needs.
    """

    kind: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)  # of those within the graph: min_score, max_iou, ...

    def to_json(self) -> dict[str, Any]:
        """The kind with its numbers, as files hold it."""
        return {"kind": self.kind, **self.numbers}


@dataclass(frozen=True)
class ExportGraph:
    """What an exported file computes: tensors in, tensors out, and nothing of Python between.

    Attributes:
        network: takes the inputs in their order, and gives a tensor or a tuple of them; made of standard operators.
        inputs: one of each by its name, for two images, of the sizes and types that the file takes; "images" is the
            first. Their first axis, the batch, is free.
        outputs: names of what comes out.
        decoding: what the outputs mean.
        size_step: height and width of the images, their last two axes, are any multiples of it; None: they are fixed.
        free: of inputs that have them, further axes that are free, with names.
    """

    network: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    decoding: Decoding
    size_step: int | None = None
    free: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


@runtime_checkable
class Exportable(Protocol):
    """A model that is a graph of tensors from uint8 pixels to predictions: `zorki export`."""

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """The graph for images, uint8 (B, 3, height, width), that `preprocess` made.

        Raises:
            ZorkiError: what this very network computes depends on the image.
        """


@runtime_checkable
class ExportsParts(Protocol):
    """A model that is several graphs, since they run at different times: trackers, `zorki export`."""

    def export_parts(self) -> Mapping[str, ExportGraph]:
        """The graphs by names, with which those of their files end."""


@runtime_checkable
class FitsToData(Protocol[Target]):
    """A model that takes values, such as anchors, from the training set before it learns: `zorki train`."""

    needs_fitting: bool
    """Whether it does so as it was built: fitting reads every training annotation."""

    def fit_to_data(self, targets: Sequence[Target], sizes: Sequence[tuple[int, int]]) -> None:
        """Sets the values.

        Args:
            targets: of the training set, in original pixels.
            sizes: (height, width) of each image.
        """


@runtime_checkable
class TakesCriterion(Protocol):
    """A model whose loss function can be exchanged: for class weights, label smoothing, or `--loss dice`."""

    def replace_criterion(self, change: Callable[[nn.Module], nn.Module]) -> None:
        """Trains with what `change` makes of the present criterion."""


@runtime_checkable
class WeighsBorders(Protocol):
    """A model whose loss can weigh the gaps between touching objects more: `--border-weight`."""

    def weigh_borders(self, weight: float) -> None:
        """Sets the weight; 0 turns it off. Raises RecipeError where the criterion weighs no pixels."""


@runtime_checkable
class MeasuresPixels(Protocol):
    """A model whose normalization can take its statistics from the training images: `--normalize mean_std`."""

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        """Sets the statistics.

        Args:
            images: uint8 (N, C, H, W).
            kind: mean and deviation of each channel, its mean alone, or the mean of every pixel's place.
        """


@runtime_checkable
class UpdatesAfterStep(Protocol):
    """A model with values that follow the optimizer, such as an EMA teacher: `zorki train`."""

    def after_step(self, progress: float) -> None:
        """Called after each optimizer step, with the share 0..1 of training that is done."""


@runtime_checkable
class TrainsInStages(Protocol[Target]):
    """A model whose parts are trained one after the other, each on what those before predict: `zorki train`.

    Learning rates begin anew with each stage, and the best weights are those of the last stage's best epoch.
    """

    def stage_shares(self) -> tuple[float, ...]:
        """Of the epochs, for each stage; they sum to 1."""

    def trained_stages(self) -> int:
        """How many have begun to be trained, the one that learns among them; predictions are the last of them's."""

    def begin_stage(self, stage: int, batches: Iterable[tuple[Any, Sequence[Target]]]) -> None:
        """From now on the stage of this number, from 1, learns, and those before do not; nothing where it has begun.

        Args:
            batches: inputs and targets, as of `loss`, that training has not seen, where there are any.
        """

    def with_stages(self, count: int) -> Any:
        """A view of the model that predicts by its first stages alone: it shares all weights."""


@runtime_checkable
class FillsWeights(Protocol):
    """A model that gives weights of its own values before it learns: a teacher's, or a style's, which never learn."""

    filled_weights: Sequence[str]
    """How the names of these weights begin."""


@runtime_checkable
class HasFixedParts(Protocol):
    """A model with parts that never learn, as its method has it, such as a perceptual loss's: `zorki check`."""

    fixed_parts: Sequence[str]
    """How the names of their weights begin."""


@runtime_checkable
class Diagnoses(Protocol[Raw, Target]):
    """A model with numbers about a batch that are no loss, such as the share of active triplets: logs of training."""

    def diagnostics(self, outputs: Raw, targets: Sequence[Target]) -> dict[str, Tensor]:
        """Such numbers, by name; computed without gradients for the steps that are logged."""


@runtime_checkable
class NoticesFailure(Protocol):
    """A model that sees in its diagnostics that its training has failed, such as embeddings that have collapsed."""

    def failure(self, diagnostics: Mapping[str, float]) -> str | None:
        """Why training stops, a sentence, and what to do; None where all is well. Of models that have diagnostics."""


@runtime_checkable
class MakesChoices(Protocol):
    """A model that was built otherwise than it is called, to suit its images, such as with a stem for small ones."""

    def choices(self) -> Sequence[tuple[str, Any, str]]:
        """What was chosen: its name, its value, and why, as `zorki train` prints them."""


@runtime_checkable
class ExpectsLoss(Protocol):
    """A model that knows the loss of an untrained network, which reports print beside the first one."""

    def expected_loss(self) -> float | None:
        """Such as log(num_classes) for cross-entropy; None where the criterion in use has no such value."""


@runtime_checkable
class ExpectsLosses(Protocol[Raw, Target]):
    """A model that knows single losses of a batch where nothing is learned yet, by its prior: `zorki check`."""

    def expected_losses(self, outputs: Raw, targets: Sequence[Target]) -> dict[str, float]:
        """Such losses, by the names that `loss` gives them; of outputs for the batch, whose sizes alone count."""


@runtime_checkable
class StartsFromPrior(Protocol[Raw]):
    """A detector that calls nearly every place background before it learns, by a bias of its head: `zorki check`."""

    prior: float
    """The probability of an object, of each class or of all, that a place begins with."""

    def place_scores(self, outputs: Raw) -> Float[Tensor, " N"]:
        """These probabilities of all places in a batch."""


@dataclass(frozen=True)
class Focus:
    """What of a prediction is explained: a class, an object, a region, or how near one image lies to another.

    Attributes:
        label: of the class, or joint; None: the network's own choice.
        box: xyxy in network pixels, of an object or a region; None: the most certain object, or the whole image.
        pixels: bool (H, W), in network pixels: whose logits are averaged, of networks that predict by pixel.
        reference: the embedding (D) of the image that another one is compared with.
        background: labels that are not chosen where nobody asks for them.
    """

    label: int | None = None
    box: tuple[float, float, float, float] | None = None
    pixels: Tensor | None = None
    reference: Tensor | None = None
    background: tuple[int, ...] = ()

    def of_whole_image(self, *, classes: bool = True) -> Focus:
        """Itself, for a model whose number is about an image as a whole.

        Raises:
            RecipeError: it names a box, or a class where there are no `classes`: neither would change a thing.
        """
        if self.box is not None:
            raise RecipeError("what is explained is about the whole image, and hangs on no box; leave --box out")
        if self.label is not None and not classes:
            raise RecipeError("what is explained is about no class; leave --class out")
        return self


@runtime_checkable
class Explainable(Protocol[Raw]):
    """A model that makes a number of its outputs, whose reasons can be looked for in the pixels: `zorki explain`."""

    focus_unit: str
    """What the number is, in a few words: "logit", "cosine similarity"."""

    def complete_focus(self, outputs: Raw, focus: Focus, placement: Placement) -> Focus:
        """The focus with what it leaves open taken from the outputs for one image.

        Raises:
            RecipeError: nothing is predicted there, or the focus lacks what only the user can tell.
        """

    def focus_scores(self, outputs: Raw, focus: Focus) -> Float[Tensor, " B"]:
        """A number for each image, for a completed focus, through which gradients flow; larger: more sure."""


@runtime_checkable
class AnswersByPlace(Protocol[Raw]):
    """An explainable model whose answer is itself a map over its input, such as a tracker's: `zorki explain`."""

    def response_map(self, outputs: Raw) -> Float[Tensor, "B H W"]:
        """How sure it is, 0..1, that the object's center is in each pixel of its input; NaN where none can be."""


@dataclass(frozen=True)
class LabelError:
    """An annotation that is probably wrong.

    Attributes:
        place: of the sample, among those that were looked at.
        kind: in words: "wrong class", "missing object".
        score: how likely it is, 0..1, larger for more; comparable within one dataset and run.
        label: as annotated; None where nothing is.
        suggested: the class that the model sees; None where it sees nothing.
        box: (left, top, right, bottom) in pixels of the image; None: the whole image.
    """

    place: int
    kind: str
    score: float
    label: int | None = None
    suggested: int | None = None
    box: tuple[float, float, float, float] | None = None


@runtime_checkable
class FindsLabelErrors(Protocol[Predicted, Target]):
    """A task's evaluation that tells which annotations are probably wrong: `zorki evaluate --mistakes`."""

    def label_errors(
        self, predictions: Sequence[Predicted], targets: Sequence[Target], info: ClassInfo
    ) -> list[LabelError]:
        """Those that the predictions speak against, the most likely first."""


@runtime_checkable
class Traces(Protocol):
    """A model whose `forward` depends on values, or leaves layers to `loss` and `decode`: `zorki info`."""

    def trace(self, images: Tensor) -> Any:
        """Runs every layer once on images (B, C, H, W), or clips (B, C, T, H, W) of `TakesClips`, by shapes alone."""


@runtime_checkable
class TakesClips(Protocol):
    """A model of clips: `zorki info` counts what one clip costs."""

    clip_frames: int
    """Frames of a clip."""


@runtime_checkable
class Tracks(Protocol[State, Prediction]):
    """A model that follows an object through a video. The state is a value: the model keeps none."""

    def start(self, frame: Tensor, box: Prediction) -> State:
        """The state after the first frame, uint8 (3, H, W), with the object's box in its pixels."""

    def step(self, state: State, frame: Tensor) -> tuple[State, Prediction]:
        """The state after the next frame, and the object's box in it."""


@runtime_checkable
class Stylizes(Protocol):
    """A model that gives an image the style of others by optimizing its pixels: `zorki stylize`."""

    def stylize(
        self,
        content: UInt8[Tensor, "3 H W"],
        styles: list[StyleImage],
        settings: Stylization,
        report: Callable[[StylizationStep], None],
        say: Callable[[str], None],
    ) -> UInt8[Tensor, "3 H2 W2"]:
        """The stylized image, its longer side `settings.size` pixels.

        Args:
            styles: one at least.
            report: called after each step.
            say: what a person should know, such as that the optimization began anew.

        Raises:
            ZorkiError: the optimization diverges however gentle it is.
        """


@runtime_checkable
class TakesReference(Protocol[Predicted, Target]):
    """A metric that compares the predictions of a split with those of another: a gallery, or neighbors to vote."""

    def update_reference(self, predictions: Sequence[Predicted], targets: Sequence[Target]) -> None:
        """Takes in predictions for the reference split, all of them before any of the split that is evaluated."""


@runtime_checkable
class Precomputes(Protocol):
    """A `Preprocess` whose expensive part can be computed and stored beforehand, such as selective search."""

    @property
    def pixels(self) -> Preprocess:
        """The same without the expensive part: what becomes of an image's pixels."""

    def precompute(
        self, images: Callable[[int], Tensor], count: int, *, workers: int, say: Callable[[str], None]
    ) -> int:
        """Computes it for the images 0..count-1 in `workers` processes, and returns how many were new."""


@runtime_checkable
class EvaluatesViews(Protocol):
    """Preprocessing from which evaluation takes more than prediction does: views, to measure how near they lie."""

    def evaluated(self) -> Preprocess:
        """What makes the inputs of evaluation."""


@runtime_checkable
class LooksAtRegions(Protocol):
    """Preprocessing of regions of an image, which annotations or a detector tell: `zorki predict --boxes-from`."""

    def in_regions(
        self,
        images: Sequence[Tensor],
        regions: Sequence[Boxes | None],
        generators: Sequence[torch.Generator] | None = None,
    ) -> tuple[Any, list[Placement]]:
        """As `Preprocess.__call__`, of the regions of each image; None: the image as a whole."""


@runtime_checkable
class Smooths(Protocol[Smoothed]):
    """A task's presentation whose predictions of a video's frames can be rid of jitter: `zorki predict --smooth`."""

    def smoother(self, settings: str) -> Callable[[Smoothed, float], Smoothed]:
        """What filters the predictions of one video, frame after frame, given the time of each in seconds.

        Args:
            settings: the filter's name, and its parameters, as they were typed.

        Raises:
            RecipeError: there is no such filter, or it has no such parameter.
        """


@runtime_checkable
class DrawsInputs(Protocol):
    """A task's presentation that shows the first training batch as the network receives it: INPUTS.png in the run."""

    inputs_name: str
    """Of the file, without suffix."""

    def draw_inputs(self, inputs: Any) -> UInt8[ndarray, "3 H W"]:
        """A sheet of what `preprocess` made of some images, on the CPU."""


@runtime_checkable
class HasStride(Protocol):
    """Preprocessing to sizes that are multiples of a network's stride, in network pixels: `zorki predict --tile`."""

    stride: int


@runtime_checkable
class JoinsParts(Protocol):
    """Preprocessing whose batches of some images can be joined to that of all: large images are let go early.

    It draws nothing from its generators.
    """

    def join(self, parts: Sequence[tuple[Any, list[Placement]]]) -> tuple[Any, list[Placement]]:
        """The batch, to the bit, that all images of the parts would have made at once."""


@runtime_checkable
class FitsCanvas(Protocol):
    """Preprocessing to canvases of several sizes, which can be larger: for exported files that take one size alone."""

    @property
    def stride(self) -> int:
        """Sides of the canvas are multiples of it."""

    def on_canvas(self, part: tuple[Any, list[Placement]], height: int, width: int) -> tuple[Any, list[Placement]]:
        """The batch, images alone, on a canvas of that size, which is no smaller."""


@runtime_checkable
class TakesReducedImages(Protocol):
    """Preprocessing to sizes that are small beside photos, for predictions without coordinates: `--reduced-jpeg`."""

    @property
    def decoded_side(self) -> int | None:
        """Pixels of the shorter side that a decoded image has at least; None: all of the file's."""

    def reduced(self) -> Preprocess:
        """The same, with a `decoded_side`."""


@runtime_checkable
class ReadsReduced(Protocol):
    """A dataset that can decode its images at a part of their size."""

    def read_reduced(self, index: int, shorter_side: int | None) -> Sample[Any]:
        """The sample, its image's shorter side at least so many pixels. Raises DataError as `Dataset`."""


@runtime_checkable
class NumbersImages(Protocol):
    """A dataset whose files number its images, in their order; None: they do not. For files of predictions."""

    image_ids: Sequence[Any] | None


@runtime_checkable
class NumbersClasses(Protocol):
    """A dataset whose classes have numbers in files of the field, in the order of labels."""

    category_ids: Sequence[int]


@runtime_checkable
class InFolder(Protocol):
    """A dataset whose images are called by their paths in a folder, which may lie below its root."""

    folder: Path


@runtime_checkable
class CountsPixels(Protocol):
    """A dataset of masks that has counted the pixels of each class as it was read.

    `counts` is (images, K), `sizes` (images, 2) the height and width of each, in pixels.
    """

    counts: Any
    sizes: Any


@runtime_checkable
class Embeds(Protocol):
    """A model whose prediction for an image is a vector: `zorki index`, `search`, `identify`, `verify`."""

    embedding_dim: int
    """Numbers of a vector."""


@runtime_checkable
class Compared(Protocol):
    """A model whose evaluation is held against a simpler one, beside the baseline that looks at no image."""

    def comparison_model(self) -> str | None:
        """Its name, made of the weights that this one began with; None where there is none."""


@runtime_checkable
class ReducesInputs(Protocol):
    """Preprocessing whose model is evaluated on less, too, such as clips in no order: rows beside the baseline."""

    def reduced_inputs(self) -> Mapping[str, Preprocess]:
        """The same with less in it, by what is left: names of rows."""


@runtime_checkable
class ComparesImages(Protocol):
    """A metric of pairs of images: one that is drawn twice would find itself, so there is no bootstrap over images."""

    compares_images: bool


@runtime_checkable
class Grouped(Protocol):
    """A dataset whose samples are of groups, such as films or persons: `--hold-out`, `--folds group`."""

    def groups(self) -> list[str]:
        """The group of each sample."""

    def hold_out(self, group: str) -> Dataset[Any]:
        """The same with this group as test, and all others as train. Raises DataError where there is none."""

"""Three models that are not shipped prove the contracts: views with a reference split, clips, and a state over frames.

Each goes through the engine from data to predictions.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from zorki import registry
from zorki.contracts import Dataset, Evaluation, Metric, Model, Presentation, Task, TaskData
from zorki.contracts.capabilities import TakesReference, Tracks
from zorki.contracts.metric import MetricResult
from zorki.data.images import write_image
from zorki.data.loading.samplers import ClassSampler
from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.views import Views
from zorki.data.scenes.dataset import SceneClassification
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.prediction.predict import predict
from zorki.engine.run.open import load, open_run
from zorki.engine.training.train import train
from zorki.errors import RecipeError
from zorki.types import Boxes, Embedding, Label, Sample, TrackedBoxes, Unlabeled

PLAIN = {"batch_size": 8, "epochs": 1, "workers": 0, "device": "cpu", "normalize": "weights", "quiet": True}


@pytest.fixture
def registered():
    """Registers builders for one test."""
    names = []

    def register(task, build, **settings):
        registry.model(task, **settings)(build)
        names.append(build.__name__)

    yield register
    for name in names:
        del registry._entries[name]


class Made(Dataset):
    """Samples made as they are read: the first ones to train on, then val, then test."""

    format, reason, split_reason, in_memory, defects = "made", "made", "made", True, []
    root = Path("made")

    def __init__(self, make, counts, class_names=("a", "b")):
        self.make, self.class_names = make, list(class_names)
        bounds = [0, counts[0], counts[0] + counts[1], sum(counts)]
        names = ("train", "val", "test")
        self.splits = {name: list(range(a, b)) for name, a, b in zip(names, bounds, bounds[1:], strict=False) if b > a}
        self.count = sum(counts)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.make(index)

    def target(self, index):
        return self.make(index).target

    def path(self, index):
        return Path("made") / str(index)

    def check(self, index):
        return None


class Words(Presentation):
    """Annotations as records alone."""

    def draw(self, image, annotation, info):
        return image

    def to_record(self, annotation, info):
        return annotation.to_json()


# -- views: two of each image are to lie near each other; evaluated by the nearest neighbor among the training images


@dataclass(frozen=True, kw_only=True)
class NeighborScores(MetricResult):
    gallery: int
    recall_at_1: float


class Neighbor(Metric):
    def __init__(self):
        self.reset()

    def reset(self):
        self.reference, self.found = [], []

    def update_reference(self, predictions, targets):
        assert not self.found, "the reference comes first"
        self.reference += zip(predictions, targets, strict=True)

    def update(self, predictions, targets):
        self.found += zip(predictions, targets, strict=True)

    def merge(self, other):
        self.reference += other.reference
        self.found += other.found

    def compute(self):
        gallery = torch.stack([one.vector for one, _ in self.reference])
        queries = torch.stack([one.vector for one, _ in self.found])
        nearest = torch.cdist(queries, gallery).argmin(1).tolist()
        right = [self.reference[k][1].index == target.index for k, (_, target) in zip(nearest, self.found, strict=True)]
        return NeighborScores(count=len(right), gallery=len(gallery), recall_at_1=sum(right) / len(right))


class ViewData(TaskData):
    def read(self, root, *, format=None, class_names=None, max_pixels=None, selection=None):
        return SceneClassification(40, size=(24, 24))

    def augment(self, sample, recipe, info, generator):
        tops = torch.randint(0, 5, (2, 2), generator=generator).tolist()
        views = [sample.image[:, top : top + 20, left : left + 20] for top, left in tops]
        return replace(sample, image=torch.stack(views))

    def sampler(self, targets, recipe, info):
        return ClassSampler([target.index for target in targets], classes=4, samples=2)


class ViewEvaluation(Evaluation):
    def metric(self, info):
        return Neighbor()

    def reference_split(self, split):
        return "train"


class Pretraining(Task):
    name, monitor, summary = "two_views", "recall_at_1", "Views."
    data, evaluation, presentation = ViewData(), ViewEvaluation(), Words()


class Siamese(Model):
    def __init__(self, size):
        super().__init__()
        self.preprocess = Views(ResizeCrop(size))
        self.network = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(6))
        self.network(torch.zeros(1, 3, size, size))

    def forward(self, inputs):
        views = inputs.shape[1]
        return self.network(inputs.flatten(0, 1) / 255).unflatten(0, (len(inputs), views))

    def loss(self, outputs, targets):
        unit = functional.normalize(outputs, dim=-1)
        return {"distance": (unit - unit.mean(1, keepdim=True)).square().sum(-1).mean()}

    def decode(self, outputs, placements):
        return [Embedding(vector) for vector in outputs.mean(1)]


def siamese(num_classes: int, *, size: int = 16):
    """A network that sees two views."""
    return Siamese(size)


def test_views_are_learned_and_evaluated_by_their_neighbors(registered, tmp_path):
    registered(Pretraining, siamese)
    assert isinstance(Neighbor(), TakesReference)
    run = train("siamese", "made", out=str(tmp_path), **PLAIN)
    figures = run.results["test"]["metrics"]
    assert figures["gallery"] == len(SceneClassification(40, size=(24, 24)).splits["train"])
    again = load(run.folder)
    assert again.model.preprocess == Views(ResizeCrop(16))
    (result,) = evaluate(again, "made", split="test", quiet=True)
    assert result.metrics.to_json() == figures
    image = torch.randint(0, 256, (3, 30, 40), dtype=torch.uint8)
    (one,) = again.model.decode(again.model(again.model.preprocess([image])[0]), [None])
    assert one.vector.shape == (6,)
    with pytest.raises(RecipeError, match="batch_size is 6, but the task draws batches of 8"):
        train("siamese", "made", out=str(tmp_path), **{**PLAIN, "batch_size": 6})


# -- clips: does a light move to the left or to the right?


def light(index):
    """Twelve frames of a light that goes one column a frame; the class is its direction."""
    label = index % 2
    frames = torch.zeros((12, 3, 16, 16), dtype=torch.uint8)
    for number in range(12):
        column = 2 + number if label else 13 - number
        frames[number, :, 4 + index % 8, column] = 255
    return Sample(frames, Label(label), Path("made") / str(index))


class ClipData(TaskData):
    def read(self, root, *, format=None, class_names=None, max_pixels=None, selection=None):
        return Made(light, (24, 8, 8), ("left", "right"))

    def augment(self, sample, recipe, info, generator):
        return sample


class ClipEvaluation(Evaluation):
    def metric(self, info):
        from zorki.tasks.classification.metric import ClassificationMetric

        return ClassificationMetric(info.names)


class VideoClassification(Task):
    name, monitor, summary, unit = "moving_lights", "top1", "Clips.", "clip"
    data, evaluation, presentation = ClipData(), ClipEvaluation(), Words()


class Difference(Model):
    """How far the light gets from frame to frame, times a weight."""

    def __init__(self):
        super().__init__()
        self.preprocess = Clips(3, 2, ResizeCrop(16))
        self.scale = nn.Parameter(torch.tensor([0.0, 0.1]))
        self.register_buffer("columns", torch.arange(16.0))

    def forward(self, inputs):
        assert inputs.shape[1:] == (3, 3, 16, 16)
        share = inputs.float().mean((2, 3))
        where = (share * self.columns).sum(-1) / share.sum(-1)
        return (where[:, -1] - where[:, 0])[:, None] * self.scale

    def loss(self, outputs, targets):
        return {"cross_entropy": functional.cross_entropy(outputs, torch.tensor([one.index for one in targets]))}

    def decode(self, outputs, placements):
        return [Label(int(row.argmax()), row) for row in outputs.softmax(1)]


def difference(num_classes: int):
    """A network that compares frames."""
    return Difference()


def test_clips_are_learned_evaluated_and_predicted_as_a_whole(registered, tmp_path):
    registered(VideoClassification, difference)
    run = train("difference", "made", out=str(tmp_path), **PLAIN)
    assert run.results["test"]["metrics"]["top1"] == 1.0
    again = load(run.folder)
    assert again.model.preprocess == Clips(3, 2, ResizeCrop(16))
    assert float(again.model.scale[1].detach()) > 0.1, "it has learned"
    from zorki.engine.prediction.video import VideoWriter

    pytest.importorskip("av")
    for label in (0, 1):
        with VideoWriter(tmp_path / f"{label}.mp4") as video:
            for frame in light(label).image:
                video.write(frame)
    answers = predict(again, [str(tmp_path / "0.mp4"), str(tmp_path / "1.mp4")], quiet=True)
    assert [(answer.annotation.index, answer.frame) for answer in answers] == [(0, None), (1, None)]


# -- videos: a bright square is followed by the brightness that it has


def square_at(index, number):
    left, top = 2.0 + number + index % 3, 3.0 + (number * (index % 2)) / 2
    return torch.tensor([[left, float(int(top)), left + 6, int(top) + 6.0]])


def film(index):
    frames = torch.zeros((8, 3, 24, 32), dtype=torch.uint8)
    boxes = torch.cat([square_at(index, number) for number in range(8)])
    for frame, (left, top, right, bottom) in zip(frames, boxes.long().tolist(), strict=True):
        frame[:, top:bottom, left:right] = 200
    return Sample(frames, TrackedBoxes(torch.arange(8), torch.zeros(8, dtype=torch.int64), boxes), Path(str(index)))


@dataclass(frozen=True, kw_only=True)
class OverlapScores(MetricResult):
    overlap: float


class Overlap(Metric):
    def __init__(self):
        self.reset()

    def reset(self):
        self.values = []

    def update(self, predictions, targets):
        from zorki.ops.boxes import pairwise_iou

        self.values += [float(pairwise_iou(p.xyxy, t.xyxy).diagonal().mean()) for p, t in zip(predictions, targets)]

    def merge(self, other):
        self.values += other.values

    def compute(self):
        return OverlapScores(count=len(self.values), overlap=sum(self.values) / len(self.values))


class FilmData(TaskData):
    def read(self, root, *, format=None, class_names=None, max_pixels=None, selection=None):
        return Made(film, (16, 3, 3), ("thing",))

    def augment(self, sample, recipe, info, generator):
        """The object in one frame, and the same frame again: what a tracker compares."""
        number = int(torch.randint(8, (), generator=generator))
        frame = sample.image[number]
        return Sample(torch.stack([frame, frame]), Boxes(sample.target.xyxy[[number]], torch.tensor([0])), sample.path)

    def prompt(self, target):
        return Boxes(target.xyxy[:1], torch.tensor([0]))


class FilmEvaluation(Evaluation):
    def metric(self, info):
        return Overlap()

    def join(self, predictions, size):
        count = len(predictions)
        xyxy = torch.cat([one.xyxy for one in predictions])
        return TrackedBoxes(torch.arange(count), torch.zeros(count, dtype=torch.int64), xyxy)


class Tracking(Task):
    name, monitor, summary, unit = "bright_squares", "overlap", "Videos.", "video"
    data, evaluation, presentation = FilmData(), FilmEvaluation(), Words()


@dataclass(frozen=True)
class Following:
    height: float
    width: float


class Follower(Model):
    """The box of what is brighter than a learned level, as large as in the first frame."""

    def __init__(self):
        super().__init__()
        self.preprocess = Views(ResizeCrop(24))
        self.level = nn.Parameter(torch.tensor(20.0))

    def forward(self, inputs):
        return torch.sigmoid((inputs.float().mean(2) - self.level) / 10)

    def loss(self, outputs, targets):
        return {"level": (outputs - 0.5).square().mean()}

    def decode(self, outputs, placements):
        raise AssertionError("videos are followed")

    def start(self, frame, box):
        assert frame.shape == (3, 24, 32)
        left, top, right, bottom = box.xyxy[0].tolist()
        return Following(bottom - top, right - left)

    def step(self, state, frame):
        rows, columns = (frame.float().mean(0) > self.level).nonzero(as_tuple=True)
        top, left = float(rows.min()), float(columns.min())
        return state, Boxes(torch.tensor([[left, top, left + state.width, top + state.height]]), torch.tensor([0]))


def follower(num_classes: int):
    """A model that keeps the size of an object."""
    return Follower()


def test_videos_are_followed_frame_by_frame(registered, tmp_path):
    registered(Tracking, follower)
    assert isinstance(Follower(), Tracks)
    run = train("follower", "made", out=str(tmp_path), **PLAIN)
    assert run.results["test"]["metrics"]["overlap"] == 1.0
    assert run.results["test"]["losses"] == {}
    again = load(run.folder)
    assert float(again.model.level.detach()) != 20, "it has learned"
    frames = film(1)
    prompt = Tracking.data.prompt(frames.target)
    from zorki.engine.prediction.video import VideoWriter

    pytest.importorskip("av")
    with VideoWriter(tmp_path / "film.mp4") as video:
        for frame in frames.image:
            video.write(frame)
    answers = predict(again, str(tmp_path / "film.mp4"), prompt=prompt, quiet=True)
    found = torch.cat([answer.annotation.xyxy for answer in answers])
    assert [answer.frame for answer in answers] == list(range(8))
    assert (found - frames.target.xyxy).abs().max() <= 2, "compressed frames are soft"
    with pytest.raises(RecipeError, match="give one run, and a prompt"):
        predict(again, str(tmp_path / "film.mp4"))


# -- what does not learn


class Styles(Task):
    name, monitor, summary = "styles", "none", "No training."
    data, evaluation, presentation = ClipData(), ClipEvaluation(), Words()


class Still(Follower):
    def decode(self, outputs, placements):
        return [Unlabeled() for _ in placements]


def still(num_classes: int):
    """A model that has nothing to learn."""
    return Still()


def test_what_does_not_learn_predicts_as_it_is_built(registered, tmp_path):
    registered(Styles, still, trainable=False)
    with pytest.raises(RecipeError, match="still learns nothing from data; use it as it is: zorki predict still IMAGE"):
        train("still", "made")
    assert open_run("still").info.names[:2] == ("0", "1")
    write_image(tmp_path / "black.png", torch.zeros((3, 20, 20), dtype=torch.uint8))
    (answer,) = predict("still", str(tmp_path / "black.png"))
    assert answer.annotation == Unlabeled()

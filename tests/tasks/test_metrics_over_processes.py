"""What one, two and three processes count of a split is the same, in every task: also of counts that do not divide.

Each has its share by the loader of evaluation; the shares travel as bytes, and are merged in the order of the ranks.
"""

import dataclasses
import math
import pickle
from pathlib import Path

import made_masks
import pytest
import torch

from zorki import registry
from zorki.data.annotations.keypoints.skeletons import COCO_NAMES, skeleton_of
from zorki.data.loading.loader import share_of
from zorki.data.scenes.dataset import SceneClassification
from zorki.engine.evaluation.split import eval_loader
from zorki.engine.run.open import TrainedModel
from zorki.recipe import Recipe
from zorki.types import (
    Boxes,
    ClassInfo,
    Embedding,
    GeneratedImage,
    Keypoints,
    Label,
    Mask,
    TrackedBoxes,
    VideoLabel,
)

COUNT, BATCH = 23, 4  # the last batch has three
NAMES = ("a", "b", "c")


def classes(seed, kind=Label, **more):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand((COUNT, 3), generator=generator).softmax(1)
    labels = torch.randint(0, 3, (COUNT,), generator=generator).tolist()
    found = [kind(int(row.argmax()), row, **{name: value(row) for name, value in more.items()}) for row in scores]
    return found, [Label(label) for label in labels]


def films(seed):
    return classes(seed, VideoLabel, clips=lambda row: torch.stack([row, row.flip(0)]))


def masks(seed):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, 3, (2, COUNT, 9, 7), generator=generator).byte()
    return [Mask(one, 255) for one in drawn[0]], [Mask(one, 255) for one in drawn[1]]


def objects(seed):
    """Scores of one digit, as many are equal."""
    found, targets = made_masks.made(seed, COUNT, crowd=0.1)
    return [dataclasses.replace(one, scores=(one.scores * 10).round() / 10) for one in found], targets


def boxes(seed):
    found, targets = objects(seed)
    return [Boxes(one.xyxy, one.labels, one.scores) for one in found], [
        Boxes(one.xyxy, one.labels, crowd=one.crowd) for one in targets
    ]


def one_box(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand((COUNT, 2, 2), generator=generator) * 20
    sides = torch.cat([corners[:, 0], corners[:, 0] + corners[:, 1] + 1], 1)
    found = [Boxes(side + torch.rand((3, 4), generator=generator), torch.arange(3), torch.rand(3)) for side in sides]
    return found, [Boxes(side[None], torch.tensor([number % 3])) for number, side in enumerate(sides)]


def poses(seed):
    generator = torch.Generator().manual_seed(seed)
    found, targets = [], []
    for _ in range(COUNT):
        corner = torch.rand((2, 1, 2), generator=generator) * 40 + torch.tensor([0.0, 150.0])[:, None, None]
        points = corner + torch.rand((2, 17, 2), generator=generator) * 100
        sides = torch.cat([corner[:, 0], corner[:, 0] + 100], 1)
        target = Keypoints(points, torch.full((2, 17), 2), xyxy=sides, labels=torch.zeros(2, dtype=torch.int64))
        targets.append(target)
        moved = points + torch.randn((2, 17, 2), generator=generator) * 6
        found.append(dataclasses.replace(target, points=moved, scores=torch.rand(2, generator=generator)))
    return found, targets


def vectors(seed):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.nn.functional.normalize(torch.randn((COUNT, 5), generator=generator))
    return [Embedding(one) for one in drawn], [Label(number % 3) for number in range(COUNT)]


def tracks(seed):
    generator = torch.Generator().manual_seed(seed)
    found, targets = [], []
    for number in range(COUNT):
        sides = torch.tensor([[0.0, 0.0, 10.0, 10.0]]) + torch.arange(4.0)[:, None]
        target = TrackedBoxes(torch.arange(4), torch.zeros(4, dtype=torch.int64), sides, sequence=f"film-{number}")
        targets.append(target)
        found.append(dataclasses.replace(target, xyxy=sides + torch.rand((4, 4), generator=generator) * 3))
    return found, targets


def images(seed):
    drawn = torch.randint(0, 256, (COUNT, 3, 6, 6), generator=torch.Generator().manual_seed(seed)).byte()
    return [GeneratedImage(one) for one in drawn], [Label(0)] * COUNT


MADE = {
    "classification": classes, "video_classification": films, "semantic_segmentation": masks, "detection": boxes,
    "instance_segmentation": objects, "localization": one_box, "pose": poses, "retrieval": vectors,
    "pretraining": vectors, "tracking": tracks, "style_transfer": images,
}  # fmt: skip


def info_of(task):
    if task == "pose":
        return ClassInfo(("person",), skeleton=skeleton_of(COCO_NAMES))
    return ClassInfo(NAMES, objects="one") if task == "localization" else ClassInfo(NAMES)


def shares(world):
    """Numbers of the samples of each process, batch by batch."""
    numbers = [share_of(range(COUNT), rank, world) for rank in range(world)]
    return [[share[start : start + BATCH] for start in range(0, len(share), BATCH)] for share in numbers]


def counted(task, found, targets, share):
    metric = registry.task(task).evaluation.metric(info_of(task))
    for batch in share:
        chosen = [found[number] for number in batch], [targets[number] for number in batch]
        if task == "pretraining":
            metric.update_reference(*chosen)
        metric.update(*chosen)
    return metric


@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_sample_is_evaluated_by_one_process(world):
    entry, data = registry.find("lenet5"), SceneClassification(30)
    model = entry.build(len(data.class_names))
    run = TrainedModel(Path("run"), "lenet5", entry.task, ClassInfo(NAMES), Recipe(), {}, model)
    for count in (1, 11, 12):
        loaders = [
            eval_loader(run, data, range(count), batch_size=6, workers=0, rank=rank, world=world)
            for rank in range(world)
        ]
        assert [number for loader in loaders for batch in loader for number in batch.indices] == list(range(count))


def test_every_task_is_tried():
    assert set(MADE) == set(registry.tasks())


def nearly(one, other, place=""):
    """Where two results of plain JSON differ, by more than the order of sums does."""
    if isinstance(one, dict):
        return [found for name in one for found in nearly(one[name], other[name], f"{place}.{name}")]
    if isinstance(one, list):
        assert len(one) == len(other), place
        return [
            found for row, pair in enumerate(zip(one, other, strict=True)) for found in nearly(*pair, f"{place}.{row}")
        ]
    same = math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12) if isinstance(one, float) else one == other
    return [] if same else [(place, one, other)]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("task", sorted(MADE))
def test_processes_count_as_one(task, world):
    found, targets = MADE[task](3)
    whole = counted(task, found, targets, shares(1)[0]).compute().to_json()
    parts = [pickle.loads(pickle.dumps(counted(task, found, targets, share))) for share in shares(world)]
    for part in parts[1:]:
        parts[0].merge(part)
    assert nearly(whole, parts[0].compute().to_json()) == []
    assert whole["count"] == COUNT

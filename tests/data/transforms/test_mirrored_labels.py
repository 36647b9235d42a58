"""What was left is right in a mirrored image, whatever is annotated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zorki.data.transforms.mirrored_labels import mirrored_labels
from zorki.registry import tasks
from zorki.types import Boxes, ClassInfo, Instances, Label, Mask, Sample

NAMES = ("cat", "left ear", "right ear")


def test_labels_of_two_sides_change_places_and_others_stay():
    labels = torch.tensor([0, 1, 2, 2, 255])
    assert mirrored_labels(labels, NAMES).tolist() == [0, 2, 1, 1, 255]
    assert labels.tolist() == [0, 1, 2, 2, 255]
    assert mirrored_labels(labels, ("a", "b")) is labels


def _annotations():
    xyxy = torch.tensor([[0.0, 0.0, 4.0, 8.0], [8.0, 0.0, 12.0, 8.0]])
    masks = torch.zeros(2, 8, 12, dtype=torch.bool)
    masks[0, :, :4], masks[1, :, 8:] = True, True
    labels = torch.tensor([1, 2])
    classes = torch.zeros(8, 12, dtype=torch.uint8)
    classes[:, :4], classes[:, 8:] = 1, 2
    return {
        "classification": (Label(1), lambda label: [label.index], [2]),
        "detection": (Boxes(xyxy, labels), lambda boxes: boxes.labels.tolist(), [2, 1]),
        "instance_segmentation": (Instances(xyxy, labels, masks), lambda objects: objects.labels.tolist(), [2, 1]),
        "semantic_segmentation": (Mask(classes), lambda mask: mask.classes.tolist(), None),
    }


@pytest.mark.parametrize("task", ["classification", "detection", "instance_segmentation", "semantic_segmentation"])
@pytest.mark.parametrize(("flips", "mirrored"), [((1, 0), True), ((0, 1), True), ((1, 1), False), ((0, 0), False)])
def test_every_task_exchanges_classes_of_two_sides_where_it_mirrors_the_image(task, flips, mirrored):
    target, labels_of, expected = _annotations()[task]
    kind = tasks()[task]
    recipe = kind.settings(hflip=float(flips[0]), vflip=float(flips[1]), random_crop=1.0, translate=0.0)
    sample = Sample(torch.zeros(3, 8, 12, dtype=torch.uint8), target, Path("a.png"))
    varied = kind.data.augment(sample, recipe, ClassInfo(NAMES), torch.Generator().manual_seed(0)).target
    plain = kind.data.augment(sample, recipe, ClassInfo(("a", "b", "c")), torch.Generator().manual_seed(0)).target
    if mirrored and task != "semantic_segmentation":
        assert labels_of(varied) == expected
        assert labels_of(plain) == labels_of(target)
    elif mirrored:
        assert (varied.classes == mirrored_labels(plain.classes, NAMES)).all()
        assert (varied.classes != plain.classes).any()
    else:
        assert labels_of(varied) == labels_of(plain)

"""Joints written in the formats of others and read again: what comes back, and what is told of the rest."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from zorki.contracts import Dataset
from zorki.data.annotations.keypoints.skeletons import COCO_NAMES, MPII_NAMES, skeleton_of
from zorki.data.formats import names, writable
from zorki.data.formats.readers import read_keypoints
from zorki.data.formats.writers import write_keypoints
from zorki.data.scenes.keypoints import SceneKeypoints
from zorki.errors import DataError
from zorki.types import ClassInfo, Keypoints, Sample, Skeleton


@dataclass
class InMemory(Dataset[Keypoints]):
    """Black images of 80 x 40 pixels with the objects that are given."""

    targets: list[Keypoints]
    skeleton: Skeleton
    class_names: list[str]
    root: Path = Path("memory")
    format: str = "memory"
    reason: str = "given"
    split_reason: str = "given"
    splits: dict[str, list[int]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    defects: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = [f"{place}.png" for place in range(len(self.targets))]
        self.splits = self.splits or {"train": list(range(len(self.targets)))}

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Sample[Keypoints]:
        return Sample(torch.zeros((3, 40, 80), dtype=torch.uint8), self.targets[index], self.path(index))

    def target(self, index: int) -> Keypoints:
        return self.targets[index]

    def path(self, index: int) -> Path:
        return Path(self.names[index])

    def check(self, index: int) -> None:
        return None

    def class_info(self) -> ClassInfo:
        return ClassInfo(tuple(self.class_names), skeleton=self.skeleton)


def objects(points, flags, boxes, labels=None, **more):
    return Keypoints(
        torch.tensor(points, dtype=torch.float32),
        torch.tensor(flags),
        xyxy=torch.tensor(boxes, dtype=torch.float32),
        labels=torch.tensor(labels or [0] * len(points)),
        **more,
    )


@pytest.fixture(scope="module")
def scenes():
    return SceneKeypoints(10, size=(64, 64))


def both(scenes, found):
    """Each image's objects, ours and those that were read, whose joints are brought into our order."""
    by_name = {found.path(index).name: index for index in range(len(found))}
    order = [found.skeleton.names.index(name) for name in scenes.skeleton.names]
    for index in range(len(scenes)):
        theirs = found.target(by_name[scenes.path(index).name])
        yield (
            scenes.target(index),
            dataclasses.replace(theirs, points=theirs.points[:, order], visibility=theirs.visibility[:, order]),
        )


@pytest.mark.parametrize("to", ["coco", "yolo", "label_studio", "cvat"])
def test_what_is_written_is_read_again(tmp_path, to, scenes):
    lost = " | ".join(write_keypoints(scenes, tmp_path / "out", to))
    found = read_keypoints(tmp_path / "out")
    assert found.format == to
    assert {name: len(own) for name, own in found.splits.items()} == {n: len(own) for n, own in scenes.splits.items()}
    names, pairs = found.skeleton.names, found.skeleton.flip_pairs
    if pairs is not None:  # places that follow from no name
        assert {frozenset((names[a], names[b])) for a, b in pairs} == {frozenset(("left", "right"))}
    assert (found.skeleton.limbs == scenes.skeleton.limbs) == (to == "coco")
    assert ("OKS sigmas" in lost) == (to != "coco")
    for ours, theirs in both(scenes, found):
        known = ours.labeled
        flags = torch.where(known, 2, 0) if to == "label_studio" else ours.visibility
        assert torch.equal(flags, theirs.visibility)
        torch.testing.assert_close(ours.points[known], theirs.points[known], atol=2e-3, rtol=0)
        if to == "cvat":
            assert "no boxes" in lost
        else:
            torch.testing.assert_close(ours.xyxy, theirs.xyxy, atol=2e-3, rtol=0)
        read = [found.class_names[label] for label in theirs.labels.tolist()]
        assert read == [scenes.class_names[label] for label in ours.labels.tolist()]


def test_cvat_s_labels_are_a_skeleton_and_its_points(tmp_path):
    data = InMemory(
        [objects([[[1.5, 2], [30, 20], [0, 0]]], [[2, 1, 0]], [[0, 0, 40, 30]])], skeleton_of("abc"), ["dog"]
    )
    write_keypoints(data, tmp_path / "out", "cvat")
    text = (tmp_path / "out/annotations.xml").read_text()
    for piece in (
        "<project>", "<subset>train</subset>", "<name>dog</name>", "<type>skeleton</type>", "<parent>dog</parent>",
        'subset="train" width="80" height="40"',
        '<points label="a" outside="0" occluded="0" points="1.5,2" />',
        'label="b" outside="0" occluded="1" points="30,20"',
        'label="c" outside="1" occluded="0"',
    ):  # fmt: skip
        assert piece in text


def test_mpii_keeps_joints_and_squares_around_boxes(tmp_path):
    generator = torch.Generator().manual_seed(0)
    points = (2 + 30 * torch.rand((2, 16, 2), generator=generator)).tolist()
    flags = torch.randint(0, 3, (2, 16), generator=generator).tolist()
    people = objects(points, flags, [[10, 5, 30, 25], [0, 0, 40, 20]])
    data = InMemory([people, people[:0]], skeleton_of(MPII_NAMES), ["person"])
    lost = write_keypoints(data, tmp_path / "out", "mpii")
    found = read_keypoints(tmp_path / "out")
    assert (found.format, found.skeleton.names, found.class_names, len(found)) == ("mpii", MPII_NAMES, ["person"], 1)
    target = found.target(0)
    assert torch.equal(target.visibility, people.visibility)
    torch.testing.assert_close(target.points[people.labeled], people.points[people.labeled], atol=2e-3, rtol=0)
    # What of the square reaches beyond the image is cut off when it is read.
    torch.testing.assert_close(target.xyxy, torch.tensor([[10.0, 5, 30, 25], [0, 0, 40, 30]]), atol=1e-3, rtol=0)
    told = " | ".join(lost)
    assert "1 boxes are no squares" in told
    assert "1 images without objects" in told


def test_mpii_refuses_other_joints_that_would_be_taken_for_its_own(tmp_path):
    points = torch.rand((1, 16, 2)).tolist()
    data = InMemory([objects(points, [[2] * 16], [[0, 0, 9, 9]])], skeleton_of(COCO_NAMES[:16]), ["person"])
    with pytest.raises(DataError, match=r"16 joints would be read as right_ankle, .* and the data have nose"):
        write_keypoints(data, tmp_path / "out", "mpii")
    assert not (tmp_path / "out").exists()
    few = InMemory([objects([[[1, 1], [5, 6]]], [[2, 2]], [[0, 0, 9, 9]])], skeleton_of(["a", "b"]), ["dog"])
    told = " | ".join(write_keypoints(few, tmp_path / "few", "mpii"))
    assert "a, ... are read as joint_1, ..." in told
    assert "not kept is dog" in told
    assert read_keypoints(tmp_path / "few").target(0).points.tolist() == [[[1, 1], [5, 6]]]


def test_tables_hold_images_of_one_object(tmp_path):
    one = objects([[[1.25, 2], [30, 20], [0, 0]]], [[2, 1, 0]], [[0, 0, 80, 40]])
    two = objects([[[1, 2], [30, 20], [3, 4]]] * 2, [[2, 2, 2]] * 2, [[0, 0, 80, 40]] * 2)
    data = InMemory(
        [one, two, one], skeleton_of(["nose", "left_ear", "right_ear"]), ["dog"], splits={"train": [0, 1], "test": [2]}
    )
    told = " | ".join(write_keypoints(data, tmp_path / "out", "csv"))
    found = read_keypoints(tmp_path / "out")
    assert (found.format, found.skeleton.names, len(found)) == ("csv", data.skeleton.names, 2)
    assert {split: len(own) for split, own in found.splits.items() if own} == {"train": 1, "test": 1}
    for index in range(2):
        assert found.target(index).points.tolist() == one.points.tolist()
        assert found.target(index).visibility.tolist() == [[2, 2, 0]]
        assert found.target(index).xyxy.tolist() == [[0, 0, 80, 40]]
    assert "1 images with none or several are left out" in told
    assert "2 hidden joints are read as visible" in told
    assert not (tmp_path / "out/images/1.png").exists()
    with pytest.raises(DataError, match="no image of the data has just one"):
        write_keypoints(InMemory([two], data.skeleton, ["dog"]), tmp_path / "none", "csv")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("to", writable("keypoints"))
def test_crowds_and_images_without_objects_are_written_or_told(tmp_path, to):
    crowd = objects([[[1, 2], [30, 20]]], [[2, 2]], [[1, 2, 30, 20]], crowd=torch.tensor([True]))
    data = InMemory([crowd, crowd[:0]], skeleton_of(["a", "b"]), ["person"])
    told = " | ".join(write_keypoints(data, tmp_path / "out", to))
    found = read_keypoints(tmp_path / "out", to)
    assert ("no crowd objects: 1" in told) == (to != "coco")
    assert len(found) == 2 or "image" in told


def test_what_can_be_read_can_be_written():
    assert set(writable("keypoints")) == set(names("keypoints"))

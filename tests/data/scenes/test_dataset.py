from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2.functional import rotate

from zorki.data.scenes.dataset import CLASS_NAMES, MOTIONS, PLACES, Scene, SceneClassification, clip, parse, scene
from zorki.data.scenes.painting import individual
from zorki.data.scenes.shapes import SHAPES, Shape
from zorki.errors import DataError, ZorkiError

DROP = CLASS_NAMES.index("drop")

# A scene without its ground truth, which needs numpy alone: a process that loads no torch starts quickly.
DIGEST = """
import hashlib
from zorki.data.scenes.layout import arrange, dress
from zorki.data.scenes.painting import Canvas, individual, lamp
from zorki.data.scenes.textures import Chance
sums = hashlib.sha256()
for index in range(24):
    chance = Chance(0, 7, index)
    canvas = Canvas(96, 128, lamp(chance))
    canvas.ground(chance, 0.6)
    poses = arrange(chance, 4, (96, 128), (0.15, 0.3), 3.0, 0.6)
    dress(canvas, chance, [individual(7, 4 * index + i) for i in range(4)], poses, 0.6)
    sums.update(canvas.finish(Chance(2, 7, index), 3.0).tobytes())
digest = sums.hexdigest()
"""


def crowded(index: int) -> Scene:
    return scene(3, index, objects=(3, 5), clutter=0.9)


# -- determinism --


def test_a_scene_is_bit_equal_in_every_order_and_untouched_by_global_chance() -> None:
    forward = [scene(0, index).image for index in range(4)]
    np.random.seed(1)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    backward = [scene(0, index).image for index in reversed(range(4))]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(scene(0, 0).image, scene(1, 0).image)
    assert not torch.equal(scene(0, 0).image, scene(0, 1).image)


def test_another_process_with_other_vector_instructions_paints_the_same_bits() -> None:
    # Sines and powers differ between numpy's vector paths; scenes claim to use none on arrays.
    environment = {
        **os.environ,
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 X86_V3 X86_V4 AVX512_ICL",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-c", f"{DIGEST}print(digest)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here: dict[str, str] = {}
    exec(DIGEST, here)
    assert done.stdout.strip() == here["digest"]


# -- shapes --


def grid(side: int, reach: float) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-reach, reach, side, dtype=np.float32)
    return np.tile(axis, (side, 1)), np.tile(axis[:, None], (1, side))


@pytest.mark.parametrize("shape", SHAPES, ids=CLASS_NAMES)
@pytest.mark.parametrize("proportion", [0.0, 0.5, 1.0])
class TestShape:
    def test_the_field_outside_is_the_distance_to_the_nearest_inside(self, shape: Shape, proportion: float) -> None:
        x, y = grid(161, 1.2)
        field = shape.distance(x, y, proportion)
        inside = np.stack([x[field <= 0], y[field <= 0]], axis=1)
        outside = np.flatnonzero(field.ravel() > 0)[::97]
        points = np.stack([x.ravel()[outside], y.ravel()[outside]], axis=1)
        slow = np.sqrt(((points[:, None] - inside[None]) ** 2).sum(axis=2)).min(axis=1)
        assert np.abs(slow - field.ravel()[outside]).max() < 0.022  # the grid's diagonal, and rounded corners

    def test_the_field_inside_grows_no_faster_than_distance(self, shape: Shape, proportion: float) -> None:
        x, y = grid(161, 1.0)
        field = shape.distance(x, y, proportion)
        step = float(x[0, 1] - x[0, 0])
        assert np.abs(np.diff(field, axis=0)).max() <= step * 1.001 + 1e-6
        assert np.abs(np.diff(field, axis=1)).max() <= step * 1.001 + 1e-6

    def test_it_fits_the_unit_circle_and_fills_most_of_its_height(self, shape: Shape, proportion: float) -> None:
        x, y = grid(201, 1.3)
        inside = shape.distance(x, y, proportion) <= 0
        assert np.hypot(x, y)[inside].max() <= 1.07
        assert inside.any(axis=1).sum() * (2.6 / 200) > 1.0

    def test_it_is_its_own_mirror_image_and_so_are_its_places(self, shape: Shape, proportion: float) -> None:
        x, y = grid(41, 1.1)
        assert np.array_equal(shape.distance(x, y, proportion), shape.distance(-x, y, proportion))
        head, right, tail, left = shape.places(proportion)
        assert head[0] == tail[0] == 0
        assert right == (-left[0], left[1])

    def test_places_are_inside_and_near_the_edge(self, shape: Shape, proportion: float) -> None:
        points = np.array(shape.places(proportion), dtype=np.float32)
        assert points.shape == (len(PLACES), 2)
        field = shape.distance(points[:, :1], points[:, 1:], proportion)
        assert field.max() < 0
        assert field.min() > -0.26

    def test_turns_that_look_alike_are_one_turn(self, shape: Shape, proportion: float) -> None:
        x, y = grid(41, 1.0)
        for turn in (0.1, 1.0, 2.0, 3.0, -2.5):
            upright = shape.upright(turn)
            fields = [
                shape.distance(
                    (x * math.cos(a) + y * math.sin(a)).astype(np.float32),
                    (y * math.cos(a) - x * math.sin(a)).astype(np.float32),
                    proportion,
                )
                for a in (turn, upright)
            ]
            assert np.abs(fields[0] - fields[1]).max() < 1e-3
            assert abs(upright) <= math.pi / max(1, shape.symmetry) + 1e-9


# -- ground truth --


@pytest.mark.parametrize("index", range(6))
def test_boxes_are_tight_masks_are_disjoint_and_the_class_mask_is_their_union(index: int) -> None:
    made = crowded(index)
    masks = made.instances.masks
    assert len(made.boxes) == len(made.instances) == len(made.keypoints) == len(masks) >= 2
    assert int(masks.sum(dim=0).max()) == 1
    union = torch.zeros_like(made.mask.classes)
    for mask, label, box in zip(masks, made.instances.labels, made.boxes.xyxy, strict=True):
        union[mask] = label + 1
        rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
        tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == [float(edge) for edge in tight]
    assert torch.equal(union, made.mask.classes)
    assert torch.equal(made.boxes.xyxy, made.instances.xyxy)
    assert made.label is not None
    assert made.label.index == int(made.boxes.labels[int(masks.sum(dim=(1, 2)).argmax())])
    assert made.boxes.identities is not None
    assert torch.equal(made.boxes.identities % len(CLASS_NAMES), made.boxes.labels)
    assert len(set(made.boxes.identities.tolist())) == len(made.boxes)


def test_the_mask_is_where_the_image_shows_the_object() -> None:
    """The same scene without its object differs from it inside the mask, and outside only by the shadow's darkness."""
    bare = scene(2, 3, cast=[], clutter=0.0)
    full = scene(2, 3, cast=[30 + DROP], clutter=0.0)
    change = (full.image.float() - bare.image.float()).abs().sum(dim=0)
    inside = full.instances.masks[0]
    assert float((change[inside] > 24).float().mean()) > 0.9
    brighter = (full.image.float() - bare.image.float()).amax(dim=0) > 24
    # Half-covered pixels of the edge belong to the ground, and are the only brighter ones.
    near = torch.nn.functional.max_pool2d(inside[None].float(), 3, 1, 1)[0] > 0
    assert not bool((brighter & ~near).any())


def test_keypoints_are_on_the_object_and_seen_where_nothing_covers_them() -> None:
    hidden = 0
    for index in range(12):
        made = crowded(index)
        height, width = made.mask.classes.shape
        for row, mask in enumerate(made.instances.masks):
            near = torch.nn.functional.max_pool2d(mask[None].float(), 3, 1, 1)[0] > 0
            for point, seen in zip(made.keypoints.points[row], made.keypoints.visible[row], strict=True):
                column, line = math.floor(point[0]), math.floor(point[1])
                if not (0 <= column < width and 0 <= line < height):
                    assert not seen
                elif seen:
                    assert near[line, column]
                else:
                    hidden += 1
                    around = mask[max(0, line - 1) : line + 2, max(0, column - 1) : column + 2]
                    assert not around.all()
    assert hidden > 5


def test_a_positive_turn_is_clockwise_and_a_drop_is_heavy_at_its_tail() -> None:
    for index in range(5):
        made = scene(0, index, cast=[DROP], clutter=0.0, size=(90, 90), radius=(0.3, 0.3))
        head, right, tail, left = made.keypoints.points[0]
        axis, across = head - tail, right - left
        # Right of the way from tail to head, as seen on a screen whose y runs down.
        assert float(axis[0] * across[1] - axis[1] * across[0]) > 0
        rows, columns = made.instances.masks[0].nonzero().float().T + 0.5
        along = torch.stack([columns, rows], dim=1) - (head + tail) / 2
        assert float((along @ axis).mean() / axis.norm()) < -3


def test_an_individual_keeps_its_class_and_colors_over_poses_and_differs_from_others() -> None:
    def color(identity: int, index: int) -> torch.Tensor:
        made = scene(4, index, cast=[identity], clutter=0.0, radius=(0.25, 0.4))
        assert made.boxes.identities is not None
        assert made.boxes.identities.tolist() == [identity]
        assert made.boxes.labels.tolist() == [identity % len(CLASS_NAMES)]
        pixels = made.image[:, made.instances.masks[0]].float()
        return pixels.mean(dim=1)

    identities = range(20)
    first = torch.stack([color(identity, 0) for identity in identities])
    again = torch.stack([color(identity, 9) for identity in identities])
    nearest = torch.cdist(first, again).argmin(dim=1)
    assert float((nearest == torch.arange(20)).float().mean()) > 0.6  # by mean color alone; by chance 0.05
    assert individual(4, 7) == individual(4, 7)
    assert individual(4, 7).coat != individual(5, 7).coat


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (17, 200), (200, 17), (33, 64)])
@pytest.mark.parametrize("clutter", [0.0, 1.0])
def test_any_size(size: tuple[int, int], clutter: float) -> None:
    for index in range(6):
        made = scene(1, index, size=size, clutter=clutter)
        assert made.image.shape == (3, *size)
        assert made.mask.classes.shape == size
        assert made.instances.masks.shape == (len(made.boxes), *size)


def test_a_scene_without_objects_has_empty_ground_truth_and_a_image() -> None:
    made = scene(0, 0, objects=0)
    assert made.label is None
    assert made.boxes.xyxy.shape == (0, 4)
    assert made.keypoints.points.shape == (0, len(PLACES), 2)
    assert made.instances.masks.shape == (0, 96, 128)
    assert int(made.mask.classes.max()) == 0
    assert float(made.image.float().std()) > 1


@pytest.mark.parametrize(
    "wrong", [{"size": (0, 5)}, {"objects": (3, 2)}, {"clutter": 1.5}, {"radius": (0.0, 0.1)}, {"population": 0}]
)
def test_wrong_arguments_are_told(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|population"):
        scene(0, 0, **wrong)  # type: ignore[arg-type]


# -- clips --


def centers(motion: str, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Centers and sizes of the first object's boxes, frame by frame."""
    made = clip(6, index, motion=motion)
    assert made.label.index == MOTIONS.index(motion)
    assert made.tracks.frames.tolist() == list(range(16))
    assert len(made.frames) == 16
    xyxy = made.tracks.xyxy
    return (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize(
    ("motion", "direction"), [("left", (-1, 0)), ("right", (1, 0)), ("up", (0, -1)), ("down", (0, 1))]
)
def test_slides_go_where_they_are_named_after(motion: str, direction: tuple[int, int], index: int) -> None:
    center, _ = centers(motion, index)
    along = center @ torch.tensor(direction, dtype=torch.float32)
    assert float(along[-1] - along[0]) > 18
    assert bool((along.diff() > 0).all())
    across = center @ torch.tensor(direction[::-1], dtype=torch.float32)
    assert float(across.max() - across.min()) <= 1


@pytest.mark.parametrize("index", range(3))
def test_growing_shrinking_and_standing_still(index: int) -> None:
    for motion, ratio in (("grow", 2.0), ("shrink", 0.5)):
        _, size = centers(motion, index)
        found = float(size[-1].mean() / size[0].mean())
        assert found > ratio if motion == "grow" else found < ratio
    center, size = centers("still", index)
    assert bool((center == center[0]).all() and (size == size[0]).all())


@pytest.mark.parametrize("index", range(3))
def test_circles_come_round_and_bounces_fall_twice(index: int) -> None:
    center, _ = centers("circle", index)
    assert float((center[-1] - center[0]).norm()) <= 1
    angles = torch.atan2(*(center - (center.amin(dim=0) + center.amax(dim=0)) / 2).flip(1).T)
    steps = torch.remainder(angles.diff() + math.pi, 2 * math.pi) - math.pi
    assert abs(abs(float(steps.sum())) - 2 * math.pi) < 0.4
    center, _ = centers("bounce", index)
    assert float(center[:, 0].max() - center[:, 0].min()) <= 1
    falling = center[:, 1].diff() > 0
    assert falling.tolist()[0]
    assert int((falling[1:] != falling[:-1]).sum()) == 3  # fall, rise, fall, rise


@pytest.mark.parametrize(("motion", "angle"), [("clockwise", -13.0), ("counterclockwise", 13.0)])
def test_spins_turn_the_image_the_named_way(motion: str, angle: float) -> None:
    for index in range(6):
        made = clip(6, index, motion=motion, clutter=0.0)
        xyxy = made.tracks.xyxy
        middle = ((xyxy[:, :2] + xyxy[:, 2:]) / 2).mean(dim=0).tolist()
        left, top, right, bottom = (int(edge) for edge in (*xyxy[:, :2].amin(dim=0), *xyxy[:, 2:].amax(dim=0)))

        def error(degrees: float, made=made, middle=middle, window=(left, top, right, bottom)) -> float:  # type: ignore[no-untyped-def]
            left, top, right, bottom = window
            turned = rotate(made.frames[:-1].float(), degrees, center=middle)  # positive: counterclockwise
            change = (turned - made.frames[1:].float())[..., top:bottom, left:right]
            return float(change.square().mean())

        assert error(angle) < 0.9 * error(-angle)


def test_tracks_follow_every_object_and_leave_out_hidden_frames() -> None:
    made = clip(8, 2, objects=3, frames=10, clutter=0.5)
    assert set(made.tracks.identities.tolist()) == set(made.motions)
    assert len(made.motions) == 3
    first = next(iter(made.motions))
    assert made.motions[first] == made.label.index
    pairs = list(zip(made.tracks.frames.tolist(), made.tracks.identities.tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) <= 30
    assert torch.equal(clip(8, 2, objects=3, frames=10, clutter=0.5).frames, made.frames)


def test_a_misspelt_motion_is_told() -> None:
    with pytest.raises(ValueError, match="Did you mean clockwise"):
        clip(0, 0, motion="clokwise")


# -- the dataset --


def test_splits_are_whole_and_balanced_and_targets_need_no_image() -> None:
    dataset = SceneClassification(200, size=(16, 16))
    assert sorted(index for indices in dataset.splits.values() for index in indices) == list(range(200))
    assert {name: len(indices) for name, indices in dataset.splits.items()} == {"train": 140, "val": 30, "test": 30}
    for indices in dataset.splits.values():
        counts = Counter(dataset.target(index).index for index in indices)
        assert set(counts.values()) == {len(indices) // len(CLASS_NAMES)}
    orders = {tuple(dataset.target(10 * block + i).index for i in range(10)) for block in range(20)}
    assert len(orders) > 15


def test_samples_show_their_class_and_survive_a_worker() -> None:
    dataset = SceneClassification(120, size=(24, 32), seed=5)
    twin = pickle.loads(pickle.dumps(dataset))
    for index in (0, 83, 119):
        sample = dataset[index]
        assert sample.image.shape == (3, 24, 32)
        assert sample.target == dataset.target(index)
        assert torch.equal(twin[index].image, sample.image)
        assert dataset.check(index) is None
    assert dataset.path(0) == Path("scenes/train/000000.png")
    assert dataset.path(84) == Path("scenes/val/000084.png")
    assert dataset.path(119) == Path("scenes/test/000119.png")
    for wrong in (-1, 120):
        with pytest.raises(IndexError, match="outside"):
            dataset[wrong]


def test_folders_hold_the_same_images(tmp_path: Path) -> None:
    dataset = SceneClassification(40, size=(12, 16))
    root = tmp_path / "images"
    dataset.write_folders(root)
    files = sorted(root.glob("*/*/*.png"))
    assert len(files) == 40
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    for index in (0, 39):
        name = CLASS_NAMES[dataset.target(index).index]
        path = root / dataset.path(index).parent.name / name / dataset.path(index).name
        with Image.open(path) as image:
            assert torch.equal(torch.from_numpy(np.array(image)).permute(2, 0, 1), dataset[index].image)
    with pytest.raises(DataError, match="empty"):
        dataset.write_folders(root)


def test_a_broken_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = SceneClassification(40, size=(12, 16))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ZorkiError, match=r"images: could not be written: the disk is full"):
        dataset.write_folders(tmp_path / "images")
    assert list(tmp_path.iterdir()) == []


def test_names_of_the_dataset() -> None:
    default = parse("scenes")
    assert default is not None
    assert (len(default), default.size) == (3000, (64, 64))
    some = parse("scenes:500@32")
    assert some is not None
    assert (len(some), some.size) == (500, (32, 32))
    upright = parse("scenes:500@64x32")
    assert upright is not None
    assert upright.size == (64, 32)
    assert parse("photos/") is None
    assert parse("scenes2") is None
    for wrong in ("scenes:", "scenes:x", "scenes:500@", "scenes:500@64x", "scenes:-5", "scenes:500 "):
        with pytest.raises(DataError, match="scenes:2000@64"):
            parse(wrong)
    for wrong, reason in (("scenes:5", "30 images"), ("scenes:500@4", "8x8")):
        with pytest.raises(DataError, match=reason):
            parse(wrong)

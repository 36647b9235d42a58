"""What a tracker learns from: pairs of videos and of images, and several datasets as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zorki.data.annotations.tracks.stills import MIN_SIDE, PANNED, StillTracks
from zorki.data.images import write_image
from zorki.data.loading.samplers import RepeatedSampler
from zorki.data.preprocess.tracking.pairs import ExemplarSearchPairs
from zorki.data.scenes.tracks import SceneTracks
from zorki.errors import DataError
from zorki.tasks.tracking.settings import TrackingSettings
from zorki.tasks.tracking.task import Tracking
from zorki.types import ClassInfo, Sample, TrackedBoxes

DATA = Tracking.data
INFO = ClassInfo(("object",))
PLAIN = TrackingSettings(hflip=0.0)


def coco(folder, boxes, split="train", count=4):
    """Images of noise with the same boxes (x, y, w, h) on each."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        noise = torch.randint(0, 256, (3, 60, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))
        write_image(folder / split / f"{number}.png", noise)
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        for box in boxes:
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": box}
            annotations.append({**row, "area": box[2] * box[3], "iscrowd": 0})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / split / "_annotations.coco.json").write_text(json.dumps(content))


@pytest.fixture
def stills(tmp_path):
    for split in ("train", "valid"):
        coco(tmp_path / "data", [[10, 10, 20, 16], [40, 20, 3, 3], [30, 30, 30, 25]], split)
    return DATA.read(tmp_path / "data")


def test_images_are_tracks_of_one_frame_and_small_objects_are_left_out(stills):
    assert isinstance(stills, StillTracks)
    index = stills.splits["train"][0]
    sample = stills[index]
    assert sample.image.shape == (1, 3, 60, 80)
    assert sample.target.frames.tolist() == [0, 0]
    assert float((sample.target.xyxy[:, 2:] - sample.target.xyxy[:, :2]).min()) >= MIN_SIDE


def test_of_held_out_images_a_camera_moves_over_the_largest_object(stills):
    index = stills.splits["val"][0]
    sample = stills[index]
    assert sample.image.shape == (PANNED, 3, 45, 60)
    assert sample.target.frames.tolist() == list(range(PANNED))
    assert torch.equal(sample.target.xyxy, stills.target(index).xyxy)
    # The object is where its box says: its pixels are those of the image, moved.
    motion = sample.image.motion(4)
    x0, y0 = motion.a * 30 + motion.c, motion.e * 30 + motion.f
    assert sample.target.xyxy[4, :2].tolist() == pytest.approx([x0, y0], abs=1e-3)
    assert len({tuple(row) for row in sample.target.xyxy.tolist()}) == PANNED


def test_a_pair_is_of_one_object_and_near_in_time():
    frames = torch.arange(50, dtype=torch.uint8)[:, None, None, None].expand(50, 3, 80, 90).contiguous()
    numbers = torch.arange(50).repeat(2)
    identities = torch.tensor([3] * 50 + [8] * 50)
    xyxy = torch.stack([numbers, identities, numbers + 12 + identities, identities + 9], 1).float()
    sample = Sample(frames, TrackedBoxes(numbers, identities, xyxy), Path("film"))
    recipe = TrackingSettings(hflip=0.0, max_gap=5)
    seen = set()
    for seed in range(40):
        made = DATA.augment(sample, recipe, INFO, torch.Generator().manual_seed(seed))
        first, second = made.image[:, 0, 0, 0].tolist()
        widths = (made.target.xyxy[:, 2] - made.target.xyxy[:, 0]).tolist()
        assert widths[0] == widths[1]
        assert abs(first - second) <= 5
        seen.add(widths[0] - 12)
    assert seen == {3.0, 8.0}


def test_of_large_frames_there_is_what_a_network_can_see_and_it_sees_the_same():
    noise = torch.randint(0, 256, (1, 3, 30, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    image = noise.repeat_interleave(20, 2).repeat_interleave(20, 3)  # 600 x 800
    row = torch.zeros(1, dtype=torch.int64)
    preprocess = ExemplarSearchPairs(255, 127, shift=63, stretch=0.05)
    for box, most in (([380.0, 280.0, 420.0, 330.0], 320), ([250.0, 200.0, 550.0, 420.0], 430)):
        xyxy = torch.tensor([box])
        whole = TrackedBoxes(torch.arange(2), row.expand(2), xyxy.expand(2, 4))
        made = DATA.augment(Sample(image, TrackedBoxes(row, row, xyxy), Path("x")), PLAIN, INFO, torch.Generator())
        assert max(made.image.shape[2:]) <= most
        cuts = [
            preprocess.in_regions([frames], [target.regions()], [torch.Generator().manual_seed(4)])[0]
            for frames, target in ((image.expand(2, -1, -1, -1), whole), (made.image, made.target))
        ]
        for name in ("exemplars", "searches"):
            apart = (getattr(cuts[0], name).float() - getattr(cuts[1], name).float()).abs().mean()
            assert float(apart) < (0.01 if most == 320 else 6.0), "the large object is shrunk on another grid"


def test_both_frames_are_mirrored_with_their_boxes():
    sample = SceneTracks(10, size=(32, 48))[0]
    recipe = TrackingSettings(hflip=1.0)
    chance = [torch.Generator().manual_seed(3) for _ in range(2)]
    plain, mirrored = (DATA.augment(sample, one, INFO, own) for one, own in zip((PLAIN, recipe), chance, strict=True))
    assert torch.equal(mirrored.image, plain.image.flip(3))
    width = plain.image.shape[3]
    assert torch.equal(mirrored.target.xyxy[:, [0, 2]], width - plain.target.xyxy[:, [2, 0]])


def test_a_video_without_an_object_is_an_error():
    none = torch.zeros(0, dtype=torch.int64)
    nothing = TrackedBoxes(none, none, torch.zeros(0, 4))
    sample = Sample(torch.zeros((2, 3, 8, 8), dtype=torch.uint8), nothing, Path("film"))
    with pytest.raises(DataError, match="no frame of it has an annotated object"):
        DATA.augment(sample, PLAIN, INFO, torch.Generator())


def test_datasets_side_by_side_are_one(tmp_path):
    for name in ("a", "b"):
        coco(tmp_path / name, [[10, 10, 20, 16]], "train")
        coco(tmp_path / name, [[10, 10, 20, 16]], "valid", count=2)
    folder = tmp_path / "car" / "img"
    for number in (1, 2):
        write_image(folder / f"{number}.png", torch.zeros((3, 24, 24), dtype=torch.uint8))
    (folder.parent / "groundtruth_rect.txt").write_text("1,1,10,10\n2,1,10,10\n")
    found = DATA.read(tmp_path)
    assert {split: len(indices) for split, indices in found.splits.items()} == {"train": 8, "val": 4, "test": 1}
    assert found.path(found.splits["test"][0]) == tmp_path / "car"
    assert len(found[found.splits["test"][0]].image) == 2


def test_a_folder_that_holds_nothing_says_what_was_looked_for(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"otb: no folder holds img and groundtruth_rect\.txt"):
        DATA.read(tmp_path)


def test_scenes_have_a_box_in_every_frame():
    scenes = DATA.read(Path("scenes:10@32"))
    sample = scenes[3]
    assert sample.image.shape == (16, 3, 32, 32)
    assert sample.target.frames[0] == 0
    assert DATA.prompt(sample.target).xyxy.tolist() == sample.target.xyxy[:1].tolist()
    statistics = DATA.statistics(scenes)
    assert sum(map(sum, statistics.counts.values())) == 10


def test_each_video_gives_as_many_pairs_as_asked_for():
    sampler = RepeatedSampler(5, 3)
    order = sampler.order(0, 1)
    assert len(sampler) == 15
    assert order.bincount().tolist() == [3] * 5
    assert order.tolist() != sampler.order(0, 2).tolist()

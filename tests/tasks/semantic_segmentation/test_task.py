import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_segmenter import tiny

from zorki.contracts import Targets
from zorki.data.formats.detect import detect
from zorki.data.scenes.masks import SceneSegmentation
from zorki.errors import DataError, RecipeError
from zorki.losses.pixels import PixelLoss
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.tasks.semantic_segmentation.statistics import count_pixels
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.types import ClassInfo, Mask

NAMES = ["ground", "cat", "dog"]


INFO = ClassInfo(tuple(NAMES), background=(0,))
TASK = SemanticSegmentation()


def mask(*rows, ignore=255):
    return Mask(torch.tensor(rows), ignore)


@pytest.fixture(scope="module")
def scenes():
    return SceneSegmentation(20, size=(48, 48))


def test_scenes_are_read_with_masks_and_have_their_own_classes():
    dataset = TASK.data.read(Path("scenes:20@48"))
    sample = dataset[3]
    assert sample.target.classes.shape == sample.image.shape[1:] == (48, 48)
    assert dataset.class_names[0] == "ground"
    with pytest.raises(DataError, match="other classes than the run's"):
        TASK.data.read(Path("scenes:20"), class_names=NAMES)


def test_folders_of_classes_and_of_boxes_are_left_to_others(tmp_path):
    for path in ("animals/cat/1.png", "animals/dog/1.png", "boxes/images/1.png"):
        (tmp_path / path).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / path)
    (tmp_path / "boxes/labels").mkdir()
    (tmp_path / "boxes/labels/1.txt").write_text("0 .5 .5 .5 .5\n")
    (tmp_path / "empty").mkdir()
    for folder in ("animals", "animals/cat", "boxes", "empty", "missing"):
        assert not list(detect(tmp_path / folder).matches(*TASK.data.needs)), folder


def test_masks_in_files_are_known_by_their_bytes_and_counted_once(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"images/{number}.png")
        labels = (
            torch.tensor([[0, 1], [number, 255]], dtype=torch.uint8).repeat_interleave(4, 0).repeat_interleave(4, 1)
        )
        Image.fromarray(labels.numpy()).save(tmp_path / f"masks/{number}.png")
    dataset = TASK.data.read(tmp_path)
    indices = list(range(3))
    marks = [dataset.mark(index) for index in indices]
    assert len(set(marks)) == 3
    slow = count_pixels([dataset.target(index) for index in indices], len(dataset.class_names))
    monkeypatch.setattr(type(dataset), "target_arrays", None)  # nothing is decoded again
    assert count_pixels(Targets(dataset, indices), len(dataset.class_names)).tolist() == slow.tolist()
    assert slow.sum() == 3 * 64
    assert [dataset.mark(index) for index in indices] == marks
    dataset.mask_path(1).write_bytes(b"another")
    assert [dataset.mark(index) == mark for index, mark in zip(indices, marks, strict=True)] == [True, False, True]
    dataset.mask_path(1).unlink()
    with pytest.raises(DataError, match=r"1\.png: there is no such file"):
        dataset.mark(1)


def test_training_needs_two_classes(scenes):
    TASK.data.check(scenes, scenes.splits["train"])

    class OneClass(SceneSegmentation):
        def target(self, index):
            return Mask(torch.where(super().target(index).classes == 1, 1, 255))

    plain = OneClass(20, size=(48, 48))
    with pytest.raises(DataError, match=r"14 training images show only one class \(disc\); expected two"):
        TASK.data.check(plain, plain.splits["train"])


def test_the_baseline_predicts_the_commonest_class_everywhere(scenes):
    train = Targets(scenes, scenes.splits["train"])
    info = TASK.data.class_info(scenes)
    answer = TASK.evaluation.baseline(train, info)
    assert answer.classes.tolist() == [[0]]
    metric = TASK.evaluation.metric(info)
    metric.update([answer], [scenes.target(3)])
    share = float((scenes.target(3).classes == 0).float().mean())
    assert metric.compute().pixel_accuracy == pytest.approx(share)
    assert TASK.evaluation.baseline([mask([255, 255])], INFO) is None
    assert TASK.evaluation.baseline([mask([2, 2, 1, 255, 255, 255])], INFO).classes.item() == 2


def test_annotations_are_read_when_they_are_asked_for(scenes):
    targets = Targets(scenes, [3, 5, 7])
    assert len(targets) == 3
    assert torch.equal(targets[-1].classes, scenes.target(7).classes)
    assert [int(one.classes.sum()) for one in targets[1:]] == [int(scenes.target(i).classes.sum()) for i in (5, 7)]


def test_images_of_rare_classes_are_drawn_more_often():
    weights = TASK.data.sampling_weights([mask([0, 0]), mask([0, 1]), mask([0, 0]), mask([0, 2])], INFO)
    assert weights == pytest.approx([1 / 3, 1 / 6 + 1, 1 / 3, 1 / 6 + 1])


def test_most_predictions_decide_and_the_first_among_equals():
    answers = [mask([0, 1, 2, 0]), mask([1, 1, 0, 2]), mask([2, 0, 0, 2])]
    assert TASK.evaluation.ensemble(answers).classes.tolist() == [[0, 1, 0, 2]]
    two = [Mask(torch.tensor([[1, 2]], dtype=torch.uint8)), Mask(torch.tensor([[2, 2]], dtype=torch.uint8))]
    assert TASK.evaluation.ensemble(two).classes.tolist() == [[1, 2]]
    assert TASK.evaluation.ensemble(two[:1]).classes.tolist() == [[1, 2]]


def test_the_error_score_counts_the_classes_that_are_there():
    assert TASK.evaluation.error_score(mask([0, 0, 1, 1]), mask([0, 0, 1, 1]), INFO) == 0.0
    assert TASK.evaluation.error_score(mask([0, 0, 0, 0]), mask([0, 0, 1, 1]), INFO) == pytest.approx(1 - (0.5 + 0) / 2)
    assert TASK.evaluation.error_score(mask([0, 0]), mask([255, 255]), INFO) == 0.0, "nothing evaluated is not wrong"


def test_captions_and_descriptions_name_the_largest_shares():
    shown = mask([0] * 5 + [2] * 4 + [1] + [255] * 2)
    assert TASK.presentation.caption(shown, INFO) == "ground 50%, dog 40%, cat 10%"
    assert TASK.presentation.caption(mask([255]), INFO) == "all ignored"
    facts = TASK.presentation.to_record(shown, INFO)
    assert facts["classes"][1] == {"label": 2, "class_name": "dog", "share": 0.4}
    assert len(json.dumps(facts)) < 400, "without the map"


def test_maps_are_written_with_a_palette_and_told(tmp_path):
    look = TASK.presentation
    answer = mask([0, 1, 2, 1])

    def place(folder, suffix):
        return tmp_path / folder / f"cat{suffix}"

    told = look.write_files(answer, INFO, place)
    assert told == {"mask": tmp_path / "masks" / "cat.png"}
    with Image.open(told["mask"]) as written:
        assert written.mode == "P"
        assert np.asarray(written).tolist() == [[0, 1, 2, 1]]
        own = written.getpalette()[:9]
    colored = ClassInfo(INFO.names, palette=((0, 0, 0), (128, 0, 0), (0, 128, 0)))
    with Image.open(look.write_files(answer, colored, place)["mask"]) as written:
        assert written.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0] != own


def test_backgrounds_are_known_by_their_names(scenes):
    info = TASK.data.class_info(scenes)
    assert (info.names[0], info.background, info.palette) == ("ground", (0,), None)
    assert ClassInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert TASK.data.complete(ClassInfo(("cat", "Background"))).background == (1,)


def test_names_for_counts_that_are_known():
    voc = TASK.data.default_classes(21)
    assert (voc.names[:2], voc.background) == (("background", "aeroplane"), (0,))
    assert TASK.data.default_classes(19).names[-1] == "bicycle"
    assert TASK.data.default_classes(3) == ClassInfo(("0", "1", "2"), ignore=255)


def test_counts_of_pixels_and_images(scenes):
    statistics = TASK.data.statistics(scenes)
    assert statistics.counted == "pixels"
    train = scenes.splits["train"]
    assert sum(statistics.counts["train"]) == len(train) * 48 * 48
    assert statistics.images["train"][scenes.class_names.index("ground")] == len(train)
    assert statistics.tables[0].values["train"]["ignored_share"] == 0
    star = sum(int((scenes.target(index).classes == 5).any()) for index in train)
    assert statistics.images["train"][5] == star


def configured(recipe, scenes, model=None):
    model = model or tiny(len(scenes.class_names))
    TASK.data.configure(model, recipe, scenes, scenes.splits["train"])
    return model


def test_the_recipe_names_the_loss_and_else_the_model(scenes):
    assert str(configured(SegmentationSettings(loss="ce,dice:0.5"), scenes).criterion) == "ce,dice:0.5"
    own = tiny(len(scenes.class_names))
    own.replace_criterion(lambda _: PixelLoss.of("focal"))
    assert str(configured(SegmentationSettings(), scenes, own).criterion) == "focal"
    smooth = configured(SegmentationSettings(label_smoothing=0.1), scenes).criterion
    assert smooth.label_smoothing == 0.1


def test_rare_classes_weigh_more_where_it_is_asked_for(scenes):
    weights = configured(SegmentationSettings(class_weights=True), scenes).criterion.class_weights
    assert weights.shape == (len(scenes.class_names),)
    assert float(weights[0]) == float(weights.min()), "most pixels are ground"
    assert configured(SegmentationSettings(), scenes).criterion.class_weights is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "dise"}, "dice"),
        ({"loss": "dice", "class_weights": True}, "add ce"),
        ({"loss": "dice", "label_smoothing": 0.1}, "add ce"),
        ({"loss": "dice", "border_weight": 10.0}, "border_weight"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_here_are_refused(scenes, settings, words):
    with pytest.raises(RecipeError, match=words):
        configured(SegmentationSettings(**settings), scenes)


def test_masks_of_other_ignored_values_are_learned_alike():
    model = tiny().train()
    inputs = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    classes = torch.arange(64).view(8, 8) % 4
    losses = [
        model.loss(model(inputs), [Mask(classes.where(classes != 3, ignore), ignore)])["cross_entropy"]
        for ignore in (255, 3, 99)
    ]
    assert losses[0] == losses[1] == losses[2]

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zorki.contracts import Model
from zorki.data.formats.readers import read_boxes
from zorki.errors import DataError
from zorki.tasks.detection.fusion import fuse
from zorki.tasks.detection.image_sizes import image_sizes
from zorki.tasks.detection.metrics.image_match import match_boxes
from zorki.tasks.detection.settings import DetectionSettings
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, ClassInfo

NAMES = ["cat", "dog", "owl"]
INFO = ClassInfo(tuple(NAMES))
TASK = Detection()


def boxes(*rows, scores=None, **columns):
    """Boxes of (x0, y0, x1, y1, label) rows."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return Boxes(table[:, :4], table[:, 4].long(), None if scores is None else torch.tensor(scores), **columns)


def test_scenes_are_read_with_boxes_and_the_same_at_every_call():
    dataset = Detection.data.read(Path("scenes:20@64"))
    assert {split: len(rows) for split, rows in dataset.splits.items()} == {"train": 14, "val": 3, "test": 3}
    sample = dataset[3]
    assert sample.image.shape == (3, 64, 64)
    assert torch.equal(dataset[3].image, sample.image)
    assert torch.equal(Detection.data.read(Path("scenes:20@64")).target(3).xyxy, sample.target.xyxy)
    assert 1 <= len(sample.target) <= 5
    assert bool((sample.target.xyxy[:, 2:] > sample.target.xyxy[:, :2]).all())


@pytest.mark.parametrize("words", ["scenes:5", "scenes:20@8", "scenes:x", "scenes:20@"])
def test_scenes_that_cannot_be_say_why(words):
    with pytest.raises(DataError, match="scenes"):
        Detection.data.read(Path(words))


def test_scenes_have_their_own_classes():
    with pytest.raises(DataError, match="other classes than the run's"):
        Detection.data.read(Path("scenes:20"), class_names=NAMES)


def test_data_without_a_box_to_learn_stop():
    dataset = Detection.data.read(Path("scenes:20@64"))
    train = dataset.splits["train"]
    TASK.data.check(dataset, train)
    for index in train:
        dataset.target(index)
        dataset._cache[index] = dataclasses.replace(
            dataset.target(index), crowd=torch.ones(len(dataset.target(index)), dtype=torch.bool)
        )
    with pytest.raises(DataError, match=r"none of the 14 training images has a box"):
        TASK.data.check(dataset, train)


class Learner(Model):
    """A model that only looks at what it is given."""

    def __init__(self):
        super().__init__()
        self.seen = None

    def forward(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        return []


class Fitter(Learner):
    needs_fitting = True

    def fit_to_data(self, targets, sizes):
        self.seen = list(targets), list(sizes)


def test_models_that_fit_their_anchors_see_the_training_boxes():
    dataset, model = Detection.data.read(Path("scenes:20@64")), Fitter()
    TASK.data.configure(model, DetectionSettings(), dataset, [3, 5])
    assert model.seen == ([dataset.target(3), dataset.target(5)], [(64, 64)] * 2)
    other = Fitter()
    other.needs_fitting = False
    for unasked in (other, Learner()):
        TASK.data.configure(unasked, DetectionSettings(), dataset, [3, 5])
        assert unasked.seen is None


def test_sizes_are_the_annotations_or_the_files(tmp_path):
    from PIL import Image

    (tmp_path / "labels").mkdir()
    for name, size in (("a", (30, 20)), ("b", (40, 50))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    rows = "".join(f"{name}.png,1,2,9,9,cat\n" for name in ("a", "b"))
    (tmp_path / "boxes.csv").write_text("file,xmin,ymin,xmax,ymax,label\n" + rows)
    dataset = Detection.data.read(tmp_path)
    indices = sorted(range(2), key=lambda index: dataset.path(index).name)
    for sizes in (dataset.sizes, dataset.sizes * 0):
        dataset.sizes = sizes
        assert image_sizes(dataset, indices) == [(20, 30), (50, 40)]


def test_images_with_rare_classes_are_drawn_more_often():
    common, rare, none = boxes((0, 0, 1, 1, 0)), boxes((0, 0, 1, 1, 0), (0, 0, 1, 1, 2)), boxes()
    weights = TASK.data.sampling_weights([common, common, common, rare, none], INFO)
    assert weights == [0.25, 0.25, 0.25, 1.0, 0.2]


def test_captions_count_what_is_shown():
    answer = boxes((0, 0, 1, 1, 0), (0, 0, 1, 1, 1), (1, 1, 2, 2, 1), scores=[0.9, 0.6, 0.4])
    assert TASK.presentation.caption(answer, INFO) == "1 x cat, 1 x dog"
    learned = TASK.evaluation.learn(INFO, {"best_threshold": 0.35}, "val")
    assert (learned.score_threshold, learned.threshold_split) == (0.35, "val")
    assert TASK.presentation.caption(answer, learned) == "2 x dog, 1 x cat"
    assert TASK.evaluation.learn(INFO, {"count": 3}, "val").score_threshold == 0.5, "nothing is right"
    assert TASK.evaluation.learn(INFO, {}, "val") == INFO
    assert TASK.presentation.caption(boxes(), learned) == "nothing"


def test_descriptions_are_plain():
    facts = TASK.presentation.to_record(boxes((1, 2, 3, 4, 2), scores=[0.5]), INFO)
    assert facts == {
        "boxes": [{"label": 2, "class_name": "owl", "xyxy": [1, 2, 3, 4], "score": 0.5}],
        "threshold": 0.5,
        "shown": 1,
    }
    assert TASK.presentation.to_record(boxes(crowd=torch.zeros(0, dtype=torch.bool)), INFO) == {"boxes": []}


def test_names_of_coco():
    eighty, ninety, slots = (TASK.data.default_classes(count).names for count in (80, 90, 91))
    assert eighty[:2] == ("person", "bicycle")
    assert len(set(eighty)) == 80
    assert ninety == slots[1:]
    assert slots[1] == "person"
    assert slots[90] == "toothbrush"
    assert len(set(slots)) == 91
    assert TASK.data.default_classes(2).names == ("0", "1")


def test_evaluated_by_hand():
    ground_truth = boxes(
        (0, 0, 10, 10, 0), (20, 0, 30, 10, 0), (40, 0, 50, 10, 1), (60, 0, 90, 30, 0),
        crowd=torch.tensor([False, False, False, True]), difficult=torch.tensor([False, False, True, False]),
    )  # fmt: skip
    answer = boxes(
        (0, 0, 10, 8, 0),  # finds the first, IoU 0.8
        (0, 0, 10, 10, 0),  # fits better, but scores less: a second on the same
        (20, 0, 30, 10, 1),  # another class
        (40, 0, 50, 10, 1),  # difficult: does not count
        (65, 5, 70, 10, 0),  # in the crowd: does not count
        scores=[0.9, 0.8, 0.7, 0.6, 0.5],
    )
    judged = match_boxes(answer, ground_truth)
    assert judged.true_positive.tolist() == [True, False, False, False, False]
    assert judged.false_positive.tolist() == [False, True, True, False, False]
    assert judged.ignored.tolist() == [False, False, False, True, True]
    assert judged.missed.tolist() == [False, True, False, False]
    assert judged.quality() == pytest.approx(2 * 0.8 / (3 + 2))
    assert TASK.evaluation.error_score(answer, ground_truth, INFO) == pytest.approx(1 - 0.32)


def test_nothing_there_and_nothing_predicted_is_right():
    nothing = boxes(scores=[])
    assert TASK.evaluation.error_score(nothing, boxes(), INFO) == 0.0
    assert TASK.evaluation.error_score(nothing, boxes((0, 0, 1, 1, 0)), INFO) == 1.0
    assert TASK.evaluation.error_score(boxes((0, 0, 1, 1, 0), scores=[0.9]), boxes(), INFO) == 1.0


def test_fused_boxes_are_weighted_means():
    first = boxes((0, 0, 10, 10, 0), (50, 50, 60, 60, 1), scores=[0.9, 0.6])
    second = boxes((1, 0, 11, 10, 0), (50, 50, 60, 60, 2), scores=[0.3, 0.2])
    fused = fuse([first, second])
    assert fused.labels.tolist() == [0, 1, 2]
    assert torch.allclose(fused.xyxy[0], torch.tensor([0.25, 0.0, 10.25, 10.0]))
    # Both saw the first: its mean score. One of two saw each of the others: half of it.
    assert fused.scores.tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert len(fuse([boxes(scores=[]), boxes(scores=[])])) == 0
    with pytest.raises(ValueError, match="need scores"):
        fuse([boxes((0, 0, 1, 1, 0))])


def test_an_ensemble_of_one_prediction_twice_is_that_prediction():
    answer = boxes((0, 0, 10, 10, 0), (50, 50, 60, 60, 1), scores=[0.9, 0.6])
    both = TASK.evaluation.ensemble([answer, answer])
    assert torch.allclose(both.xyxy, answer.xyxy)
    assert torch.allclose(both.scores, answer.scores)


def test_counts_and_sizes():
    dataset = Detection.data.read(Path("scenes:20@64"))
    statistics = TASK.data.statistics(dataset)
    tables = {table.name: table for table in statistics.tables}
    total = sum(len(dataset.target(index)) for index in dataset.splits["train"])
    assert statistics.counted == "boxes"
    assert sum(statistics.counts["train"]) == total
    assert tables["boxes"].values["train"]["boxes"] == total
    assert sum(tables["box_sizes"].values["train"].values()) == total
    assert tables["box_sizes"].rows()["medium"]["train"] == tables["box_sizes"].values["train"]["medium"]
    sides = list(tables["box_side"].values["val"].values())
    assert sides == sorted(sides)


def test_drawn_predictions_have_the_colors_of_their_classes_and_hide_the_unsure():
    from zorki.draw.palette import color

    image = np.zeros((3, 100, 400), np.uint8)
    answer = boxes((10, 40, 60, 90, 1), (300, 40, 350, 90, 2), scores=[0.8, 0.2])
    drawn = TASK.presentation.draw(image, answer, INFO)
    assert drawn.shape == image.shape
    assert tuple(drawn[:, 60, 10].tolist()) == color(1)
    assert int(drawn[:, :, 200:].sum()) == 0
    small = TASK.presentation.draw(np.zeros((3, 40, 50), np.uint8), boxes((10, 10, 20, 20, 0)), INFO)
    assert small.shape == (3, 280, 350), "enlarged, so that names can be read"
    assert tuple(small[:, 100, 70].tolist()) == color(0)


def test_thumbnails_tell_found_wrong_and_missed_apart():
    from zorki.draw.palette import mark_color
    from zorki.tasks.detection.drawing import MISSED_COLOR

    ground_truth = boxes((20, 40, 60, 80, 0), (120, 40, 160, 80, 1))
    answer = boxes((20, 40, 60, 80, 0), (170, 40, 200, 80, 2), scores=[0.9, 0.8])
    drawn = TASK.presentation.thumbnail(np.zeros((3, 112, 224), np.uint8), answer, INFO, ground_truth)
    assert drawn.shape == (3, 112, 224)
    assert tuple(drawn[:, 70, 20].tolist()) == mark_color(True)
    assert tuple(drawn[:, 70, 170].tolist()) == mark_color(False)
    assert tuple(drawn[:, 70, 120].tolist()) == MISSED_COLOR


def test_predictions_bear_the_numbers_of_the_data_that_were_trained_on(tmp_path):
    """A run's own COCO file may number its classes 2, 5, 9: evaluated by 1, 2, 3 they would be other classes."""
    content = {
        "images": [{"id": 70, "file_name": "a.jpg", "height": 50, "width": 50}],
        "categories": [{"id": number, "name": name} for number, name in zip((2, 5, 9), NAMES, strict=True)],
        "annotations": [{"id": 1, "image_id": 70, "category_id": 5, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    answer = boxes((0, 0, 9, 9, 1), scores=[0.5])
    trained = TASK.data.class_info(read_boxes(tmp_path / "truth.json", need_images=False))
    opened = ClassInfo.from_json(json.loads(json.dumps(trained.to_json())))
    assert [entry["category_id"] for entry in TASK.presentation.exchange(answer, opened, path="a.jpg")] == [5]
    assert [entry["category_id"] for entry in TASK.presentation.exchange(answer, INFO, path="a.jpg")] == [
        2
    ]  # label + 1
    made_up = TASK.data.class_info(Detection.data.read(Path("scenes:20@64")))
    assert made_up.category_ids is None  # numbers that nobody gave

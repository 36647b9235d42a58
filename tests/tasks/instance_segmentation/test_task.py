"""What the task does with masks beside evaluating them: data, settings, words, files, ensembles."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_masks import strip_instances
from PIL import Image
from pycocotools import mask as coco_mask

from zorki import registry
from zorki.contracts import Model
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.losses.pixels import PixelLoss
from zorki.tasks.instance_segmentation.fusion import fuse_masks
from zorki.tasks.instance_segmentation.metrics.image_match import match_masks
from zorki.tasks.instance_segmentation.object_map import object_map, write_object_map
from zorki.tasks.instance_segmentation.settings import InstanceSettings
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.types import ClassInfo

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools decodes so
NAMES = ["cat", "dog", "owl"]


INFO = ClassInfo(tuple(NAMES))
TASK = InstanceSegmentation()


def scenes():
    return TASK.data.read(Path("scenes:20@64"))


class Learner(Model):
    """A model that only looks at what it is given."""

    def forward(self, inputs):
        return inputs

    def loss(self, outputs, targets):
        return {}

    def decode(self, outputs, placements):
        return []


class Obliging(Learner):
    """Takes another criterion, and a weight of borders."""

    def replace_criterion(self, change):
        self.criterion = change(PixelLoss.of("ce", ignore=7))

    def weigh_borders(self, weight):
        self.weight = weight


def test_the_task_is_found_by_its_folder():
    assert type(registry.tasks()["instance_segmentation"]) is InstanceSegmentation
    assert TASK.data.default_classes(80).names[0] == "person"


@pytest.mark.parametrize(
    "settings",
    [{"loss": "ce"}, {"border_weight": 10.0}],
    ids=str,
)
def test_losses_of_methods_are_their_own(settings):
    name = next(iter(settings))
    with pytest.raises(RecipeError, match=f"{name} is .*, but the loss of Learner belongs to its method; leave it out"):
        TASK.data.configure(Learner(), InstanceSettings(**settings), scenes(), [])


def test_models_may_take_a_criterion_and_a_weight_of_borders():
    TASK.data.configure(Learner(), InstanceSettings(), scenes(), [])
    model = Obliging()
    TASK.data.configure(model, InstanceSettings(loss="ce,dice", border_weight=10.0), scenes(), [])
    assert (str(model.criterion), model.criterion.ignore, model.weight) == ("ce,dice", 7, 10.0)


def test_data_without_a_mask_to_learn_stop(monkeypatch):
    dataset = scenes()
    train = dataset.splits["train"]
    TASK.data.check(dataset, train)
    empty = dataset.target(train[0])
    empty = dataclasses.replace(empty, masks=torch.zeros_like(empty.masks))
    crowd = dataclasses.replace(empty, masks=~empty.masks, crowd=torch.ones(len(empty), dtype=torch.bool))
    for target in (empty, crowd):
        monkeypatch.setattr(dataset, "target", lambda index, target=target: target)
        with pytest.raises(DataError, match=r"scenes: none of the 14 training images has an object; expected"):
            TASK.data.check(dataset, train)
    assert TASK.data.learnable_count(crowd) == 0


def test_images_with_rare_classes_are_drawn_more_often():
    common, rare = strip_instances((0, 4)), strip_instances((0, 4), (5, 6), labels=[0, 2])
    assert TASK.data.sampling_weights([common, common, common, rare], INFO) == [0.25, 0.25, 0.25, 1.0]


def test_captions_count_what_is_shown_and_maps_are_evaluated_from_there():
    answer = strip_instances((0, 4), (5, 6), (7, 9), labels=[0, 1, 1], scores=[0.9, 0.6, 0.4])
    assert TASK.presentation.caption(answer, INFO) == "1 x cat, 1 x dog"
    assert TASK.evaluation.metric(INFO).min_score is None
    learned = TASK.evaluation.learn(INFO, {"best_threshold": 0.35}, "val")
    assert TASK.presentation.caption(answer, learned) == "2 x dog, 1 x cat"
    assert TASK.evaluation.metric(learned).min_score == 0.35
    assert TASK.presentation.caption(strip_instances(), learned) == "nothing"


def test_descriptions_are_plain_and_masks_are_cocos_run_lengths():
    answer = strip_instances((2, 6), (10, 11), labels=[2, 0], scores=[0.5, 0.25])
    facts = json.loads(json.dumps(TASK.presentation.to_record(answer, INFO)))
    assert (facts["threshold"], facts["shown"]) == (0.5, 1)
    first, second = facts["objects"]
    code = first.pop("segmentation")
    assert first == {"label": 2, "class_name": "owl", "xyxy": [2, 0, 6, 1], "score": 0.5, "area": 4}
    assert np.array_equal(coco_mask.decode([code])[..., 0], answer.masks[0].numpy())
    assert second["area"] == 1
    assert TASK.presentation.to_record(strip_instances(), INFO) == {"objects": []}


def test_predictions_are_exchanged_as_cocos_results():
    answer = strip_instances((2, 6), labels=[1], scores=[0.5])
    look = TASK.presentation
    (entry,) = json.loads(json.dumps(look.exchange(answer, INFO, path="photos/012.png")))
    code = entry.pop("segmentation")
    assert entry == {
        "image_id": 12, "category_id": 2, "bbox": [2, 0, 4, 1], "score": 0.5, "category_name": "dog",
        "file_name": "photos/012.png",
    }  # fmt: skip
    assert np.array_equal(coco_mask.decode([code])[..., 0], answer.masks[0].numpy())
    assert look.exchange(answer, dataclasses.replace(INFO, category_ids=(2, 5, 9)), path="a.png")[0]["category_id"] == 5
    assert look.exchange(strip_instances(scores=[]), INFO, path="a", frame=3) == []


def test_shown_objects_are_written_as_numbers_of_16_bits(tmp_path):
    answer = strip_instances((0, 4), (3, 8), (10, 12), scores=[0.8, 0.9, 0.1])
    told = TASK.presentation.write_files(answer, INFO, lambda folder, suffix: tmp_path / folder / f"a{suffix}")
    assert told == {"mask": tmp_path / "masks" / "a.png"}
    with Image.open(told["mask"]) as image:
        assert image.mode == "I;16"
        assert np.asarray(image).tolist() == [[1, 1, 1, 2, 2, 2, 2, 2] + [0] * 12]


def test_maps_of_objects_number_the_ground_truth_too():
    assert object_map(strip_instances((0, 3), (3, 5))).tolist()[0][:6] == [1, 1, 1, 2, 2, 0]
    with pytest.raises(ZorkiError, match="70000 objects, and a PNG of 16 bits numbers 65535"):
        write_object_map(Path("a.png"), np.full((1, 2), 70000, np.int32))
    assert not Path("a.png").exists()


def test_evaluated_by_hand():
    ground_truth = strip_instances(
        (0, 5), (5, 10), (10, 12), (14, 20), labels=[0, 0, 1, 0],
        crowd=torch.tensor([False, False, False, True]), difficult=torch.tensor([False, False, True, False]),
    )  # fmt: skip
    answer = strip_instances(
        (0, 4), (0, 5), (5, 10), (10, 12), (15, 17), labels=[0, 0, 1, 1, 0], scores=[0.9, 0.8, 0.7, 0.6, 0.5]
    )
    judged = match_masks(answer, ground_truth)
    assert judged.true_positive.tolist() == [True, False, False, False, False]
    assert judged.ignored.tolist() == [False, False, False, True, True]
    assert judged.missed.tolist() == [False, True, False, False]
    assert judged.overlap.tolist() == pytest.approx([0.8, 0, 0, 0, 0])
    assert TASK.evaluation.error_score(answer, ground_truth, INFO) == pytest.approx(1 - 2 * 0.8 / (3 + 2))
    assert TASK.evaluation.error_score(strip_instances(scores=[]), strip_instances(), INFO) == 0.0


def test_fused_masks_are_what_half_of_the_scores_want():
    first = strip_instances((0, 10), (15, 18), labels=[0, 1], scores=[0.6, 0.4])
    second = strip_instances((2, 12), (15, 18), labels=[0, 2], scores=[0.9, 0.2])
    fused = fuse_masks([first, second])
    assert fused.labels.tolist() == [0, 1, 2]
    # The better one alone has more than half of the scores: its pixels stay. Of the others each model saw one.
    assert fused.xyxy.tolist() == [[2, 0, 12, 1], [15, 0, 18, 1], [15, 0, 18, 1]]
    assert fused.scores.tolist() == pytest.approx([0.75, 0.2, 0.1])
    third = strip_instances((0, 10), scores=[0.6])
    assert fuse_masks([first, second, third])[0].xyxy.tolist() == [[0, 0, 10, 1]]


def test_an_ensemble_of_one_prediction_twice_is_that_prediction():
    answer = strip_instances((0, 4), (5, 9), labels=[1, 0], scores=[0.9, 0.6])
    both = TASK.evaluation.ensemble([answer, answer])
    assert torch.equal(both.masks, answer.masks)
    assert both.labels.tolist() == [1, 0]
    assert both.scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(fuse_masks([strip_instances(scores=[])] * 2)) == 0


def test_what_cannot_be_fused_says_why():
    with pytest.raises(ValueError, match="need scores"):
        fuse_masks([strip_instances((0, 1))])
    with pytest.raises(ValueError, match="different sizes"):
        fuse_masks([strip_instances((0, 1), scores=[0.5]), strip_instances((0, 1), width=9, scores=[0.5])])
    with pytest.raises(ValueError, match="no predictions"):
        fuse_masks([])


def test_counts_and_areas():
    dataset = scenes()
    statistics = TASK.data.statistics(dataset)
    tables = {table.name: table.values["train"] for table in statistics.tables}
    targets = [dataset.target(index) for index in dataset.splits["train"]]
    total = sum(map(len, targets))
    assert statistics.counted == "objects"
    assert sum(statistics.counts["train"]) == total
    assert tables["objects"]["objects"] == total
    assert tables["objects"]["images_with_overlaps"] == 0
    areas = torch.cat([target.masks.flatten(1).sum(1) for target in targets])
    assert tables["object_side"]["maximum"] == pytest.approx(float(areas.max()) ** 0.5, abs=1e-3)
    shares = [float(target.masks.any(0).float().mean()) for target in targets]
    assert tables["covered_share"]["minimum"] == pytest.approx(min(shares), abs=1e-3)

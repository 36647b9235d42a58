"""Data, evaluation and presentation of localization."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zorki import registry
from zorki.contracts import Targets
from zorki.errors import DataError, RecipeError
from zorki.tasks.detection.task import Detection
from zorki.tasks.localization.mean_boxes import mean_boxes
from zorki.tasks.localization.settings import LocalizationSettings
from zorki.tasks.localization.task import Localization
from zorki.types import Boxes, ClassInfo, Sample

TASK = Localization()
ONE = ClassInfo(("cat", "dog"), objects="one")
PARTS = ClassInfo(("head", "left ear", "right ear"), objects="each")


def write_coco(root, annotations, names=("cat", "dog"), sides=(40, 30)):
    """Images 1, 2, ... with the classes of each and a box for each class."""
    root.mkdir(exist_ok=True)
    rows, images = [], []
    for number, labels in enumerate(annotations, 1):
        width, height = sides
        Image.new("RGB", sides, (number * 7 % 255, 90, 90)).save(root / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        rows += [
            {
                "id": len(rows) + place,
                "image_id": number,
                "category_id": label + 1,
                "bbox": [4 + label, 2 + place, 10, 12],
            }
            for place, label in enumerate(labels, 1)
        ]
    categories = [{"id": place, "name": name} for place, name in enumerate(names, 1)]
    content = {"images": images, "annotations": rows, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def test_images_of_another_number_of_objects_are_left_out_and_told(tmp_path):
    dataset = TASK.data.read(write_coco(tmp_path / "a", [[0], [1], [0, 0], [0], [], [0, 1, 1]]))
    assert len(dataset) == 3
    assert TASK.data.class_info(dataset).objects == "one"
    told = "\n".join(defect.reason for defect in dataset.defects if defect.note)
    assert "1 image has no objects, 1 image has 2 objects, 1 image has 3 objects" in told
    assert "3 of 6 images have exactly one object" in told
    assert "detection takes all" in TASK.data.statistics(dataset).note


def test_parts_are_told_from_one_object_by_the_images_themselves(tmp_path):
    dataset = TASK.data.read(write_coco(tmp_path / "a", [[0, 1, 2], [2, 1, 0], [0, 2], [0, 0]], PARTS.names))
    assert len(dataset) == 3
    assert TASK.data.class_info(dataset).objects == "each"


def test_parts_of_one_class_and_crowds_are_told_as_what_they_are(tmp_path):
    dataset = TASK.data.read(write_coco(tmp_path / "a", [[0, 1, 2], [2, 1, 0], [0, 1, 1], [0, 0]], PARTS.names))
    told = "\n".join(defect.reason for defect in dataset.defects if defect.note)
    assert "1 image has 2 objects, some of one class, 1 image has 3 objects, some of one class" in told
    root = write_coco(tmp_path / "b", [[0], [1], [0]])
    content = json.loads((root / "annotations.json").read_text())
    content["annotations"][2]["iscrowd"] = 1
    (root / "annotations.json").write_text(json.dumps(content))
    told = "\n".join(defect.reason for defect in TASK.data.read(root).defects if defect.note)
    assert "1 image has a crowd, so it was left out" in told


def test_a_run_of_one_object_is_not_evaluated_on_parts(tmp_path):
    parts = TASK.data.read(write_coco(tmp_path / "a", [[0, 1], [1, 0], [0]]))
    with pytest.raises(DataError, match="3 of 3 images have one object of each class at most, which are parts"):
        TASK.data.check_evaluation(parts, ONE)
    TASK.data.check_evaluation(parts, PARTS)
    one = TASK.data.read(write_coco(tmp_path / "b", [[0], [1]]))
    TASK.data.check_evaluation(one, ONE)
    TASK.data.check_evaluation(one, PARTS)  # parts of which all but one are hidden


def test_a_dataset_in_python_has_images_of_one_kind(tmp_path):
    found = Detection.data.read(write_coco(tmp_path / "a", [[0], [1], [0, 0]]))
    with pytest.raises(DataError, match="2 of 3 images have exactly one object; of files the others are left out"):
        TASK.data.check(found, [0, 1, 2])
    TASK.data.check(TASK.data.read(tmp_path / "a"), [0, 1])


def test_data_without_such_an_image_say_so(tmp_path):
    with pytest.raises(DataError, match=r"0 of 2 images have exactly one object.*detection takes any number"):
        TASK.data.read(write_coco(tmp_path / "a", [[0, 0], [1, 1, 0]]))


def test_show_proposes_localization_where_most_images_have_one_object(tmp_path):
    one = Detection.data.read(write_coco(tmp_path / "a", [[0], [1], [0], [1], [0], [0, 1]]))
    note = Detection.data.statistics(one).note
    assert note.startswith("5 of 6 images have exactly one object: localization")
    assert "leaves out 1" in note
    many = Detection.data.read(write_coco(tmp_path / "b", [[0, 1, 1], [1, 1], [0]]))
    assert Detection.data.statistics(many).note == ""


def test_the_object_stays_in_sight_whatever_is_drawn():
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    sample = Sample(image, Boxes(torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([1])), Path("a.png"))
    recipe = LocalizationSettings(random_crop=0.1, hflip=0.5, translate=0.4, rotate=20, scale_jitter=0.3)
    for seed in range(40):
        varied = TASK.data.augment(sample, recipe, ONE, torch.Generator().manual_seed(seed))
        assert len(varied.target) == 1
        assert varied.target.xyxy[0, 2] <= varied.image.shape[2]


def test_parts_of_two_sides_exchange_their_names_in_a_mirrored_image():
    xyxy = torch.tensor([[0.0, 0.0, 8.0, 8.0], [50.0, 0.0, 60.0, 8.0]])
    sample = Sample(torch.zeros(3, 60, 80, dtype=torch.uint8), Boxes(xyxy, torch.tensor([1, 2])), Path("a.png"))
    varied = TASK.data.augment(sample, LocalizationSettings(hflip=1.0), PARTS, torch.Generator().manual_seed(0))
    assert varied.target.labels.tolist() == [2, 1]
    assert varied.target.xyxy[:, 0].tolist() == [72.0, 20.0]


def test_mean_boxes_are_shares_of_their_images():
    first = Boxes(torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([0]))
    second = Boxes(torch.tensor([[20.0, 0.0, 40.0, 10.0]]), torch.tensor([0]))
    means, counts = mean_boxes([first, second], [(10, 20), (20, 40)], 2)
    assert means.tolist() == [[0.25, 0.0, 0.75, 0.75]] * 2  # a class without a box has the mean of all
    assert counts.tolist() == [2, 0]


def test_the_baseline_is_the_mean_training_box_of_each_class_in_the_size_of_each_image(tmp_path):
    dataset = TASK.data.read(write_coco(tmp_path / "a", [[0], [0], [1]]))
    answer = TASK.evaluation.baseline(Targets(dataset, [0, 1, 2]), ONE)
    assert answer.labels.tolist() == [0, 1]
    placed = TASK.evaluation.baseline_for(answer, dataset, 0)
    torch.testing.assert_close(placed.xyxy, torch.tensor([[4.0, 3.0, 14.0, 15.0], [5.0, 3.0, 15.0, 15.0]]))


def test_of_one_object_the_best_guess_is_shown_and_of_parts_the_visible_ones():
    xyxy = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 9.0, 9.0]])
    unsure = Boxes(xyxy, torch.tensor([1, 0]), torch.tensor([0.4, 0.3]))
    assert TASK.presentation.shown(unsure, ONE).labels.tolist() == [1]
    assert TASK.presentation.caption(unsure, ONE) == "dog 40%"
    seen = Boxes(xyxy, torch.tensor([1, 0]), torch.tensor([0.9, 0.3]))
    assert TASK.presentation.shown(seen, PARTS).labels.tolist() == [1]
    assert TASK.presentation.caption(seen, PARTS) == "1 x left ear"
    record = TASK.presentation.to_record(unsure, ONE)
    assert record["shown"] == 1
    assert [row["class_name"] for row in record["boxes"]] == ["dog", "cat"]
    entries = TASK.presentation.exchange(unsure, ONE, path="000012.jpg")
    assert [entry["bbox"] for entry in entries] == [[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 7.0, 7.0]]
    image = np.zeros((3, 10, 10), np.uint8)
    assert TASK.presentation.draw(image, unsure, ONE).shape[0] == 3
    assert TASK.presentation.thumbnail(image, unsure, ONE, Boxes(xyxy[:1], torch.tensor([1]))).shape[0] == 3


def test_an_ensemble_is_the_mean_of_boxes_and_scores():
    a = Boxes(
        torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 8.0, 8.0]]), torch.tensor([0, 1]), torch.tensor([0.8, 0.2])
    )
    b = Boxes(torch.tensor([[4.0, 4.0, 8.0, 8.0]]), torch.tensor([0]), torch.tensor([0.8]))
    found = TASK.evaluation.ensemble([a, b])
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.8, 0.1])
    torch.testing.assert_close(found.xyxy[0], torch.tensor([2.0, 2.0, 6.0, 6.0]))


def test_right_and_wrong():
    target = Boxes(torch.tensor([[0.0, 0.0, 4.0, 4.0]]), torch.tensor([0]))
    right = Boxes(torch.tensor([[0.0, 0.0, 4.0, 3.0]]), torch.tensor([0]), torch.tensor([0.9]))
    other = Boxes(torch.tensor([[0.0, 0.0, 4.0, 4.0]]), torch.tensor([1]), torch.tensor([0.9]))
    assert TASK.evaluation.right(right, target, ONE)
    assert not TASK.evaluation.right(other, target, ONE)
    assert TASK.evaluation.error_score(right, target, ONE) == pytest.approx(0.25)
    assert TASK.evaluation.error_score(other, target, ONE) == 1.0


def test_classes_are_weighed_and_smoothed_and_parts_refuse_both(tmp_path):
    dataset = TASK.data.read(write_coco(tmp_path / "a", [[0], [0], [0], [1]]))
    model = registry.build("cam_squeezenet1_1", 2, {"image_size": 32})
    TASK.data.configure(model, LocalizationSettings(class_weights=True, label_smoothing=0.1), dataset, [0, 1, 2, 3])
    torch.testing.assert_close(model.criterion.weights, torch.tensor([4 / 6, 4 / 2]))
    assert model.criterion.label_smoothing == 0.1
    parts = TASK.data.read(write_coco(tmp_path / "b", [[0, 1]]))
    with pytest.raises(RecipeError, match="one object"):
        TASK.data.configure(model, LocalizationSettings(label_smoothing=0.1), parts, [0])


def test_rare_classes_are_drawn_as_often(tmp_path):
    dataset = TASK.data.read(write_coco(tmp_path / "a", [[0], [0], [0], [1]]))
    weights = TASK.data.sampling_weights([dataset.target(index) for index in range(4)], ONE)
    assert weights == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])

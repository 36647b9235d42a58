"""The split that predictions belong to is found by their images, and asked for where several could be meant."""

import json

import pytest
from PIL import Image

from zorki.errors import DataError
from zorki.tasks.detection.prediction_files.evaluate import evaluate_predictions

BOX = [10, 10, 30, 20]


def coco_folder(root, images):
    """One file a split, {split: {id: file name}}, and a box in each image."""
    (root / "annotations").mkdir(parents=True)
    for split, names in images.items():
        rows = [{"id": k, "image_id": k, "category_id": 1, "bbox": BOX, "area": 600, "iscrowd": 0} for k in names]
        content = {
            "images": [{"id": k, "file_name": name, "height": 64, "width": 64} for k, name in names.items()],
            "annotations": rows,
            "categories": [{"id": 1, "name": "cat"}],
        }
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    return root


def predictions(path, *words):
    """A perfect box for each image; a word is an id, or a file name beside the id 0."""
    named = [{"image_id": 0, "file_name": word} if isinstance(word, str) else {"image_id": word} for word in words]
    path.write_text(json.dumps([one | {"category_id": 1, "bbox": BOX, "score": 0.9} for one in named]))
    return path


@pytest.fixture
def folder(tmp_path):
    """Ids of their own in each split, and the name a.jpg in two."""
    splits = {"train": {1: "a.jpg", 2: "b.jpg", 3: "c.jpg"}, "val": {8: "a.jpg", 9: "v.jpg"}, "test": {20: "t.jpg"}}
    return coco_folder(tmp_path / "data", splits)


def ap(result):
    return (result.split, result.count, round(result.metrics.to_json()["ap"], 6))


def test_the_split_of_the_images_is_evaluated_and_told(tmp_path, folder):
    """Against all three splits the same predictions would have an AP of .337."""
    found = predictions(tmp_path / "val.json", 8, 9)
    result = evaluate_predictions(found, folder)
    assert ap(result) == ("val", 2, 1.0)
    assert [(defect.note, defect.reason) for defect in result.defects] == [
        (True, "its predictions are of images of val: evaluated on its 2 images; --split takes others")
    ]
    assert ap(evaluate_predictions(found, folder, split="all"))[:2] == ("all", 6)
    assert evaluate_predictions(found, folder, split="all").metrics.to_json()["ap"] < 0.4
    assert ap(evaluate_predictions(predictions(tmp_path / "name.json", "v.jpg", "images/v.jpg"), folder))[0] == "val"


def test_a_split_of_which_no_prediction_is_is_no_table_of_zeros(tmp_path, folder):
    with pytest.raises(DataError, match=r"none of the 2 detections is .* \(split test\): 2 detections are of images"):
        evaluate_predictions(predictions(tmp_path / "val.json", 8, 9), folder, split="test")


def test_predictions_of_every_split_are_evaluated_on_all(tmp_path, folder):
    result = evaluate_predictions(predictions(tmp_path / "all.json", 1, 2, 3, 8, 9, 20), folder)
    assert ap(result) == ("all", 6, 1.0)
    assert "train (3 of 3) and val (2 of 2) and test (1 of 1): evaluated on all 6 images" in result.defects[0].reason
    assert ap(evaluate_predictions(predictions(tmp_path / "none.json"), folder))[:2] == ("all", 6)


def test_some_of_several_splits_ask(tmp_path, folder):
    found = predictions(tmp_path / "some.json", 1, 20)
    with pytest.raises(DataError, match=r"train \(1 of 3\) and test \(1 of 1\) of .* say one of --split train"):
        evaluate_predictions(found, folder)
    assert ap(evaluate_predictions(found, folder, split="test")) == ("test", 1, 1.0)


def test_ids_that_each_split_counts_anew_ask(tmp_path):
    data = coco_folder(
        tmp_path / "data", {"train": {1: "a.jpg", 2: "b.jpg", 3: "c.jpg"}, "val": {1: "v.jpg", 2: "w.jpg"}}
    )
    found = predictions(tmp_path / "val.json", 1, 2)
    with pytest.raises(
        DataError, match=r"train \(2 of 3\) and val \(2 of 2\) .* say one of --split train, --split val"
    ):
        evaluate_predictions(found, data)
    assert ap(evaluate_predictions(found, data, split="val")) == ("val", 2, 1.0)
    assert ap(evaluate_predictions(predictions(tmp_path / "train.json", 1, 2, 3), data)) == ("train", 3, 1.0)


def test_splits_of_the_same_images_are_one(tmp_path):
    """Both splits are one folder, as in the small datasets that trainers show their workings with."""
    (tmp_path / "data/images").mkdir(parents=True)
    for name in "abc":
        (tmp_path / f"data/images/{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        Image.new("RGB", (64, 64)).save(tmp_path / f"data/images/{name}.png")
    (tmp_path / "data/data.yaml").write_text("train: images\nval: images\nnames: [cat]\n")
    assert evaluate_predictions(predictions(tmp_path / "f.json", "a.png"), tmp_path / "data").split == "val"

"""`zorki evaluate --mistakes` and `zorki predict --to`: what labeling tools get."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_backbone import tiny_squeezenet

from zorki import registry
from zorki.cli import main
from zorki.data.annotations.keypoints.skeletons import skeleton_of
from zorki.data.formats.readers import read_boxes, read_instances, read_keypoints
from zorki.engine.prediction.preannotations import AnnotatedImage, write_annotations
from zorki.tasks.detection.task import Detection
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.types import Boxes, ClassInfo, Instances, Keypoints, Label, Mask

INFO = ClassInfo(("cat", "dog"))


@pytest.fixture
def photos():
    """Black and white images in a folder of each, and one of each in the wrong one."""
    for split in ("train", "test"):
        for name, level in (("black", 0), ("white", 255)):
            Path("photos", split, name).mkdir(parents=True)
            for number in range(6):
                pixels = np.full((32, 32, 3), 255 - level if number == 5 else level, np.uint8)
                pixels[number, :, 0] = 10 * number + (split == "test")
                Image.fromarray(pixels).save(f"photos/{split}/{name}/{number}.png")
    return Path("photos")


def weights_for_brightness():
    """LeNet-5 that says white of what is bright."""
    torch.manual_seed(0)
    model = registry.build("lenet5", 2).eval()
    black, white = (torch.full((1, 3, 32, 32), level, dtype=torch.uint8) for level in (0, 255))
    with torch.no_grad():
        features = []
        last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
        handle = last.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0][0]))
        model(black), model(white)
        handle.remove()
        direction = features[1] - features[0]
        middle = (features[1] + features[0]) @ direction / 2
        scale = 4 / (direction @ direction)
        last.weight[:] = torch.stack([-direction, direction]) * scale
        last.bias[:] = torch.stack([middle, -middle]) * scale
    save_file(model.state_dict(), "lenet.safetensors")


def test_swapped_labels_are_found(photos, capsys):
    weights_for_brightness()
    words = ["evaluate", "lenet5", str(photos), "--weights", "lenet.safetensors", "--mistakes"]
    main([*words, "--to", "label_studio", "--out", "found", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["split"], found["count"]) == ("test", 12)
    rows = [(row["image"], row["label"], row["suggested"]) for row in found["mistakes"]]
    assert set(rows) == {("photos/test/black/5.png", "black", "white"), ("photos/test/white/5.png", "white", "black")}
    assert Path("found/index.html").read_text().count("<img") == 2
    assert len(Path("found/mistakes.csv").read_text().splitlines()) == 3
    tasks = json.loads(Path("found/label_studio.json").read_text())
    assert len(tasks) == 2
    own, other = (tasks[0][key][0]["result"][0]["value"]["choices"] for key in ("annotations", "predictions"))
    assert own != other
    assert tasks[0]["meta"]["mistakes"][0]["kind"] == "wrong class"


def test_bad_input_is_one_message(photos, capsys):
    weights_for_brightness()
    words = ["evaluate", "lenet5", str(photos), "--weights", "lenet.safetensors"]
    for more, message in (
        (["--mistakes", "--to", "cvta"], "cvat"),
        (["--mistakes", "--conf", "0.5"], "--conf with --mistakes"),
        (["--to", "coco"], "--to belongs to --mistakes"),
        (["--mistakes", "--to", "coco"], "expected --to label_studio"),
    ):
        with pytest.raises(SystemExit) as end:
            main([*words, *more])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert not list(Path("runs").glob("*")) if Path("runs").exists() else True


def boxes(rows, labels, scores=None):
    return Boxes(torch.tensor(rows).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64), scores)


def test_errors_of_boxes_by_the_task():
    good = boxes([[10.0, 10, 50, 50]], [0])
    sure = torch.tensor([0.9])
    predictions = [boxes([[10.0, 10, 50, 50]], [0], sure)] * 4 + [boxes([[10.0, 10, 50, 50]], [1], sure)]
    (found,) = Detection().evaluation.label_errors(predictions, [good] * 5, INFO)
    assert (found.place, found.kind, found.label, found.suggested) == (4, "wrong class", 0, 1)
    assert found.box == (10, 10, 50, 50)


def test_errors_of_masks_by_their_tasks():
    masks = torch.zeros(1, 20, 20, dtype=torch.bool)
    masks[0, 2:12, 2:12] = True
    target = Instances(torch.tensor([[2.0, 2, 12, 12]]), torch.tensor([0]), masks)
    seen = Instances(target.xyxy, torch.tensor([1]), masks, torch.tensor([0.8]))
    (found,) = InstanceSegmentation().evaluation.label_errors([seen], [target], INFO)
    assert (found.kind, found.label, found.suggested) == ("wrong class", 0, 1)
    classes = torch.zeros(20, 20, dtype=torch.int64)
    other = classes.clone()
    other[2:12, 2:12] = 1
    (region,) = SemanticSegmentation().evaluation.label_errors([Mask(other)], [Mask(classes)], INFO)
    assert (region.kind, region.label, region.suggested, region.box) == ("wrong region", 0, 1, (2, 2, 12, 12))


@pytest.fixture
def pair():
    for name in ("a", "b"):
        Path("images").mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), (9, 9, 9)).save(f"images/{name}.png")
    return [Path("images/a.png"), Path("images/b.png")]


@pytest.mark.parametrize("to", ["coco", "cvat", "voc"])
def test_predicted_boxes_come_back(pair, to):
    found = [boxes([[1.0, 2, 20, 25], [5.0, 5, 9, 9]], [1, 0], torch.tensor([0.9, 0.8])), boxes([], [])]
    images = [AnnotatedImage(path, 30, 40, one) for path, one in zip(pair, found, strict=True)]
    path, _ = write_annotations(images, INFO, to, Path("drafts"))
    again = read_boxes(path, images=Path("images"), need_images=False)
    assert sorted(again.class_names) == ["cat", "dog"]
    names = [again.class_names[label] for label in again.labels.tolist()]
    assert sorted(zip(names, again.xyxy.round().tolist(), strict=True)) == [
        ("cat", [5, 5, 9, 9]), ("dog", [1, 2, 20, 25]),
    ]  # fmt: skip


@pytest.mark.parametrize("to", ["coco", "cvat"])
def test_predicted_masks_come_back(pair, to):
    masks = torch.zeros(1, 30, 40, dtype=torch.bool)
    masks[0, 3:9, 4:20] = True
    masks[0, 5, 6] = False
    found = Instances(torch.tensor([[4.0, 3, 20, 9]]), torch.tensor([1]), masks, torch.tensor([0.9]))
    path, _ = write_annotations([AnnotatedImage(pair[0], 30, 40, found)], INFO, to, Path("drafts"))
    again = read_instances(path, images=Path("images"))
    assert torch.equal(again.target(0).masks, masks)
    assert again.class_names[again.target(0).labels[0]] == "dog"


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("to", ["coco", "cvat", "yolo"])
def test_predicted_joints_come_back(pair, to, boxed):
    joints = torch.tensor([[[4.0, 3.0], [20.0, 9.0], [12.0, 25.0]]])
    found = Keypoints(joints, torch.full((1, 3), 2), torch.tensor([[2.0, 1, 24, 28]]) if boxed else None)
    info = ClassInfo(("cat",), skeleton=skeleton_of(["nose", "left_ear", "right_ear"]))
    path, _ = write_annotations([AnnotatedImage(one, 30, 40, found) for one in pair], info, to, Path("drafts"))
    again = read_keypoints(path, images=Path("images"))
    assert (len(again), again.class_names, again.skeleton.names) == (2, ["cat"], info.skeleton.names)
    assert torch.allclose(again.target(1).points, joints, atol=0.01)
    assert again.target(1).visibility.tolist() == [[2, 2, 2]]


def test_what_has_no_place_is_told(pair):
    with pytest.raises(Exception, match="expected --to label_studio"):
        write_annotations([AnnotatedImage(pair[0], 30, 40, Label(0))], INFO, "coco", Path("drafts"))


def test_drafts_on_the_command_line(pair, monkeypatch, capsys):
    tiny_squeezenet(monkeypatch)
    torch.manual_seed(0)
    save_file(registry.build("ssd_squeezenet", 2, {"image_size": 64}).state_dict(), "ssd.safetensors")
    words = ["predict", "ssd_squeezenet", "images", "--weights", "ssd.safetensors", "--options.image_size", "64"]
    main([*words, "--conf", "0.01", "--max-det", "3", "--out", "drafts", "--to", "labelstudio"])
    tasks = json.loads(Path("drafts/label_studio.json").read_text())
    assert [Path(task["data"]["image"]).name for task in tasks] == ["a.png", "b.png"]
    assert len(tasks[0]["predictions"][0]["result"]) == 3
    assert "annotations of 2 images: drafts/label_studio.json" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, "--to", "cooc"])
    assert "coco" in capsys.readouterr().err

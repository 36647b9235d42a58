"""An exported file in the place of a run: by Python and by the command line, without torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import exported_files
import numpy as np
import pytest
from PIL import Image

import zorki
from zorki.cli import main
from zorki.engine.evaluation.exported import evaluate_exported
from zorki.engine.prediction.predictors.exported import open_model
from zorki.errors import RecipeError, WeightsError, ZorkiError

pytest.importorskip("onnxruntime")


def image(height, width, color):
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3)).copy()


def test_labels_are_those_of_the_graph():
    path = exported_files.classifier("model.onnx")
    results = zorki.predict(path, [image(20, 30, (9, 0, 0)), image(9, 8, (0, 0, 3))], quiet=True)
    assert [result.caption.split()[0] for result in results] == ["red", "blue"]
    assert [row.name for row in results[0]] == ["red", "green", "blue"]
    assert results[1][0].score == pytest.approx(np.exp(3) / (2 + np.exp(3)))


@pytest.mark.parametrize("sizes", [("height", "width"), (48, 64)])
def test_boxes_come_back_into_the_pixels_of_their_images(sizes):
    """Also where the graph takes one size alone, on whose canvas each image lies in the middle."""
    path = exported_files.detector("model.onnx", *sizes)
    images = [image(20, 30, (255, 255, 255)), image(64, 16, (255, 0, 0)), image(1, 90, (51, 51, 51))]
    results = zorki.predict(path, images, quiet=True)
    boxes = [result[0].box for result in results]
    assert np.allclose(boxes, [(0, 0, 30, 20), (0, 0, 16, 64), (0, 0, 90, 1)], atol=1e-5)
    assert [len(result) for result in results] == [1, 1, 1]
    assert results[0][0].name == "red"


def test_a_graph_for_one_image_is_asked_for_each():
    path = exported_files.classifier("model.onnx", batch=1)
    results = zorki.predict(path, [image(8, 8, (9, 0, 0)), image(8, 8, (0, 9, 0))], quiet=True)
    assert [result[0].name for result in results] == ["red", "green"]


def test_predictions_are_chosen_as_those_of_a_run():
    path = exported_files.detector("model.onnx", thresholds={"min_score": 0.05, "max_iou": 0.5, "max_count": 100})
    white = image(16, 16, (255, 255, 255))
    assert len(zorki.predict(path, [white], conf=0.9, quiet=True)[0]) == 1
    assert len(zorki.predict(path, [white], classes="blue", quiet=True)[0]) == 0
    for settings, words in (
        ({"conf": 0.01}, r"conf is 0.01, and the file was exported with 0.05.*again with --conf 0.01"),
        ({"iou": 0.7}, "again with --iou 0.7"),
        ({"max_det": 300}, "again with --max-det 300"),
        ({"tile": 64}, "leave tile out"),
        ({"weights": "a.pth"}, "leave weights out"),
        ({"options": {"image_size": "64"}}, "leave options out"),
        ({"boxes_from": "runs/a"}, "takes the boxes of nobody"),
        ({"device": "mps"}, "cpu and cuda"),
        ({"device": "cuda"}, "onnxruntime-gpu"),
    ):
        with pytest.raises(RecipeError, match=words):
            zorki.predict(path, [white], quiet=True, **settings)
    with pytest.raises(RecipeError, match="predicts alone"):
        zorki.predict([path, path], [white], quiet=True)


def test_what_is_too_large_for_its_graph_is_told():
    path = exported_files.detector("model.onnx", 24, 32)
    with pytest.raises(ZorkiError, match=r"takes 24 x 32 pixels, and this image needs 32 x 16; export"):
        zorki.predict(path, [image(64, 32, (0, 0, 0))], quiet=True)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"format": 2}, "of format 2, and this zorki reads formats up to 1; install a newer zorki"),
        ({"format": None}, "written by an older zorki.*export the run again"),
        ({"task": "levitation"}, "task 'levitation' is not known"),
        ({"task": None}, "zorki.task is missing"),
        ({"preprocess": {"kind": "Fold"}}, "preprocessing of kind 'Fold' is not known"),
        ({"decoding": {"kind": "tea_leaves"}}, "kind 'tea_leaves', and this zorki reads label"),
    ],
)
def test_what_a_file_says_of_itself_is_checked(about, words):
    with pytest.raises(WeightsError, match=words):
        zorki.predict(exported_files.classifier("model.onnx", **about), [image(8, 8, (0, 0, 0))], quiet=True)


def test_files_of_others_and_broken_ones_end_with_one_message(capsys):
    own = Path(exported_files.classifier("model.onnx")).read_bytes()
    Image.fromarray(image(8, 8, (9, 0, 0))).save("a.png")
    others = dict.fromkeys(
        ("task", "model", "format", "version", "num_classes", "class_info", "preprocess", "decoding", "thresholds")
    )
    exported_files.classifier("other.onnx", **others)
    Path("cut.onnx").write_bytes(own[: len(own) // 2])
    Path("empty.onnx").write_bytes(b"")
    for name, words in (
        ("other.onnx", "not written by zorki; expected a file of `zorki export`"),
        ("cut.onnx", "no ONNX file, or a broken one"),
        ("empty.onnx", "no ONNX file, or a broken one"),
        ("none.onnx", "there is no such file"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["predict", name, "a.png"])
        assert end.value.code == 2
        said = capsys.readouterr().err
        assert words in said
        assert "Traceback" not in said


def test_the_command_line_predicts_without_torch():
    """The same files as of a run: drawings, predictions.json in the task's format; in a process without torch."""
    path = exported_files.detector("model.onnx")
    Image.fromarray(image(20, 30, (255, 255, 255))).save("a.png")
    Path("photos").mkdir()
    os.link("a.png", "photos/a.png")
    program = (
        "import sys\nfrom zorki.cli import main\n"
        f"main(['predict', {str(path)!r}, 'a.png', '--out', 'out'])\n"
        f"main(['predict', {str(path)!r}, 'photos', '--out', 'shards', '--format', 'jsonl'])\n"
        "heavy = {'torch', 'torchvision', 'scipy', 'onnx', 'timm'} & {name.split('.')[0] for name in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.png: 1 x red" in done.stdout
    (entry,) = json.loads(Path("out/predictions.json").read_text())
    assert entry["bbox"] == [0, 0, 30, 20]
    assert 0.9 < entry["score"] < 1  # a part of the canvas is gray
    assert Path("out/a.png").is_file()
    row = json.loads(Path("shards/part-00000.jsonl").read_text())
    assert row["path"] == "a.png"
    assert row["boxes"][0]["xyxy"] == pytest.approx([0, 0, 30, 20], abs=1e-4)


def photos(colors):
    for number, (name, color) in enumerate(colors):
        Path("photos", name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image(8, 8, color)).save(f"photos/{name}/{number}.png")


def test_the_command_line_evaluates_without_torch():
    """Three of four are right."""
    path = exported_files.classifier("model.onnx")
    photos([("red", (9, 0, 0)), ("green", (0, 9, 0)), ("blue", (0, 0, 9)), ("blue", (9, 0, 0))])
    program = (
        "import sys\nfrom zorki.cli import main\n"
        f"main(['evaluate', {str(path)!r}, 'photos', '--split', 'all', '--json', 'found.json'])\n"
        "heavy = {'torch', 'torchvision', 'scipy', 'onnx', 'timm'} & {name.split('.')[0] for name in sys.modules}\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(Path("found.json").read_text())["results"]
    assert row["metrics"]["count"] == 4
    assert row["metrics"]["top1"] == 0.75


def test_boxes_are_evaluated_without_torch():
    """The box round the whole image is the annotated one of two images of three."""
    path = exported_files.detector("model.onnx", class_info={"names": ["cell"]})
    boxes = {1: [0, 0, 20, 16], 2: [0, 0, 20, 16], 3: [9, 9, 5, 5]}
    page = {
        "images": [{"id": key, "file_name": f"{key}.png", "width": 20, "height": 16} for key in boxes],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": key, "image_id": key, "category_id": 1, "area": box[2] * box[3], "iscrowd": 0, "bbox": box}
            for key, box in boxes.items()
        ],
    }
    Path("cells").mkdir()
    for key in boxes:
        Image.fromarray(image(16, 20, (200, 200, 200))).save(f"cells/{key}.png")
    Path("cells/instances.json").write_text(json.dumps(page))
    model = open_model(Path(path))
    result = evaluate_exported(model, "cells", split="all")
    assert (result.count, result.unit) == (3, "images")
    assert 0.5 < result.metrics.scalars()["ap50"] < 0.7
    assert evaluate_exported(model, "cells", split="all", conf=0.99).metrics.scalars()["ap50"] == 0


def test_what_a_file_cannot_be_evaluated_with_is_told(capsys):
    path = exported_files.classifier("model.onnx")
    photos([("red", (9, 0, 0))])
    for words, said in (
        ([path], "is an exported file, which knows no data; name them behind it"),
        ([path, path, "photos"], "are evaluated one by one"),
        ([path, "photos", "--tile", "64"], "--tile with an exported file: leave it out"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["evaluate", *words])
        assert end.value.code == 2
        assert said in capsys.readouterr().err

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout

import pytest
from PIL import Image

from zorki.cli import main


def run(*words):
    """Exit code, what was printed, and what was complained of."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code or 0
    assert "Traceback" not in err.getvalue()
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    Image.new("RGB", (100, 50)).save(root / "1.jpg")
    (root / "train.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,100,50,cat,1,2,30,40\n1.jpg,100,50,cat,5,5,5,6\n"
    )
    return root


def test_convert(data, tmp_path):
    code, out, _ = run("convert", data, "--to", "coco", "--out", tmp_path / "coco")
    assert code == 0
    assert "read as csv: it holds TensorFlow's tables of boxes: train.csv" in out
    assert "1 defect:" in out
    assert "train.csv:3: " in out
    assert f"{tmp_path / 'coco'}: 1 images (train 1, val 0), 1 boxes, 1 classes, as coco" in out
    truth = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())
    assert truth["annotations"][0]["bbox"] == [1, 2, 29, 38]
    assert (tmp_path / "coco/images/train/1.jpg").read_bytes() == (data / "1.jpg").read_bytes()
    code, out, _ = run("convert", tmp_path / "coco", "--to", "voc", "--out", tmp_path / "voc", "--link")
    assert code == 0
    assert (tmp_path / "voc/JPEGImages/1.jpg").is_symlink()
    assert "warning: voc has no ids of images, boxes and classes: they are not kept" in out


def test_without_images(data, tmp_path):
    (data / "1.jpg").rename(tmp_path / "1.jpg")
    code, _, err = run("convert", data, "--to", "voc", "--out", tmp_path / "out")
    assert code == 2
    assert "none of the 1 images" in err
    code, _, _ = run("convert", data, "--to", "voc", "--out", tmp_path / "out", "--no-images")
    assert code == 0
    assert not (tmp_path / "out/JPEGImages").exists()
    (tmp_path / "images").mkdir()
    (tmp_path / "1.jpg").rename(tmp_path / "images/1.jpg")
    code, _, _ = run("convert", data, "--to", "voc", "--out", tmp_path / "two", "--image-folder", tmp_path / "images")
    assert code == 0
    assert (tmp_path / "two/JPEGImages/1.jpg").is_file()


def test_sizes_are_looked_up_where_they_stand_nowhere_else(data, tmp_path):
    (data / "train.csv").unlink()
    (data / "1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    code, _, _ = run("convert", data, "--to", "coco", "--out", tmp_path / "out", "--no-images")
    assert code == 0
    files = [tmp_path / "out/annotations" / name for name in os.listdir(tmp_path / "out/annotations")]
    assert json.loads(files[0].read_text())["annotations"][0]["bbox"] == [25, 12.5, 50, 25]


def test_broken_and_scaled_images_are_left_out_and_told(data, tmp_path):
    lines = (data / "train.csv").read_text()
    for name in ("2.jpg", "3.jpg", "4.jpg"):
        lines += f"{name},100,50,dog,{name[0]},2,30,40\n"
        Image.new("RGB", (100, 50)).save(data / name)
    (data / "train.csv").write_text(lines)
    Image.new("RGB", (50, 25)).save(data / "2.jpg")
    (data / "3.jpg").write_bytes((data / "1.jpg").read_bytes()[:-30])
    for to in ("coco", "voc", "yolo"):
        code, out, _ = run("convert", data, "--to", to, "--out", tmp_path / to)
        assert code == 0
        assert "3 defects" in out
        assert "2.jpg: the image is 50 x 25 pixels, and its boxes were drawn on 100 x 50" in out
        assert "3.jpg: " in out
        assert f"{tmp_path / to}: 2 images (" in out
        assert {path.name for path in (tmp_path / to).rglob("*.jpg")} == {"1.jpg", "4.jpg"}
    ground_truths = [json.loads(path.read_text()) for path in (tmp_path / "coco/annotations").iterdir()]
    assert sorted(one["bbox"][0] for truth in ground_truths for one in truth["annotations"]) == [1, 4]
    code, out, _ = run("convert", data, "--to", "coco", "--out", tmp_path / "all", "--no-images")
    assert (code, "4 images (" in out) == (0, True)  # what the boxes were drawn on stands in the table
    for name in ("1.jpg", "4.jpg"):
        (data / name).write_bytes(b"")
    code, _, err = run("convert", data, "--to", "coco", "--out", tmp_path / "none")
    assert (code, "no image is whole; the first: " in err) == (2, True)
    assert not (tmp_path / "none").exists()


def test_bad_input(data, tmp_path):
    for words, message in {
        ("--to", "yola"): "mask_folders. Did you mean yolo?",
        ("--to", "coco", "--link", "--no-images"): "--link and --no-images exclude each other",
        ("--to", "coco", "--format", "voc"): "no folder in it holds XML files",
        ("--to", "coco", "--format", "kitti"): "'kitti' is no format that can be read here",
    }.items():
        code, _, err = run("convert", data, *words, "--out", tmp_path / "out")
        assert (code, message in err) == (2, True), err
        assert not (tmp_path / "out").exists()
    code, _, err = run("convert", tmp_path / "dat", "--to", "coco", "--out", tmp_path / "out")
    assert (code, "Did you mean data?" in err) == (2, True)
    code, _, err = run("convert", data, "--to", "coco", "--out", data)
    assert (code, "nothing is overwritten" in err) == (2, True)


def test_images_without_labels_and_attributes_are_chosen_here_too(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    for name in "ab":
        Image.new("RGB", (20, 10)).save(tmp_path / f"data/{name}.png")
    (tmp_path / "data/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    words = ["convert", str(tmp_path / "data"), "--to", "coco", "--out"]
    main([*words, str(tmp_path / "out"), "--unlabeled", "skip"])
    assert "1 images (" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words, str(tmp_path / "other"), "--class-attribute", "color"])
    assert "yolo has no attributes of regions" in " ".join(capsys.readouterr().err.split())

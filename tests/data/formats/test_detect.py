import gzip

import pytest
from PIL import Image

from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_labels
from zorki.errors import DataError


def make_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), (1, 2, 3)).save(path)


def test_folders(tmp_path):
    make_image(tmp_path / "cat/1.png")
    assert str(detect(tmp_path).match("labels")) == "class_folders: it holds a folder for each class: cat"
    assert read_labels(tmp_path).format == "class_folders"


def test_a_table_goes_before_folders_where_it_names_files_that_are_there(tmp_path):
    make_image(tmp_path / "cat/1.png")
    (tmp_path / "labels.csv").write_text("path,label\ncat/1.png,lion\n")
    assert detect(tmp_path).match("labels").format == "csv"
    assert read_labels(tmp_path).class_names == ["lion"]
    assert read_labels(tmp_path, "class_folders").class_names == ["cat"]
    (tmp_path / "labels.csv").write_text("path,label\nlost.png,lion\n")
    assert detect(tmp_path).match("labels").format == "class_folders"


def test_idx(tmp_path):
    for name, data in (("images-idx3", b"\0\0\x08\x03" + b"\0\0\0\1" * 3), ("labels-idx1", b"\0\0\x08\x01\0\0\0\1")):
        (tmp_path / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(data + b"\7"))
    assert detect(tmp_path).match("labels").format == "idx"
    assert read_labels(tmp_path).labels == [7]


def test_bare_images_are_no_dataset(tmp_path):
    make_image(tmp_path / "1.png")
    with pytest.raises(DataError) as caught:
        detect(tmp_path).match("labels")
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        f"{tmp_path}: 1 image and no annotation: `zorki predict RUN {tmp_path}` runs inference on them",
        "  label_studio: no JSON file in it, or in a folder of it, has tasks with data, annotations and choices",
        "  csv: it holds no .csv or .tsv file",
        "  idx: it holds no file named like train-images-idx3-ubyte[.gz]",
        "  class_folders: there is no folder in it that could be a class",
    ]


def test_images_beside_a_file_that_tells_nothing(tmp_path):
    make_image(tmp_path / "1.png")
    (tmp_path / "boxes.json").write_text("{}")
    with pytest.raises(DataError, match="the format of the data was not recognized"):
        detect(tmp_path).match("boxes")


def test_no_image_at_all(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=rf"{tmp_path}: no image in this folder or below it; looked for"):
        detect(tmp_path).match("labels")


def test_a_misspelt_format(tmp_path):
    with pytest.raises(
        DataError, match=r"'folder' is no format .* csv, idx, class_folders\. Did you mean class_folders\?"
    ):
        detect(tmp_path).match("labels", format="folder")


def test_a_format_that_was_asked_for_speaks_for_itself(tmp_path):
    make_image(tmp_path / "cat/1.png")
    with pytest.raises(DataError, match=r"it holds no \.csv or \.tsv file"):
        read_labels(tmp_path, "csv")


def test_a_missing_root_names_the_near_ones(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("photso", "photso/cats"):
        with pytest.raises(DataError, match=r"there is no such file or folder: .* 'photso'\. Did you mean photos\?"):
            read_labels(tmp_path / name)


def test_data_of_another_task_are_named(tmp_path):
    make_image(tmp_path / "JPEGImages/1.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/1.xml").write_text("<annotation></annotation>")
    with pytest.raises(DataError) as caught:
        detect(tmp_path).match("masks", "instances")
    assert str(caught.value).startswith(f"{tmp_path}: read as voc: boxes; masks or masks of objects are needed (")
    assert "tried" not in str(caught.value)


def test_panoptic_json_without_its_images_of_segments_is_named(tmp_path):
    make_image(tmp_path / "val/1.png")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/panoptic_val.json").write_text(
        '{"images": [{"id": 1, "file_name": "1.png"}], "categories": [{"id": 1, "name": "sky", "isthing": 0}], '
        '"annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": [{"id": 5, "category_id": 1}]}]}'
    )
    for kind in ("labels", "boxes", "instances", "masks"):
        with pytest.raises(DataError, match="COCO's panoptic JSON holds masks of things and stuff, which are read"):
            detect(tmp_path).match(kind)

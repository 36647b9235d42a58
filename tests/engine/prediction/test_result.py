import io
import sys
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.images import read_image, write_image
from zorki.engine.prediction.label_studio import brush_rle
from zorki.engine.prediction.result import Result
from zorki.engine.prediction.sources import expand
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.tasks.classification.task import Classification
from zorki.tasks.detection.task import Detection
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.types import Boxes, ClassInfo, Embedding, Instances, Keypoints, Label, Mask, TrackedBoxes

NAMES = ("cat", "dog", "owl")
PIXELS = torch.arange(3 * 8 * 10, dtype=torch.uint8).view(3, 8, 10)


def result(annotation, task=Detection, **more):
    return Result(annotation, ClassInfo(NAMES), task.presentation, "photos/a.png", 8, 10, PIXELS.numpy(), **more)


def boxes(scores=(0.9, 0.6, 0.3)):
    xyxy = torch.tensor([[1.0, 2, 5, 6], [0.5, 0.25, 2.5, 7.75], [8, 6, 10, 8]])
    return Boxes(xyxy, torch.tensor([1, 0, 1]), None if scores is None else torch.tensor(scores))


def instances():
    masks = torch.zeros(2, 8, 10, dtype=torch.bool)
    masks[0, 2:6, 1:5] = True
    masks[0, 3, 2] = False  # a hole
    masks[1, 7, 9] = True
    xyxy = torch.tensor([[1.0, 2, 5, 6], [9, 7, 10, 8]])
    return Instances(xyxy, torch.tensor([2, 0]), masks, torch.tensor([0.75, 0.5]), torch.tensor([7, 8]))


LABEL = Label(1, torch.tensor([0.25, 0.5, 0.25]))
MAP = Mask(torch.tensor([[0, 0, 0, 2], [0, 2, 255, 255]], dtype=torch.uint8))


# -- rows --


def test_boxes_are_rows():
    found = result(boxes())
    assert len(found) == 3
    assert [(row.label, row.name, row.box, row.id, row.mask) for row in found] == [
        (1, "dog", (1, 2, 5, 6), None, None),
        (0, "cat", (0.5, 0.25, 2.5, 7.75), None, None),
        (1, "dog", (8, 6, 10, 8), None, None),
    ]
    assert [row.score for row in found] == pytest.approx([0.9, 0.6, 0.3])
    assert found[-1].box == found[2].box == (8, 6, 10, 8)
    with pytest.raises(IndexError, match="row 3 of 3"):
        found[3]
    with pytest.raises(TypeError, match=r"ask `len\(result\) > 0`"):
        bool(found)
    assert repr(found) == "Result(photos/a.png, height 8, width 10: 1 x cat, 1 x dog)"
    assert repr(found[0]) == "Row(dog, 0.900, box 1.0 2.0 5.0 6.0)"
    assert result(boxes(None))[0].score is None


def test_instances_have_masks_and_ids():
    first, second = result(instances(), InstanceSegmentation)
    assert (first.name, first.id, int(first.mask.sum())) == ("owl", 7, 15)
    assert first.mask.shape == (8, 10)
    assert np.argwhere(second.mask).tolist() == [[7, 9]]
    assert repr(first) == "Row(owl, 0.750, box 1.0 2.0 5.0 6.0, id 7, mask of 15 pixels)"


def test_a_classification_s_rows_are_its_most_probable_classes():
    found = result(LABEL, Classification)
    assert [(row.name, row.score) for row in found] == [("dog", 0.5), ("cat", 0.25), ("owl", 0.25)]
    assert len(result(Label(3, torch.full((9,), 1 / 9)), Classification)) == 5
    assert [(row.name, row.score) for row in result(Label(2), Classification)] == [("owl", None)]


def test_a_map_s_rows_are_its_classes_the_largest_first():
    first, second = result(MAP, SemanticSegmentation)
    assert (first.name, first.share, int(first.mask.sum())) == ("cat", 4 / 6, 4)
    assert (second.name, second.share, second.score, second.box) == ("owl", 2 / 6, None, None)
    assert repr(second) == "Row(owl, 33.3% of the pixels)"


def test_metrics_tracks_and_points_fit_too():
    points, seen = torch.tensor([[[1.0, 2], [3, 4]]]), torch.tensor([[2, 1]])
    figures = Keypoints(points, seen, labels=torch.tensor([0]), scores=torch.tensor([0.5]))
    (row,) = result(figures)
    assert (row.name, row.points.tolist(), row.visible.tolist()) == ("cat", [[1, 2], [3, 4]], [True, False])
    tracks = TrackedBoxes(torch.tensor([4]), torch.tensor([9]), torch.tensor([[0.0, 1, 2, 3]]))
    (row,) = result(tracks)
    assert (row.label, row.name, row.id, row.box) == (None, "", 9, (0, 1, 2, 3))
    assert len(result(Embedding(torch.zeros(4)))) == 0
    assert result(Embedding(torch.zeros(4))).numpy()["vector"].shape == (4,)


# -- fewer of them --


def test_boxes_by_score_and_class():
    found = result(boxes())
    assert [row.name for row in found.filter(score=0.6)] == ["dog", "cat"]
    for dogs in ("dog", 1, ["dog"], "1", ["1", "dog"]):
        assert [row.box[0] for row in found.filter(classes=dogs)] == [1, 8]
    assert [row.name for row in found.filter(0.5, "cat,owl")] == ["cat"]
    assert len(found.filter(classes=[])) == 0
    assert len(found) == 3
    assert found.filter(score=0.2).caption == "2 x dog, 1 x cat"  # what is asked for is shown
    assert [row.name for row in found.shown()] == ["dog", "cat"]


def test_classes_of_an_image_and_of_its_pixels():
    others = result(LABEL, Classification).filter(classes=["owl", "cat"])
    assert [(row.name, row.score) for row in others] == [("cat", 0.25), ("owl", 0.25)]
    assert others.annotation.index == 0
    assert len(result(LABEL, Classification).filter(score=0.3)) == 1
    assert result(LABEL, Classification).filter(score=0.9).annotation.index == 1
    owls = result(MAP, SemanticSegmentation).filter(classes="owl")
    assert owls.annotation.classes.tolist() == [[255, 255, 255, 2], [255, 2, 255, 255]]
    with pytest.raises(ZorkiError, match="Mask has no scores to choose by"):
        result(MAP, SemanticSegmentation).filter(score=0.5)
    with pytest.raises(ZorkiError, match="Boxes has no scores to choose by"):
        result(boxes(None)).filter(score=0.5)


def test_unknown_classes_are_refused():
    with pytest.raises(
        RecipeError, match=r"no class is named 'dgo'\. Did you mean dog\? There are cat, dog, owl; .* 2"
    ):
        result(boxes()).filter(classes="dgo")
    with pytest.raises(RecipeError, match="no class is named '3'"):
        result(boxes()).filter(classes=3)


# -- images --


def test_plots_are_what_the_task_draws():
    found = result(boxes())
    drawn = Detection.presentation.draw(PIXELS.numpy(), boxes(), ClassInfo(NAMES))
    assert np.array_equal(found.plot(), drawn.transpose(1, 2, 0))
    with Image.open(io.BytesIO(found._repr_png_())) as png:
        assert np.array_equal(np.asarray(png), found.plot())
    assert found.save("new.png") == Path("new.png")
    assert np.array_equal(read_image(Path("new.png")), drawn)
    Path("folder").mkdir()
    assert found.save("folder").parent == Path("folder")
    assert result(boxes(), frame=7).save("more/plots").name in ("a-000007.png", "a-000007.jpg")


def test_a_drawing_does_not_replace_its_image():
    write_image(Path("a.png"), PIXELS)
    (source,) = expand("a.png")
    found = Result(boxes(), ClassInfo(NAMES), Detection.presentation, "a.png", 8, 10, source)
    assert np.array_equal(found.image, PIXELS.permute(1, 2, 0).numpy())
    for path in ("a.png", f"../{Path.cwd().name}/a.png"):
        with pytest.raises(DataError, match="this is the image itself"):
            found.save(path)
    assert torch.equal(read_image(Path("a.png")), PIXELS)
    Path("a.png").unlink()
    with pytest.raises(DataError, match="there is no such file"):
        assert found.image


def test_crops_reach_outward_to_whole_pixels():
    first, second, third = result(boxes()).crops()
    image = PIXELS.permute(1, 2, 0).numpy()
    assert np.array_equal(first, image[2:6, 1:5])
    assert np.array_equal(second, image[0:8, 0:3])
    assert np.array_equal(third, image[6:8, 8:10])
    with pytest.raises(ZorkiError, match="Label has no boxes to cut out"):
        result(LABEL, Classification).crops()


# -- data --


def test_columns_as_arrays():
    columns = result(instances(), InstanceSegmentation).numpy()
    assert {name: (value.shape, value.dtype.name) for name, value in columns.items()} == {
        "xyxy": ((2, 4), "float32"), "labels": ((2,), "int64"), "masks": ((2, 8, 10), "bool"),
        "scores": ((2,), "float32"), "ids": ((2,), "int64"),
    }  # fmt: skip
    assert result(LABEL, Classification).numpy()["label"] == 1


def test_json_has_stable_keys():
    told = result(boxes(), frame=3).to_json()
    assert list(told) == ["source", "frame", "height", "width", "drawn", "boxes", "threshold", "shown"]
    assert (told["source"], told["frame"], told["height"], told["drawn"]) == ("photos/a.png", 3, 8, None)
    assert list(told["boxes"][0]) == ["label", "class_name", "xyxy", "score"]
    assert list(result(LABEL, Classification).to_json())[4:] == ["label", "class_name", "score", "top"]
    assert list(result(MAP, SemanticSegmentation).to_json())[4:] == ["classes"]
    with_files = result(MAP, SemanticSegmentation, files={"mask": Path("out/masks/a.png")}, drawn=Path("out/a.png"))
    assert with_files.to_json()["mask"] == "out/masks/a.png"
    assert with_files.to_json(Path("out"))["drawn"] == "a.png"


def test_coco_s_results_are_of_objects():
    entries = result(boxes()).to_coco()
    assert [entry["bbox"] for entry in entries][:2] == [[1, 2, 4, 4], [0.5, 0.25, 2, 7.5]]
    assert entries[0]["image_id"] == "a"
    assert {"segmentation", "bbox"} <= set(result(instances(), InstanceSegmentation).to_coco()[0])
    with pytest.raises(ZorkiError, match="Label has no form in COCO's results format"):
        result(LABEL, Classification).to_coco()


def test_tables_hold_what_there_is(monkeypatch):
    found = result(boxes())
    assert list(found.columns()) == ["label", "name", "score", "left", "top", "right", "bottom"]
    assert found.columns()["right"] == [5, 2.5, 10]
    assert result(instances(), InstanceSegmentation).columns()["id"] == [7, 8]
    assert list(result(MAP, SemanticSegmentation).columns()) == ["label", "name", "share"]
    assert found.filter(classes=[]).columns() == {name: [] for name in found.columns()}
    pandas = ModuleType("pandas")
    pandas.DataFrame = dict
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert found.to_pandas() == found.columns()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ZorkiError, match=r"to_pandas needs pandas, .* pip install 'zorki\[pandas\]'"):
        found.to_pandas()


# -- supervision: the fields and checks of its version 0.31.2, against which the whole was run by hand --


def check(values, name, dtype, shape):
    if values is not None:
        assert isinstance(values, np.ndarray), name
        assert values.dtype == dtype, name
        assert values.shape == shape, name


@dataclass
class Detections:
    xyxy: Any
    mask: Any = None
    confidence: Any = None
    class_id: Any = None
    tracker_id: Any = None
    data: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)

    def __post_init__(self):
        count = len(self.xyxy)
        check(self.xyxy, "xyxy", np.float32, (count, 4))
        if self.mask is not None:
            check(self.mask, "mask", np.bool_, (count, *self.mask.shape[1:3]))
        check(self.confidence, "confidence", np.float32, (count,))
        check(self.class_id, "class_id", np.int64, (count,))
        check(self.tracker_id, "tracker_id", np.int64, (count,))
        assert all(len(column) == count for column in self.data.values())


@dataclass
class Classifications:
    class_id: Any
    confidence: Any = None


@dataclass
class KeyPoints:
    xy: Any
    class_id: Any = None
    keypoint_confidence: Any = None
    detection_confidence: Any = None
    visible: Any = None
    data: Any = None


@pytest.fixture
def supervision(monkeypatch):
    module = ModuleType("supervision")
    module.Detections, module.Classifications, module.KeyPoints = Detections, Classifications, KeyPoints
    monkeypatch.setitem(sys.modules, "supervision", module)


def test_supervision_s_types(supervision):
    found = result(boxes()).to_supervision()
    assert found.class_id.tolist() == [1, 0, 1]
    assert found.data["class_name"].tolist() == ["dog", "cat", "dog"]
    assert (found.mask, found.tracker_id) == (None, None)
    masks = result(instances(), InstanceSegmentation).to_supervision()
    assert masks.mask.sum((1, 2)).tolist() == [15, 1]
    assert masks.tracker_id.tolist() == [7, 8]
    assert len(result(boxes()[:0]).to_supervision().xyxy) == 0
    regions = result(MAP, SemanticSegmentation).to_supervision()
    assert regions.xyxy.tolist() == [[0, 0, 3, 2], [1, 0, 4, 2]]
    assert regions.data["class_name"].tolist() == ["cat", "owl"]
    empty = result(Mask(torch.full((2, 3), 255)), SemanticSegmentation).to_supervision()
    assert empty.mask.shape == (0, 2, 3)
    assert result(LABEL, Classification).to_supervision().confidence.tolist() == [0.25, 0.5, 0.25]
    figures = Keypoints(torch.tensor([[[1.0, 2], [3, 4]]]), torch.tensor([[2, 0]]), labels=torch.tensor([0]))
    assert result(figures).to_supervision().xy.shape == (1, 2, 2)
    with pytest.raises(ZorkiError, match="no type for Embedding"):
        result(Embedding(torch.zeros(4))).to_supervision()


def test_without_supervision_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ZorkiError, match=r"to_supervision needs .* pip install 'zorki\[supervision\]'"):
        result(boxes()).to_supervision()


# -- Label Studio --


def test_label_studio_counts_in_percent_of_the_image():
    task = result(boxes()).to_label_studio("/data/local-files/?d=a.png", version="run-1")
    assert task["data"] == {"image": "/data/local-files/?d=a.png"}
    (prediction,) = task["predictions"]
    first, second = prediction["result"]  # what is worth showing
    assert prediction["model_version"] == "run-1"
    assert prediction["score"] == pytest.approx(0.75)
    assert first["value"] == {"x": 10, "y": 25, "width": 40, "height": 50, "rotation": 0, "rectanglelabels": ["dog"]}
    assert (first["type"], first["from_name"], first["to_name"]) == ("rectanglelabels", "label", "image")
    assert (first["original_width"], first["original_height"]) == (10, 8)
    assert first["id"] != second["id"]
    assert (
        result(boxes()).to_label_studio("/data/local-files/?d=a.png")["predictions"][0]["result"][0]["id"]
        == first["id"]
    )
    (choice,) = result(LABEL, Classification).to_label_studio()["predictions"][0]["result"]
    assert (choice["type"], choice["value"]) == ("choices", {"choices": ["dog"]})
    figures = Keypoints(torch.tensor([[[1.0, 2], [3, 4]]]), torch.tensor([[2, 0]]), labels=torch.tensor([0]))
    (point,) = result(figures, task=Classification).to_label_studio()["predictions"][0]["result"]
    assert point["value"] == {"x": 10, "y": 25, "width": 0.5, "keypointlabels": ["cat"]}
    with pytest.raises(ZorkiError, match="no region for Embedding"):
        result(Embedding(torch.zeros(4)), Classification).to_label_studio()


def decoded(code):
    """Slow twin of thi.ng's rle-pack, in JavaScript in Label Studio's interface, bit by bit."""
    bits = iter("".join(f"{byte:08b}" for byte in code))

    def read(size):
        return int("".join(islice(bits, size)), 2)

    count, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values = []
    while len(values) < count:
        same = read(1)
        length = read(sizes[read(2)]) + 1
        values += [read(word)] * length if same else [read(word) for _ in range(length)]
    return values


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 60), (200, 300)])
def test_brush_masks_come_back(shape):
    generator = np.random.default_rng(0)
    for mask in (np.zeros(shape, bool), np.ones(shape, bool), generator.random(shape) < 0.3):
        if shape[0] < 200 or not mask.any() or mask.all():  # chance of many pixels takes the slow twin seconds
            assert decoded(brush_rle(mask)) == np.repeat(np.where(mask.ravel(), 255, 0), 4).tolist()


def test_masks_are_brushed():
    first, second = result(instances(), InstanceSegmentation).to_label_studio()["predictions"][0]["result"]
    assert (first["type"], first["value"]["format"], first["value"]["brushlabels"]) == ("brushlabels", "rle", ["owl"])
    assert sum(decoded(first["value"]["rle"])) == 15 * 4 * 255
    assert second["score"] == 0.5

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from zorki.contracts import Model
from zorki.data import windows
from zorki.data.images import read_image, write_image
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.windows import HeldImage
from zorki.engine.api import Run
from zorki.engine.prediction import tiling
from zorki.engine.prediction.inference import predict_images
from zorki.engine.prediction.predict import predict
from zorki.engine.prediction.tiling import plan_tiling, predict_tiles, small_copy
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe
from zorki.tasks.classification.models.lenet import lenet5
from zorki.tasks.classification.task import Classification
from zorki.tasks.detection.networks.box_stitcher import BoxStitcher
from zorki.tasks.detection.task import Detection
from zorki.tasks.semantic_segmentation.models.unet import unet
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation
from zorki.tiles import Tiles
from zorki.types import Boxes, ClassInfo, Mask


class LocalSegmenter(Segmenter):
    """Two convolutions of 3 x 3: every prediction comes from the 5 x 5 pixels around it."""

    margin = 2

    def __init__(self, size, num_classes=5):
        super().__init__(num_classes=num_classes, preprocess=Letterbox(size, stride=1))
        generator = torch.Generator().manual_seed(7)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, num_classes, 3, padding=1))
        for parameter in self.layers.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        self.largest = 0

    def maps(self, pixels):
        self.largest = max(self.largest, pixels.shape[-2] * pixels.shape[-1])
        return self.layers(pixels), []

    def backbone_stages(self):
        return [self.layers]


@dataclass
class Seen:
    """The images themselves."""

    images: torch.Tensor


class BlobFinder(Model):
    """Finds what is bright, as connected components, and scores it by its size."""

    margin = 0

    def __init__(self, size):
        super().__init__()
        self.preprocess = Letterbox(size, stride=1)

    def forward(self, inputs):
        return Seen(inputs)

    def loss(self, outputs, targets):
        raise NotImplementedError

    def decode(self, outputs, placements):
        from scipy import ndimage

        answers = []
        for image, placement in zip(outputs.images, placements, strict=True):
            parts = ndimage.find_objects(ndimage.label(image[0].numpy() > 128)[0])
            xyxy = torch.tensor([[x.start, y.start, x.stop, y.stop] for y, x in parts], dtype=torch.float32)
            xyxy = xyxy.reshape(-1, 4)
            area = (xyxy[:, 2:] - xyxy[:, :2]).prod(1)
            found = Boxes(xyxy, torch.zeros(len(xyxy), dtype=torch.int64), area / (area + 1000))
            answers.append(found.restore(placement))
        return answers

    def stitcher(self, tiles):
        return BoxStitcher(self.decode, tiles, 0.5)


def photo(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand((1, 3, max(2, height // 6), max(2, width // 6)), generator=generator)
    smooth = functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)[0]
    return (smooth * 255).to(torch.uint8)


def run_of(model, task, class_names):
    return Run(Path("tiny"), "tiny", task, ClassInfo(tuple(class_names)), Recipe(), {"model": "tiny"}, model.eval())


def segmenting(size, class_names="abcde"):
    return run_of(LocalSegmenter(size), SemanticSegmentation(), class_names)


@pytest.mark.parametrize("size", [(150, 170), (64, 200), (200, 40), (65, 64), (190, 129)])
@pytest.mark.parametrize(("tile", "overlap"), [(64, 4), (64, 8), (64, 34), (33, 9)])
def test_a_local_network_predicts_tiles_as_it_predicts_the_whole(size, tile, overlap):
    image = photo(*size)
    (whole,) = predict_images(LocalSegmenter(max(size)).eval(), [image])
    model = LocalSegmenter(tile).eval()
    tiles = plan_tiling([model], tile, overlap).of(*size)
    (answer,) = predict_tiles([model], HeldImage(image), tiles, batch_size=3)
    assert len(whole.classes.unique()) > 2
    assert answer.classes.dtype == torch.uint8
    assert answer.classes.tolist() == whole.classes.tolist()


@pytest.mark.parametrize(
    ("image", "levels"),
    [
        ((photo(150, 170) // 8).index_fill(2, torch.arange(60), 0), {"autocontrast": True}),
        (255 - (photo(150, 170) // 8).index_fill(2, torch.arange(60), 235), {"dark_ground": True}),
    ],
    ids=["dark, and its left third black", "bright, but for its left third"],
)
def test_tiles_have_the_levels_of_their_image(image, levels, monkeypatch):
    def model_of(side):
        model = LocalSegmenter(side).eval()
        model.preprocess = Letterbox(side, 1, **levels)
        return model

    (whole,) = predict_images(model_of(170), [image])
    (plain,) = predict_images(LocalSegmenter(170).eval(), [image])
    assert (plain.classes != whole.classes).float().mean() > 0.1
    tiles = plan_tiling([model_of(64)], 64, 8).of(150, 170)
    (answer,) = predict_tiles([model_of(64)], HeldImage(image), tiles)
    assert torch.equal(answer.classes.long(), whole.classes.long())
    monkeypatch.setattr(tiling, "DRAWN_SIDE", 85)  # the levels are read off a copy of half the size
    (answer,) = predict_tiles([model_of(64)], HeldImage(image), tiles)
    assert (answer.classes != whole.classes).float().mean() < 0.1


def test_the_levels_of_a_strip_are_its_own(monkeypatch):
    monkeypatch.setattr(tiling, "DRAWN_SIDE", 50)
    strip = photo(2, 300) // 8
    (one, other) = tiling._for_parts_of([Letterbox(64, autocontrast=True), Letterbox(64)], HeldImage(strip))
    black, white = one.levels
    assert 0 <= black < white <= int(strip.max()) + 16
    assert black > 0, "the strip was not shrunk to nothing, whose levels are 0 and 16"
    assert other.levels is None


def test_without_heed_to_the_margin_seams_show():
    """So that the test above can fail."""
    image = photo(150, 170)
    (whole,) = predict_images(LocalSegmenter(170).eval(), [image])
    (answer,) = predict_tiles([LocalSegmenter(64).eval()], HeldImage(image), Tiles(150, 170, 64, 0))
    wrong = answer.classes != whole.classes
    assert wrong.any()
    near = torch.zeros(150, 170, dtype=torch.bool)
    for row in Tiles(150, 170, 64, 0).rows[1:]:
        near[row.begin - 2 : row.begin + 2] = True
    for column in Tiles(150, 170, 64, 0).columns[1:]:
        near[:, column.begin - 2 : column.begin + 2] = True
    assert not (wrong & ~near).any()


def test_u_net_predicts_tiles_as_it_predicts_the_whole():
    """Its valid convolutions and poolings, where tiles begin at multiples of its stride; seams show without margins."""
    size, options = (96 + 56, 96 + 2 * 56), {"depth": 2, "width": 8, "dropout": 0.0}
    image = photo(*size)
    torch.manual_seed(0)
    model = unet(4, image_size=96, **options).eval()
    for parameter in model.network.output.parameters():
        parameter.data = torch.randn(parameter.shape)
    whole_model = unet(4, image_size=max(size), **options).eval()
    whole_model.load_state_dict(model.state_dict())
    (whole,) = predict_images(whole_model, [image])
    tiling = plan_tiling([model], 96, None)
    assert (model.margin, tiling.overlap) == (20, 40)
    (answer,) = predict_tiles([model], HeldImage(image), tiling.of(*size))
    (cut,) = predict_tiles([model], HeldImage(image), Tiles(*size, 96, 0))
    assert len(whole.classes.unique()) > 1
    assert (answer.classes != whole.classes).float().mean() < 1e-4  # but for ties, which rounding decides
    assert (cut.classes != whole.classes).float().mean() > 1e-3


def test_probabilities_are_blended_over_the_overlap():
    class Sure(LocalSegmenter):
        """The left tile is sure of class 1 by 3/4, the right one of class 0 by 2/3."""

        margin = 0
        answers = iter([torch.tensor([0.25, 0.75]), torch.tensor([2 / 3, 1 / 3])])

        def probabilities(self, outputs, placements):
            return [next(self.answers)[:, None, None].expand(2, 10, 10).clone()]

    tiles = Tiles(10, 16, 10, 4)
    (answer,) = predict_tiles([Sure(10, num_classes=2).eval()], HeldImage(photo(10, 16)), tiles)
    # Class 1 leads while 3/4 (1 - w) + 1/3 w > 1/2, that is w < 3/5, and w is 1/8, 3/8, 5/8, 7/8 from column 6 on.
    assert answer.classes.tolist() == [[1] * 8 + [0] * 8] * 10


def test_only_tiles_go_through_the_network():
    model = LocalSegmenter(64).eval()
    predict_tiles([model], HeldImage(photo(300, 400)), Tiles(300, 400, 64, 8, 2))
    assert model.largest == 64 * 64


def test_many_classes_take_two_bytes():
    model = LocalSegmenter(32, num_classes=300).eval()
    (answer,) = predict_tiles([model], HeldImage(photo(40, 40)), Tiles(40, 40, 32, 4, 2))
    (whole,) = predict_images(LocalSegmenter(40, num_classes=300).eval(), [photo(40, 40)])
    assert answer.classes.dtype == torch.int16
    assert answer.classes.tolist() == whole.classes.tolist()


def painted(rows):
    image = np.zeros((300, 420, 3), np.uint8)
    for left, top, right, bottom in rows:
        image[top:bottom, left:right] = 255
    return torch.from_numpy(image).permute(2, 0, 1)


OBJECTS = [
    (10, 10, 40, 30),  # inside a tile
    (90, 20, 130, 50),  # across a seam
    (60, 70, 200, 95),  # over three tiles
    (85, 110, 125, 190),  # across a corner
    (220, 60, 410, 290),  # larger than a tile
    (0, 200, 30, 300),  # at the edge of the image
    (95, 230, 101, 236),  # small, whole in the overlap
]


def test_objects_across_seams_are_found_once_and_whole():
    (answer,) = predict_tiles([BlobFinder(100)], HeldImage(painted(OBJECTS)), Tiles(300, 420, 100, 20))
    assert sorted(map(tuple, answer.xyxy.int().tolist())) == sorted(OBJECTS)


# -- what is chosen, and what is refused --


def test_the_overlap_where_nobody_said():
    assert plan_tiling([LocalSegmenter(64)], 64, None).overlap == 8
    assert plan_tiling([BlobFinder(64)], 64, None).why == "an eighth of the tile"
    # The network sees tiles of 64 pixels at half their size: its 2 pixels are 4 of the image's.
    half = plan_tiling([LocalSegmenter(32)], 64, None)
    assert (half.overlap, half.margin) == (8, 4)
    wide = LocalSegmenter(64)
    wide.margin = 10
    chosen = plan_tiling([wide, LocalSegmenter(64)], 64, None)
    assert (chosen.overlap, chosen.margin) == (20, 10)
    assert "twice the 10 pixels" in chosen.why
    # Tiles that begin at multiples of the network's stride, where that costs little.
    pooling = BlobFinder(96)
    pooling.preprocess = Letterbox(96, stride=16)
    chosen = plan_tiling([pooling], 96, None)
    assert (chosen.overlap, chosen.why) == (16, "an eighth of the tile, and tiles begin at multiples of 16")
    pooling.preprocess = Letterbox(48, stride=16)
    assert plan_tiling([pooling], 96, None).overlap == 12  # at half the scale 64 - 12 would be more than an eighth
    with pytest.raises(RecipeError, match=r"overlap is 8, but .* expected at least 20"):
        plan_tiling([wide], 64, 8)


@pytest.fixture
def image():
    write_image(Path("in.png"), photo(150, 170))
    return "in.png"


def test_what_is_refused(image):
    run = segmenting(64)
    for values, reason in [
        ({"tile": 0}, "tile is 0; expected at least 1"),
        ({"tile": 64, "overlap": 50}, "overlap is 50 for tiles of 64 pixels; expected at most 34"),
        ({"tile": 64, "overlap": 2}, "expected at least 4"),
        ({"overlap": 8}, "overlap is 8, but there are no tiles"),
        ({"tile": 64, "batch_size": 0}, "batch_size is 0"),
    ]:
        with pytest.raises(RecipeError, match=reason):
            predict(run, image, out="out", **values)
    assert not Path("out").exists()


def test_a_classifier_has_no_tiles(image):
    run = run_of(lenet5(2), Classification(), "ab")
    with pytest.raises(RecipeError, match=r"Classifier predicts for a whole image.*leave --tile out"):
        predict(run, image, tile=64)


def test_too_large_a_image_is_told_of_tiles(image):
    run = segmenting(64)
    run.recipe = Recipe(max_pixels=1000)
    with pytest.raises(DataError, match="at most 1,000 are allowed; --tile 512 predicts larger ones"):
        predict(run, image)
    assert len(predict(run, image, tile=64)) == 1


# -- files --


def test_images_are_predicted_drawn_and_described(image, capsys):
    whole = predict(segmenting(170), image)[0].annotation
    (answer,) = predict(segmenting(64), image, tile=64, out="out")
    said = capsys.readouterr().out.splitlines()
    assert said == ["tiles of 64 pixels, overlap 8: an eighth of the tile", "1 prediction in out"]
    assert answer.annotation.classes.tolist() == whole.classes.tolist()
    assert (answer.height, answer.width) == (150, 170)
    assert read_image(answer.drawn).shape[2] >= 170
    page = json.loads(Path("out/predictions.json").read_text())
    row = page["predictions"][0]
    assert np.asarray(Image.open(Path("out") / row["mask"])).tolist() == whole.classes.tolist()


def test_what_takes_a_while_is_told_unless_quiet_is(image, capsys):
    predict(segmenting(16), image, tile=16, overlap=4)
    assert capsys.readouterr().out == "in.png: 170 x 150 pixels, 182 tiles, decoded whole\n"
    predict(segmenting(16), image, tile=16, quiet=True)
    assert capsys.readouterr().out == ""


def test_run_predict_takes_tiles(image):
    (mask,) = segmenting(64).predict(image, tile=64, overlap=8)
    (whole,) = segmenting(170).predict(image)
    assert mask.annotation.classes.tolist() == whole.annotation.classes.tolist()


def test_several_runs_prediction_together(image):
    one, two = segmenting(64), segmenting(64)
    (answer,) = predict([one, two], image, tile=64)
    (alone,) = predict(one, image, tile=64)
    assert answer.annotation.classes.tolist() == alone.annotation.classes.tolist()


def test_a_image_that_is_read_by_windows_gives_the_same(monkeypatch):
    vips = pytest.importorskip("pyvips")
    monkeypatch.setattr(windows, "HELD_PIXELS", 0)
    pixels = np.ascontiguousarray(photo(150, 170).permute(1, 2, 0).numpy())
    vips.Image.new_from_array(pixels).tiffsave("in.tif", tile=True, tile_width=32, tile_height=32)
    monkeypatch.setattr(windows, "read_image", lambda *_, **__: pytest.fail("decoded whole"))
    (answer,) = predict(segmenting(64), "in.tif", tile=64, out="out")
    (whole,) = predict_images(LocalSegmenter(170).eval(), [photo(150, 170)])
    assert answer.annotation.classes.tolist() == whole.classes.tolist()


def test_detections_are_exchanged_in_the_pixels_of_the_image():
    write_image(Path("in.png"), painted(OBJECTS))
    run = run_of(BlobFinder(100), Detection(), ["thing"])
    predict(run, "in.png", tile=100, overlap=20, out="out")
    entries = json.loads(Path("out/predictions.json").read_text())
    found = [(x, y, x + width, y + height) for x, y, width, height in (entry["bbox"] for entry in entries)]
    assert sorted(found) == sorted(OBJECTS)


@pytest.mark.parametrize("tile", [None, 64])
def test_a_broken_image_is_left_out_where_it_was_not_named(image, tile, capsys):
    Path("some").mkdir()
    Path("some/broken.png").write_bytes(Path(image).read_bytes()[:5000])
    run, sources = segmenting(170), ["some/broken.png", image]
    for given, strict in ((sources, False), (["some", image], None)):
        results = predict(run, given, tile=tile, overlap=tile and 8, strict=strict)
        assert [result.path for result in results] == [image]
        assert capsys.readouterr().out.startswith("left out: some/broken.png: ")
    for broken, strict in ((sources, None), (["some", image], True)):
        with pytest.raises(DataError, match=r"some/broken\.png"):
            predict(run, broken, tile=tile, strict=strict)


def test_frames_of_a_video_are_tiled():
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter, frames

    with VideoWriter(Path("film.mp4")) as video:
        for seed in range(3):
            video.write(photo(96, 128, seed))
    answers = predict(segmenting(64), "film.mp4", tile=64, overlap=8)
    model = LocalSegmenter(128).eval()
    for answer, (_, image) in zip(answers, frames(Path("film.mp4")), strict=True):
        (whole,) = predict_images(model, [image])
        assert answer.annotation.classes.tolist() == whole.classes.tolist()


def test_large_images_are_drawn_smaller(monkeypatch):
    monkeypatch.setattr(tiling, "DRAWN_SIDE", 50)
    image = photo(150, 170)
    found = Boxes(torch.tensor([[40.0, 80.0, 120.0, 100.0]]), torch.tensor([0]), torch.tensor([0.5]))
    small, placed = small_copy(HeldImage(image), found)
    assert small.shape == (3, 37, 42)
    assert placed.xyxy.tolist() == [[10, 20, 30, 25]]
    mask = Mask((torch.arange(150)[:, None] // 4 + torch.zeros(170)).to(torch.uint8))
    _, placed = small_copy(HeldImage(image), mask)
    assert placed.classes[:, 0].tolist() == list(range(37))
    # A strip is not shrunk to nothing.
    assert small_copy(HeldImage(photo(2, 300)), found)[0].shape == (3, 1, 150)

"""Trackers: a map a frame, of the region in which the object was sought."""

from pathlib import Path

import numpy as np
import pytest
import torch
from color_features import Colors
from PIL import Image
from safetensors.torch import save_file

import zorki
from zorki import registry
from zorki.cli import main
from zorki.contracts.capabilities import Focus
from zorki.data.preprocess.tracking.pairs import ExemplarSearchPairs
from zorki.engine.explanation.explanation import Explanation
from zorki.engine.explanation.heat_map import HeatMap
from zorki.engine.explanation.network import ask
from zorki.engine.explanation.sanity import check
from zorki.errors import ZorkiError
from zorki.tasks.tracking.models.siamfc.correlation import CosineCorrelation
from zorki.tasks.tracking.models.siamfc.siamfc import SiamFc
from zorki.types import Boxes, Placement

SIDE = 20  # of the object
LEFT, TOP = 50, 40
STEP = 2  # pixels that it moves to the right in each frame


def frame(number, height=120):
    """An object of two colors on gray."""
    image = torch.full((3, height, 160), 90, dtype=torch.uint8)
    left = LEFT + STEP * number
    image[0, TOP : TOP + SIDE // 2, left : left + SIDE] = 230
    image[2, TOP + SIDE // 2 : TOP + SIDE, left : left + SIDE] = 230
    return image


def box(number):
    left = LEFT + STEP * number
    return [left, TOP, left + SIDE, TOP + SIDE]


def asked():
    """The object of the first frame, sought in the sixth where it was in the third."""
    preprocess = ExemplarSearchPairs(63, 31)
    model = SiamFc(Colors(), CosineCorrelation(learned=False), preprocess=preprocess).eval()
    boxes = Boxes(torch.tensor([box(0), box(3)]).float(), torch.zeros(2, dtype=torch.int64))
    inputs, (placement,) = preprocess.in_regions([torch.stack([frame(0), frame(6)])], [boxes])
    return model, inputs, placement


def test_the_response_is_largest_in_the_middle_of_the_object_and_unknown_at_the_rim():
    model, inputs, placement = asked()
    found = HeatMap(model.response_map(model(inputs))[0].detach(), placement)
    middle = placement.input_width / 2
    assert found.inside[int(middle), int(middle)]
    assert not found.inside[2, int(middle)]
    values = np.nan_to_num(found.original(), nan=-1)
    row, column = np.unravel_index(values.argmax(), values.shape)
    left, top, right, bottom = box(6)
    assert abs(row + 0.5 - (top + bottom) / 2) <= 4
    assert abs(column + 0.5 - (left + right) / 2) <= 4


def test_the_number_is_that_of_the_place_that_is_asked_for():
    model, inputs, placement = asked()
    best = ask(model, inputs, placement, Focus())
    outputs = model(inputs)
    assert best.own_score() == pytest.approx(float(outputs.logits.max()), abs=1e-6)
    other = ask(model, inputs, placement, Focus(box=(0.0, 0.0, 4.0, 4.0)))
    assert other.own_score() == pytest.approx(float(outputs.logits[0, 0, 0]), abs=1e-6)
    assert best.scores(torch.cat([best.pixels, 255 - best.pixels])).shape == (2,)
    found = check(best, HeatMap(model.response_map(outputs)[0].detach(), placement), None)
    assert found.drop > found.random_drop


@pytest.fixture
def film():
    """A folder of frames, and a tracker of no training."""
    Path("film").mkdir()
    for number in range(4):
        Image.fromarray(frame(number).permute(1, 2, 0).numpy()).save(f"film/{number}.png")
    torch.manual_seed(0)
    save_file(registry.build("siamfc", 1, {"image_size": 175}).state_dict(), "weights.safetensors")
    return {"weights": "weights.safetensors", "options": {"image_size": "175"}}


def test_frames_of_a_film(film):
    found = zorki.explain("siamfc", "film", box=box(0), methods=["response"], out="page.html", **film)
    assert [one.name for one in found] == ["frame 1", "frame 2", "frame 3"]
    assert found[0].maps["response"].original().shape == (120, 160)
    with pytest.raises(ZorkiError, match="box in the first frame"):
        zorki.explain("siamfc", "film", **film)
    with pytest.raises(ZorkiError, match="one frame alone"):
        zorki.explain("siamfc", "film/0.png", box=box(0), **film)
    with pytest.raises(ZorkiError, match="2 at least"):
        zorki.explain("siamfc", "film", box=box(0), max_frames=1, **film)
    Image.fromarray(frame(5, 100).permute(1, 2, 0).numpy()).save("film/5.png")
    with pytest.raises(ZorkiError, match="of one size"):
        zorki.explain("siamfc", "film", box=box(0), **film)


def test_the_box_is_typed_as_for_tracking(film, capsys):
    words = ["explain", "siamfc", "film", "--weights", film["weights"], "--options.image_size", "175",
             "--methods", "response", "--max-frames", "2", "--out", "page.html"]  # fmt: skip
    main([*words, "--box", f"{LEFT},{TOP},{SIDE},{SIDE}"])
    assert "frame 1: the object" in capsys.readouterr().out
    for box_words, message in (("1,2,3", "x,y,width,height"), ("2:1,2,30,40", "in the first frame")):
        with pytest.raises(SystemExit):
            main([*words, "--box", box_words])
        assert message in capsys.readouterr().err


def test_a_close_up_is_of_small_parts_alone():
    whole = Explanation(
        "a", np.zeros((3, 8, 8), np.uint8), None, Focus(), Placement(8, 8, 1.0, 0.0, 0.0, 8, 8), "", 0.0, ""
    )
    assert whole.close_up(16) is whole
    part = Placement(8, 8, 4.0, -12.0, -16.0, 8, 8)  # columns 3 and 4, rows 4 and 5
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8).repeat(3, 0)
    focus = Focus(box=(0.0, 0.0, 4.0, 8.0))
    near = Explanation("a", image, None, focus, part, "", 0.0, "").close_up(4)
    assert near.image[0, ::2, ::2].tolist() == [[35, 36], [43, 44]]
    assert near.box == (0.0, 0.0, 2.0, 4.0)

"""One decision over all masks of objects about what their values mean."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations.instances.object_masks import ObjectMaskTally, object_mask_in
from zorki.data.formats.label_studio.brush import pixels_of_brush
from zorki.data.formats.readers import read_instances

rows, columns = np.mgrid[:24, :32]
DISC = ((rows - 11) ** 2 + (columns - 15) ** 2 < 8**2).astype(np.uint8)


def enlarged(mask):
    return np.asarray(Image.fromarray(mask * 255).resize((64, 48), Image.Resampling.BILINEAR))


def through_jpeg(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask * 255).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer)).copy()


SMEARED = {"enlarged": enlarged(DISC), "a JPEG once": through_jpeg(DISC)}
SHARP = {"0 and 1": DISC, "0 and 255": DISC * 255, "0 and 40": DISC * 40}


def one_png_each(root, masks):
    """The masks' objects, each as the one object of its image, as the Data Science Bowl's."""
    for number, mask in enumerate(masks):
        for name, image in (("images", Image.new("RGB", mask.shape[::-1])), ("masks", Image.fromarray(mask))):
            (root / f"{number}/{name}").mkdir(parents=True)
            image.save(root / f"{number}/{name}/1.png")
    return read_instances(root, "instance_png")


def inline(root, masks):
    """The same in labelme's JSON."""
    root.mkdir(exist_ok=True)
    for number, mask in enumerate(masks):
        high, wide = mask.shape
        Image.new("RGB", (wide, high)).save(root / f"{number}.png")
        buffer = io.BytesIO()
        Image.fromarray(mask).save(buffer, "PNG")
        text = base64.b64encode(buffer.getvalue()).decode()
        (root / f"{number}.json").write_text(json.dumps({
            "imagePath": f"{number}.png", "imageData": None, "imageHeight": high, "imageWidth": wide,
            "shapes": [{"label": "cell", "shape_type": "mask", "points": [[0, 0], [wide - 1, high - 1]], "mask": text}],
        }))  # fmt: skip
    return read_instances(root, "labelme")


@pytest.mark.parametrize("write", [one_png_each, inline])
@pytest.mark.parametrize("how", SMEARED)
def test_fringes_do_not_grow_objects(tmp_path, write, how):
    smeared = SMEARED[how]
    data = write(tmp_path, [smeared, DISC, DISC * 255])
    wanted = [smeared >= 128, DISC > 0, DISC > 0]
    for index, mask in enumerate(wanted):
        assert np.array_equal(data.target(index).masks[0].numpy(), mask), index
    notes = [defect.reason for defect in data.defects if "of objects" in defect.reason]
    assert len(notes) == 1
    assert notes[0].startswith("1 of 3 masks of objects hold several values, ")
    assert notes[0].endswith("values from 128 on are taken for the object")


@pytest.mark.parametrize("write", [one_png_each, inline])
def test_masks_of_one_value_each_are_what_they_are(tmp_path, write):
    data = write(tmp_path, list(SHARP.values()))
    assert all(np.array_equal(data.target(index).masks[0].numpy(), DISC > 0) for index in range(3))
    assert not [defect for defect in data.defects if "of objects" in defect.reason]


def test_what_is_left_of_a_jpeg_alone_is_no_object(tmp_path):
    residue = np.zeros((24, 32), np.uint8)
    residue[::3, ::4] = 1
    data = one_png_each(tmp_path, [SMEARED["enlarged"], residue])
    assert [len(data.target(index)) for index in range(2)] == [1, 0]
    assert [defect.reason for defect in data.defects if not defect.note] == [
        "the mask is empty: every pixel is below 128; the object was left out"
    ]


def test_several_values_without_white_are_all_the_object():
    tally = ObjectMaskTally()
    mask = object_mask_in(np.array([[0, 3, 3], [0, 7, 7]], np.uint8))
    tally.add([mask.counts])
    assert mask.of(tally.smeared).tolist() == [[False, True, True]] * 2
    assert [note.reason for note in tally.notes(Path("data"))] == [
        "1 of 1 masks of objects hold several values, 33.33% of the pixels between, and none is white: every value but "
        "0 is taken for the object"
    ]


@pytest.mark.parametrize(("alpha", "wanted"), [((0, 255, 127, 128), (0, 1, 0, 1)), ((0, 1, 1, 1), (0, 1, 1, 1))])
def test_soft_edges_of_brushes(alpha, wanted):
    """Bytes as they are: 32 bits of the count, the width of values, those of counts, and 16 values of 8 bits."""
    values = [part for one in alpha for part in (9, 9, 9, one)]
    bits = f"{16:032b}{7:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16))
    bits += f"0{1:02b}{15:04b}" + "".join(f"{value:08b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    code = [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]
    assert pixels_of_brush(code, 2, 2).ravel().astype(int).tolist() == list(wanted)

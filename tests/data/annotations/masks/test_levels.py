"""Masks whose values are levels of gray: what is decided once over all of them, and told."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

from zorki.data.formats.readers import read_masks as read_any
from zorki.errors import DataError

read_masks = partial(read_any, format="mask_folders")

rows, columns = np.mgrid[:48, :64]
DISC = np.where((rows - 20) ** 2 + (columns - 30) ** 2 < 15**2, 255, 0).astype(np.uint8)


@pytest.fixture
def data(tmp_path):
    """Writes masks with images and reads them."""

    def make(*masks, names=None, text=None):
        root = tmp_path / f"data{len(list(tmp_path.iterdir()))}"
        for number, mask in enumerate(masks):
            image = mask if isinstance(mask, Image.Image) else Image.fromarray(np.atleast_2d(mask).astype(np.uint8))
            suffix = "jpg" if image.info.get("jpeg") else "png"
            for folder, one in (("images", Image.new("RGB", image.size)), ("masks", image)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                one.save(root / folder / f"{number}.{suffix if folder == 'masks' else 'png'}")
        if text is not None:
            (root / "classes.txt").write_text(text)
        return read_masks(root, class_names=names)

    return make


def told(found):
    return [str(defect).replace(f"{found.root}", "ROOT") for defect in found.defects]


def classes(found):
    return [found.target(index).classes.flatten().tolist() for index in range(len(found))]


def scaled(mask, size):
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))


def through_jpeg(mask, quality):
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).copy()


SMEARED = {
    "enlarged": scaled(DISC, (100, 75)),
    "halved": DISC.reshape(24, 2, 32, 2).mean((1, 3)).astype(np.uint8),  # three shades between
    "a JPEG of high quality": through_jpeg(DISC, 95),
    "a JPEG of low quality": through_jpeg(DISC, 70),
    "a JPEG of the highest quality": through_jpeg(DISC, 100),
}


@pytest.mark.parametrize("how", SMEARED)
def test_black_and_white_that_was_smeared_is_two_classes_again(data, how):
    mask = SMEARED[how]
    found = data(mask, np.zeros((8, 8)))
    assert found.class_names == ["class 0", "class 1"]
    assert found.target(0).classes.tolist() == (mask >= 128).astype(int).tolist()
    assert found.counts.tolist()[0] == [(mask < 128).sum(), (mask >= 128).sum()]
    shades = len(np.unique(mask).tolist()) - (0 in mask) - (255 in mask)
    assert told(found)[0].startswith(f"ROOT: the masks are black and white with {shades} shades between, ")
    assert told(found)[0].endswith("values below 128 are taken as 'class 0', others as 'class 1'")
    named = data(mask, names=["ground", "cell"])
    assert named.target(0).classes.equal(found.target(0).classes)


def test_the_same_stored_as_rgb(data):
    mask = SMEARED["enlarged"]
    found = data(Image.fromarray(mask).convert("RGB"))
    assert found.target(0).classes.tolist() == (mask >= 128).astype(int).tolist()


def blocks(*values):
    """A mask of 8 x 8 pixels a value."""
    return np.repeat(np.repeat([values], 8, 0), 8, 1)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((1, 2, 3), [0, 1, 2, 3]),  # a trimap's numbers
        ((0, 1, 2, 3, 255), [0, 1, 2, 3]),
        ((0, 1, 2, 3, 4, 5, 6, 7, 255), [0, 1, 2, 3, 4, 5, 6, 7]),
        ((0, 1, 2, 253, 254, 255), [0, 1, 2, 253, 254]),  # bright ones, and none of them noise
    ],
)  # fmt: skip
def test_classes_are_not_taken_for_shades(data, values, wanted):
    found = data(blocks(*values), blocks(*values, *[0] * 60))  # little of the other classes
    assert [int(name.split()[1]) for name in found.class_names] == wanted


def test_a_thin_band_of_one_value_is_a_class(data):
    """A matte's unknown pixels, all of one value."""
    band = np.where((rows - 20) ** 2 + (columns - 30) ** 2 < 16**2, 128, 0)
    found = data(np.where(DISC == 255, 255, band))
    assert found.class_names == ["value 0", "value 128", "value 255"]


def test_three_names_leave_shades_alone(data):
    with pytest.raises(DataError, match="value 254"):
        data(SMEARED["enlarged"], names=["a", "b", "c"])


def test_a_palette_that_is_a_gray_ramp_is_none(data):
    image = Image.fromarray(np.array([[0, 255, 255]], np.uint8))
    image.putpalette([part for value in range(256) for part in (value,) * 3])
    assert image.mode == "P"
    assert classes(data(image)) == [[0, 1, 1]]


def test_two_ways_to_write_two_classes(data):
    found = data([0, 1, 1], [0, 255, 0], [0, 0, 0])
    assert (found.class_names, classes(found)) == (["class 0", "class 1"], [[0, 1, 1], [0, 1, 0], [0, 0, 0]])
    assert told(found)[0] == (
        "ROOT: 1 of 3 masks hold 1, 1 hold 255, and none holds both: two ways to write the same, so that 255 is taken "
        "as 'class 1' too"
    )
    assert classes(data([0, 1], [0, 255], text="ground\ncell\n")) == [[0, 1], [0, 1]]
    assert classes(data([0, 1], [0, 255], names=["ground", "cell"])) == [[0, 1], [0, 1]]
    # One mask with both says that 255 is ignored, and with three names it is none of them.
    assert classes(data([0, 1, 255], [0, 255, 0])) == [[0, 1, 255], [0, 255, 0]]
    assert classes(data([0, 1], [0, 255], text="a\nb\nc\n")) == [[0, 1], [0, 255]]


def test_jpegs_beside_masks_without_loss_are_decided_by_file(data):
    jpeg = Image.fromarray(DISC)
    jpeg.info["jpeg"] = True
    found = data(jpeg, (DISC == 255).astype(int))
    assert found.target(0).classes.equal(found.target(1).classes)
    assert told(found)[0].startswith("ROOT: 1 of 2 masks are JPEGs of black and white")
    with pytest.raises(DataError, match="the masks are JPEGs, whose compression changes values"):
        data(jpeg, blocks(0, 1, 2))  # what is a JPEG's 255 there?


@pytest.mark.parametrize("levels", [(0, 128, 255), (0, 127, 255), (0, 85, 170, 255), (0, 64, 128, 191, 255)])
def test_255_is_a_class_where_levels_are_evenly_spread(data, levels):
    found = data(blocks(*levels))
    assert found.class_names == [f"value {level}" for level in levels]
    assert found.target(0).classes[0, ::8].tolist() == list(range(len(levels)))
    assert "are levels of gray, evenly spread, so that 255 is a class; if it is what is ignored" in told(found)[0]
    again = data([0, 255], names=found.class_names)  # the same classes in other data, of which some are not there
    assert classes(again) == [[0, len(levels) - 1]]


def test_names_go_to_levels_in_order(data):
    found = data([0, 128, 128], [255, 0, 0], text="ground\ncup\ndisc\n")
    assert (found.class_names, classes(found)) == (["ground", "cup", "disc"], [[0, 1, 1], [2, 0, 0]])


def test_255_stays_ignored_where_levels_are_not_even_and_its_share_is_told(data):
    found = data([0, 100, 200, 255])
    assert found.class_names == ["value 0", "value 100", "value 200"]
    assert told(found)[-1] == (
        "ROOT: 25.00% of the pixels are ignored, of value 255; if 255 is a class, name the values in a file "
        "classes.txt, as in '255 object'"
    )
    few = np.zeros((40, 600))
    few[0, :3] = 1, 2, 255
    assert told(data(few))[-1] == "ROOT: less than 0.01% of the pixels are ignored, of value 255"


def test_zeros_and_ones_beside_smeared_masks_keep_their_ones(data):
    smeared, ones = SMEARED["enlarged"], DISC // 255
    found = data(smeared, ones, np.zeros((8, 8)))
    assert found.class_names == ["class 0", "class 1"]
    assert [found.target(index).classes.tolist() for index in range(2)] == [
        (smeared >= 128).astype(int).tolist(),
        ones.tolist(),
    ]
    assert found.counts.tolist()[1] == [(ones == 0).sum(), ones.sum()]
    assert "ROOT: 1 mask holds 0 and 1 alone, which are 'class 0' and 'class 1', beside black and white" in told(found)


def test_scattered_ones_beside_smeared_masks_are_residue(data):
    residue = np.zeros((12, 12))
    residue[::3, ::4] = 1
    found = data(SMEARED["a JPEG of low quality"], residue)
    assert found.target(1).classes.unique().tolist() == [0]
    assert found.counts.tolist()[1] == [144, 0]

"""Which class each value or color is."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations.masks.class_names import CAMVID, VOC, find_names
from zorki.data.formats.readers import read_masks
from zorki.errors import DataError

read_mask_pairs = partial(read_masks, format="mask_folders")


@pytest.fixture
def data(tmp_path):
    """Writes masks, one a row of values or colors, with images; reads them with a few files beside."""

    def make(*masks, files=(), palette=None, names=None, suffix="png", **save):
        root = tmp_path / f"data{len(list(tmp_path.iterdir()))}"
        for number, values in enumerate(masks):
            values = np.asarray(values)
            values = values.astype(np.uint8) if values.dtype == np.int64 else values
            values = values[None] if values.ndim == 1 or (values.ndim == 2 and values.shape[-1] == 3) else values
            one = Image.fromarray(values)
            if palette is not None:
                one.putpalette(palette[number] if isinstance(palette[0], list) else palette)
            for folder, image in (("images", Image.new("RGB", one.size)), ("masks", one)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                kind = "png" if folder == "images" else suffix
                image.save(root / folder / f"{number}.{kind}", **(save if folder == "masks" else {}))
        for name, text in dict(files).items():
            (root / name).write_text(text)
        return read_mask_pairs(root, class_names=names)

    return make


def classes(data):
    return [data.target(index).classes.flatten().tolist() for index in range(len(data))]


def told(data):
    return [str(defect).replace(f"{data.root}", "ROOT") for defect in data.defects]


# -- values --


def test_values_without_names(data):
    found = data([0, 1, 3, 255], [0, 3, 3, 3])
    assert found.class_names == ["class 0", "class 1", "class 2", "class 3"]
    assert classes(found) == [[0, 1, 3, 255], [0, 3, 3, 3]]
    assert told(found)[:1] == ["ROOT: no file names the values, and between 0 and 3 no pixel has 2"]


def test_black_and_white(data):
    assert classes(data([0, 255, 255], [0, 0, 0])) == [[0, 1, 1], [0, 0, 0]]
    assert data([0, 255, 255]).class_names == ["class 0", "class 1"]
    assert classes(data([0, 255], [0, 2])) == [[0, 255], [0, 2]]  # another value, so that 255 is nobody's
    with pytest.raises(DataError, match="every pixel of every mask is 255, which is ignored"):
        data([255, 255], [255, 255])
    assert classes(data([255, 255], names=["ground", "cell"])) == [[1, 1]]
    named = data([0, 255], files={"classes.txt": "cell\nmembrane\n"})
    assert (named.class_names, classes(named)) == (["cell", "membrane"], [[0, 1]])
    three = data([0, 255], files={"classes.txt": "a\nb\nc\n"})  # more names: 255 is none of the classes
    assert (three.class_names, classes(three)) == (["a", "b", "c"], [[0, 255]])
    void = data([0, 1, 255], files={"classes.txt": "void\ncell\n"})
    assert (void.class_names, classes(void)) == (["cell"], [[255, 0, 255]])
    palette = data([0, 255], palette=[0, 0, 0] * 256)  # as VOC's, whose 255 is the seam around objects
    assert classes(palette) == [[0, 255]]
    assert classes(data(np.array([[False, True]]))) == [[0, 1]]


def test_scattered_values_are_each_a_class(data):
    found = data([0, 127, 200, 255])
    assert (found.class_names, classes(found)) == (["value 0", "value 127", "value 200"], [[0, 1, 2, 255]])
    assert told(found)[0].endswith("each of those found is a class: 0, 127, 200")


def test_sixteen_bits_are_not_cut_to_eight(data):
    found = data(np.array([[0, 256, 511, 65535]], np.uint16))
    assert (found.class_names, classes(found)) == (["value 0", "value 256", "value 511"], [[0, 1, 2, 255]])


def test_masks_of_one_class_are_noted(data):
    reason = "every valid pixel of every mask is of one class, 'class 0'"
    assert told(data([0, 0, 0], [0, 0, 0])) == [f"ROOT: {reason}"]
    assert told(data([0, 0, 0], [0, 0, 0], names=["ground", "car"])) == []


def test_more_values_than_classes_can_be(data):
    with pytest.raises(DataError, match="the masks hold 300 values up to 300, and at most 255 classes"):
        data(np.arange(301, dtype=np.uint16)[None])  # 255 is nobody's


def test_numbers_of_single_objects_are_no_classes(data):
    masks = [np.arange(count + 1) for count in (18, 20, 25, 30)]
    with pytest.raises(DataError, match=r"the masks seem to number single objects, 1, 2, 3, .* classes\.txt"):
        data(*masks)
    full = [np.r_[np.arange(256, dtype=np.uint8), np.zeros(count, np.uint8)] for count in (3, 1, 2)]  # cut to 8 bits
    with pytest.raises(DataError, match="the masks seem to number single objects"):
        data(*full)
    named = data(*masks, files={"classes.txt": "".join(f"c{number}\n" for number in range(31))})
    assert len(named.class_names) == 31


def test_names_by_line_or_by_number(data):
    for name in ("classes.txt", "class_names.txt", "labels.txt", "codes.txt"):
        assert data([0, 1], files={name: "sky\nroad \n\n"}).class_names == ["sky", "road"]
    numbered = data([0, 7, 9], files={"classes.txt": "9: car\n0: sky\n7: road\n"})
    assert (numbered.class_names, classes(numbered)) == (["sky", "road", "car"], [[0, 1, 2]])
    assert told(numbered)[0] == (
        "ROOT/classes.txt: value 7 is label 1, value 9 is label 2: labels number the classes that are evaluated, from 0"
    )
    roboflow = data([0, 1], files={"_classes.csv": "Pixel Value, Class\n0, background\n1, fish\n"})
    assert roboflow.class_names == ["background", "fish"]
    labelme = data([0, 1], files={"labels.txt": "__ignore__\n_background_\ncat\n"})
    assert labelme.class_names == ["_background_", "cat"]


def test_void_is_ignored_wherever_it_stands(data):
    last = data([0, 1, 2, 255], files={"classes.txt": "sky\nroad\nVoid\n"})
    assert (last.class_names, classes(last)) == (["sky", "road"], [[0, 1, 255, 255]])
    assert told(last) == ["ROOT: 50.00% of the pixels are ignored, of values 2, 255"]
    first = data([0, 1, 2], files={"classes.txt": "unlabeled\nsky\nroad\n"})
    assert (first.class_names, classes(first)) == (["sky", "road"], [[255, 0, 1]])
    assert told(first) == [
        "ROOT/classes.txt: value 1 is label 0, value 2 is label 1: labels number the "
        "classes that are evaluated, from 0",
        "ROOT: 33.33% of the pixels are ignored, of value 0",
    ]


def test_values_outside_of_the_classes(data):
    found = data([0, 1, 9, 9], [1, 0, 0, 0], [5, 6, 7, 8], files={"classes.txt": "sky\nroad\n"})
    assert classes(found) == [[0, 1, 255, 255], [1, 0, 0, 0]]
    assert told(found)[:3] == [
        "ROOT/masks/0.png: value 9 is no class (there are 0, 1); 2 pixels were ignored",
        "ROOT/masks/2.png: values 5, 6, 7, ... (4 in all) are no class (there are 0, 1); 4 pixels were ignored",
        "ROOT/masks/2.png: every pixel is ignored, so that there is nothing to learn or to evaluate; left out with its "
        "image",
    ]


def test_one_value_more_than_names_is_explained(data):
    found = data([0, 1, 2], files={"classes.txt": "cat\ndog\n"})
    assert told(found)[1].startswith(
        "ROOT/classes.txt: it names 2 values, 0 to 1, and the masks hold 2 too; if value 0 is what has no name, put "
        "background first; if 2 is what is ignored, put void last"
    )


def test_a_runs_classes_fix_the_order(data):
    files = {"classes.txt": "sky\nroad\ncar\n"}
    found = data([0, 1], files=files, names=["road", "tree", "sky"])  # car, of which there is no pixel, is no matter
    assert (found.class_names, classes(found)) == (["road", "tree", "sky"], [[2, 0]])
    with pytest.raises(DataError, match="a class that the model does not know: car"):
        data([0, 1, 2], files=files, names=["road", "tree", "sky"])
    bare = data([0, 2, 255], names=["road", "tree", "sky"])  # values without names are places
    assert (bare.class_names, classes(bare)) == (["road", "tree", "sky"], [[0, 2, 255]])
    with pytest.raises(DataError, match=r"hold value 3 \(1 pixels\), and the model knows 2 classes"):
        data([0, 3], names=["road", "tree"])
    two = data([0, 255], names=["road", "tree"])
    assert classes(two) == [[0, 1]]
    assert classes(data([0, 255], names=["a", "b", "c"])) == [[0, 255]]
    assert classes(data([0, 1], names=["class 0", "class 1", "class 2"])) == [[0, 1]]


def test_a_palette_is_its_indices_and_gives_its_colors(data):
    found = data([0, 1, 2, 255], palette=[0, 0, 0, 200, 0, 0, 0, 200, 0] + [9, 9, 9] * 253)
    assert classes(found) == [[0, 1, 2, 255]]
    assert found.palette == [(0, 0, 0), (200, 0, 0), (0, 200, 0)]
    assert data([0, 1, 2]).palette is None
    assert data([0, 1], palette=[part for value in range(256) for part in (value,) * 3]).palette is None  # grays


def test_palettes_that_differ_are_told(data):
    one, other = ([0, 0, 0, *rgb] + [1, 1, 1] * 254 for rgb in ((200, 0, 0), (0, 0, 200)))
    found = data([0, 1], [1, 0], palette=[one, other])
    assert told(found)[0].startswith(
        "ROOT: index 1 is shown as (200, 0, 0) in 0.png and as (0, 0, 200) in 1.png; indices are taken as classes."
    )


# -- colors --

SKY, ROAD, CAR = (128, 128, 128), (128, 64, 128), (64, 0, 128)


def test_colors_without_a_map_name_themselves_and_the_file_to_write(data):
    with pytest.raises(DataError) as caught:
        data([SKY, ROAD, ROAD], [ROAD, CAR, ROAD])
    assert (
        str(caught.value)
        .splitlines()[0]
        .endswith(
            "2 of 2 masks, 0.png first, hold colors instead of class indices, and no file says what they mean. Found:"
        )
    )
    assert [line.rstrip() for line in str(caught.value).splitlines()[1:4]] == [
        "  128 64 128   4 pixels, 66.7%",
        "  128 128 128  1 pixels, 16.7%",
        "  64 0 128     1 pixels, 16.7%",
    ]
    offered = str(caught.value).splitlines()[4:]
    assert offered[0].endswith("colors.txt with a name for each, void for what is ignored:")
    # What is offered can be written as it stands.
    found = data([SKY, ROAD, ROAD], [ROAD, CAR, ROAD], files={"colors.txt": "\n".join(offered[1:])})
    assert (found.class_names, classes(found)) == (["name_0", "name_1", "name_2"], [[1, 0, 0], [0, 2, 0]])
    assert found.palette == [ROAD, SKY, CAR]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("colors.txt", "sky 128 128 128\nroad 128 64 128\nthe car 64 0 128\nvoid 0 0 0\n"),
        ("class_dict.csv", "name,r,g,b\nsky,128,128,128\nroad,128,64,128\nthe car,64,0,128\nVoid,0,0,0\n"),
        ("label_colors.txt", "128 128 128\tsky\n128 64 128\troad\n64 0 128\tthe car\n0 0 0\tVoid\n"),
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nsky:128,128,128::\nroad:128,64,128::\nthe car:64,0,128::\nvoid:0,0,0::\n",
        ),
        ("classes.txt", "sky, 128, 128, 128\nroad, 128, 64, 128\nthe car, 64, 0, 128\nunlabeled, 0, 0, 0\n"),
    ],
)  # fmt: skip
def test_color_maps(data, name, text):
    found = data([SKY, ROAD, CAR, (0, 0, 0)], [SKY, SKY, SKY, SKY], files={name: text})
    assert found.class_names == ["sky", "road", "the car"]
    assert classes(found) == [[0, 1, 2, 255], [0, 0, 0, 0]]  # the second is gray by chance
    assert found.palette == [SKY, ROAD, CAR]
    assert told(found) == ["ROOT: 12.50% of the pixels are ignored, of color (0, 0, 0)"]


def test_colors_that_the_map_lacks(data):
    found = data([SKY, ROAD, (1, 2, 3), (1, 2, 3)], files={"colors.txt": "sky 128 128 128\nroad 128 64 128\n"})
    assert classes(found) == [[0, 1, 255, 255]]
    assert told(found) == [
        "ROOT/masks/0.png: color (1, 2, 3) is none of the 2 classes; 2 pixels were ignored",
        "ROOT: 50.00% of the pixels are ignored, of color (1, 2, 3)",
    ]
    with pytest.raises(DataError, match=r"and none of them is in .*colors\.txt"):
        data([CAR, ROAD], files={"colors.txt": "sky 1 1 1\n"})


def test_a_map_decides_over_palettes_that_it_knows(data):
    """Tools that shrink files give each a palette of its own, by which indices mean nothing and colors all."""
    rest = [7, 7, 7] * 254
    one, other = [*SKY, *ROAD, *rest], [*ROAD, *SKY, *rest]
    found = data([0, 1], [0, 1], palette=[one, other], files={"colors.txt": "sky 128 128 128\nroad 128 64 128\n"})
    assert classes(found) == [[0, 1], [1, 0]]
    assert told(found) == []
    # A palette's index 255 is nobody's, and need not be in the map; indices of other colors are taken as they are.
    found = data([0, 1, 255], palette=one, files={"colors.txt": "sky 128 128 128\nroad 128 64 128\n"})
    assert classes(found) == [[0, 1, 255]]
    assert told(found) == ["ROOT: 33.33% of the pixels are ignored, of color (7, 7, 7)"]
    found = data([0, 1], palette=[0, 0, 0, 1, 1, 1], files={"colors.txt": "sky 128 128 128\nroad 128 64 128\n"})
    assert (found.class_names, classes(found)) == (["sky", "road"], [[0, 1]])


def test_gray_stored_as_rgb_is_values(data):
    found = data([(0, 0, 0), (1, 1, 1), (2, 2, 2)])
    assert classes(found) == [[0, 1, 2]]


def test_jpegs_hold_black_and_white_at_most(data):
    values = np.zeros((16, 16), np.uint8)
    values[:, 8:] = 255
    found = data(values, suffix="jpg", quality=80)
    assert found.target(0).classes.tolist() == (values // 255).tolist()
    assert "values below 128 are taken as 'class 0', others as 'class 1'" in told(found)[0]
    with pytest.raises(DataError, match=r"0\.jpg: the masks are JPEGs, whose compression changes values"):
        data(np.arange(256, dtype=np.uint8).reshape(16, 16), suffix="jpg")
    with pytest.raises(DataError, match="export them as PNG"):
        data(values, suffix="jpg", files={"classes.txt": "a\nb\nc\n"})


def test_a_photograph_is_no_mask(data):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    with pytest.raises(DataError, match="it has 6400 colors: a photograph, and no mask"):
        data(noise)
    few = noise[:20, :20].reshape(-1, 3)
    with pytest.raises(DataError, match="So many are no classes: the masks were scaled or compressed with loss"):
        data(few)


def test_files_of_names_that_are_broken(tmp_path):
    for name, text, reason in (
        ("classes.txt", "", "the file is empty"),
        ("classes.txt", "void\n", "it names no class"),
        ("classes.txt", "0 a\n0 b\n", r"classes\.txt:2: value 0 was named before"),
        ("colors.txt", "sky 1 2 3\nroad\n", r"colors\.txt:2: 'road' is no class with its color"),
        ("colors.txt", "sky 1 2 3\nroad 1 2 3\n", r"colors\.txt:2: the color \(1, 2, 3\) was given to 'sky' before"),
        ("colors.txt", "sky 1 2 333\n", r"colors\.txt:1: the color \(1, 2, 333\) has a part above 255"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=reason):
            find_names([tmp_path])
        (tmp_path / name).unlink()
    (tmp_path / "classes.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"classes\.txt: it is not text in UTF-8.*save it as UTF-8"):
        find_names([tmp_path])


def test_usual_names():
    assert (len(CAMVID), CAMVID[0], CAMVID[10]) == (11, "Sky", "Bicyclist")
    assert (len(VOC), VOC[15], VOC[20]) == (21, "person", "tvmonitor")


# -- smoothed edges --


def smoothed(*colors):
    """Stripes of colors, 32 x 20 pixels each, with one column between that is a mix of the two beside."""
    stripes = [np.full((32, 20, 3), color) for color in colors]
    mixes = [(left[:, :1] + right[:, :1]) // 2 for left, right in pairwise(stripes)]
    return np.concatenate([part for pair in zip(stripes, [*mixes, mixes[0][:, :0]], strict=True) for part in pair], 1)


def test_mixes_of_colors_at_smoothed_edges_are_ignored_and_told_once(data):
    masks = [smoothed((255, 0, 0), (0, 255, 0), (0, 0, 255)).astype(np.int64)] * 2
    masks[1] = masks[1].copy()
    masks[1][0, 0] = 1, 77, 200  # which is no mix
    found = data(*masks, files={"colors.txt": "a 255 0 0\nb 0 255 0\nc 0 0 255\n"})
    assert told(found)[:2] == [
        "ROOT/masks/1.png: color (1, 77, 200) is none of the 3 classes; 1 pixel was ignored",
        "ROOT: 2 colors are mixes of the classes' own, in 3.23% of the pixels, as at smoothed edges: ignored; export "
        "masks without smoothing to have them",
    ]
    assert found.target(0).classes[5, [0, 20, 21, 41, 61]].tolist() == [0, 255, 1, 255, 2]
    with pytest.raises(DataError) as caught:
        data(masks[0])
    assert "2 mixes of these, 3.23% of the pixels, as at smoothed edges" in str(caught.value)
    assert "127 127 0" not in str(caught.value)

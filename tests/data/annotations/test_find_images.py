"""Which image an annotation means."""

from PIL import Image

from zorki.data.annotations.find_images import ImageFinder
from zorki.data.formats.readers import read_boxes

XML = (
    "<annotation><filename>a.jpg</filename><size><width>8</width><height>6</height></size><object><name>cat</name>"
    "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></object></annotation>"
)


def make_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)
    return path


def test_a_mask_of_the_name_is_no_image(tmp_path):
    mask = make_image(tmp_path / "annotations/trimaps/a.png")
    assert ImageFinder([tmp_path]).find("a.jpg") is None
    assert ImageFinder([tmp_path]).find("a.png") == mask  # as named
    image = make_image(tmp_path / "photos/a.png")
    assert ImageFinder([tmp_path]).find("a.jpg") == image


def test_an_image_of_another_suffix_is_told(tmp_path):
    (tmp_path / "annotations/xmls").mkdir(parents=True)
    (tmp_path / "annotations/xmls/a.xml").write_text(XML)
    image = make_image(tmp_path / "images/a.png")
    data = read_boxes(tmp_path)
    assert data.path(0) == image
    assert (
        f"{tmp_path}: 1 image has another suffix than the annotation says, 'a.jpg' first: {image} was taken for it"
        in map(str, data.defects)
    )

import pytest

from zorki.errors import DataError
from zorki.input_files.xml_files import read_xml

ENTITY = '<?xml version="1.0" encoding="{}"?>\n<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
PLAIN = '<?xml version="1.0" encoding="{}"?>\n<a><b x="1">Ä &amp; é</b></a>'
ENCODINGS = ["utf-8", "utf-16", "iso-8859-1", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_entities_are_refused_in_any_encoding(tmp_path, encoding):
    path = tmp_path / "a.xml"
    path.write_bytes(ENTITY.format(encoding).encode(encoding))
    with pytest.raises(DataError, match=r"a\.xml:2: the XML has an entity of its own, 'b'"):
        read_xml(path)


def test_entities_in_bytes_that_look_like_something_else_are_refused(tmp_path):
    """From the declaration on, the encoding says what a byte means: none of these spells the word ENTITY."""
    head, body = ENTITY.format("cp037").split("\n")
    path = tmp_path / "a.xml"
    path.write_bytes(head.encode() + body.encode("cp037"))
    assert b"ENTITY" not in path.read_bytes()
    with pytest.raises(DataError, match=r"entity of its own|cannot be decoded|is broken"):
        read_xml(path)


def test_entities_of_another_file_are_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE a SYSTEM "a.dtd"><a>&b;</a>')
    with pytest.raises(DataError, match=r"a\.xml:1: the XML has an entity of its own, 'b'"):
        read_xml(path)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_trees_are_read_in_any_encoding(tmp_path, encoding):
    path = tmp_path / "a.xml"
    path.write_bytes(PLAIN.format(encoding).encode(encoding))
    tree, data = read_xml(path)
    assert (tree.tag, tree.findtext("b"), tree.find("b").get("x")) == ("a", "Ä & é", "1")
    assert data == path.read_bytes()


def test_what_is_broken_is_told_with_file_and_line(tmp_path):
    path = tmp_path / "a.xml"
    for content, words in {
        "<a>\n<b></a>": r"a\.xml:2: the XML is broken at column 6: mismatched tag",
        "": r"a\.xml:1: the XML is broken at column 1: no element found",
        '<?xml version="1.0" encoding="nobody"?><a/>': "a.xml.*unknown encoding",
    }.items():
        path.write_text(content)
        with pytest.raises(DataError, match=words):
            read_xml(path)
    with pytest.raises(DataError, match="at most 5 are read"):
        read_xml(path, max_bytes=5)

"""Addresses of runs on a hub."""

from pathlib import Path

import pytest

from zorki.errors import WeightsError
from zorki.hub import HubAddress, is_address, local_path, parse_address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf://ann/bees", ("ann/bees", None, None)),
        ("hf://ann/bees@v1.0", ("ann/bees", "v1.0", None)),
        ("hf://ann/bees.v2/exported/model.onnx", ("ann/bees.v2", None, "exported/model.onnx")),
        ("hf://ann/bees@main/model.onnx", ("ann/bees", "main", "model.onnx")),
    ],
)
def test_an_address_has_a_repository_a_revision_and_a_file(text, parts):
    assert parse_address(text) == HubAddress(*parts)
    assert str(parse_address(text)) == text
    assert parse_address(Path(text)) == HubAddress(*parts), "a path makes one slash of two"


@pytest.mark.parametrize(
    "text", ["hf://", "hf://bees", "hf://ann/bees/../x", "hf://ann/..", "hf://a b/c", "hf://ann/bees@"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(WeightsError, match=r"expected hf://OWNER/NAME"):
        parse_address(text)


def test_all_else_is_a_path():
    assert not is_address("runs/a")
    assert not is_address(Path("hf"))
    assert local_path("runs/a") == Path("runs/a")

import re
from pathlib import Path

import pytest

from zorki.engine.checks.catalog import CHECKS, GROUPS, choose, find, listing
from zorki.errors import RecipeError

PAGE = Path(__file__).parents[3] / "docs/check.md"


def test_ids_and_names_stand_once_and_say_of_what_they_are():
    assert len({one.id for one in CHECKS}) == len({one.name for one in CHECKS}) == len(CHECKS)
    assert all(re.fullmatch(r"Z[DAM]\d{3}", one.id) and one.id[:2] in GROUPS for one in CHECKS)
    assert find("ZD012").name == "leak", "ids are stable"


def test_ids_prefixes_and_names_are_chosen_and_left_out():
    assert choose(None, None) == {one.id for one in CHECKS}
    assert choose("ZD012, zd003", None) == {"ZD012", "ZD003"}
    assert choose("ZD", "ZD00") == {one.id for one in CHECKS if one.id.startswith("ZD") and one.id > "ZD009"}
    assert choose(None, "leak") == {one.id for one in CHECKS} - {"ZD012"}


@pytest.mark.parametrize(
    ("only", "words"), [("ZD0121", "ZD012"), ("leek", "Did you mean leak"), (" , ", "expected ids")]
)
def test_what_is_no_check_is_refused_with_what_is_near(only, words):
    with pytest.raises(RecipeError, match=words):
        choose(only, None)


def test_the_page_lists_them_as_they_are():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| Z")]
    assert rows == [
        f"| {one['id']} | {one['name']} | {one['severity']} | {one['about']} {one['remedy']} |" for one in listing()
    ]


def test_a_check_of_nothing_is_refused():
    for only, skip in ((None, "Z"), ("ZD012", "ZD012"), ("ZD012", "leak")):
        with pytest.raises(RecipeError, match="leaves no check"):
            choose(only, skip)

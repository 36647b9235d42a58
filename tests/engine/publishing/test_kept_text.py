"""Sections that nobody changed are written anew, and all else stays."""

from zorki.engine.publishing.kept_text import own_sections, page_of, refreshed


def test_sections_are_written_anew_as_long_as_nobody_changed_them():
    page = page_of({"one": "# One", "two": "old\n\ntext"})
    assert own_sections(page) == ["one", "two"]
    assert refreshed(page, {"one": "# One", "two": "old\n\ntext"}) == page
    new = refreshed(page, {"one": "# 1", "two": "2"})
    assert new == page_of({"one": "# 1", "two": "2"})


def test_what_a_person_changed_stays():
    page = page_of({"one": "# One", "two": "two"})
    mine = "Mine.\n\n" + page.replace("# One", "# Uno") + "\nAlso mine.\n"
    found = refreshed(mine, {"one": "# 1", "two": "2"})
    assert "# Uno" in found
    assert "# 1" not in found
    assert found.startswith("Mine.\n")
    assert found.endswith("Also mine.\n")
    assert "\n2\n" in found
    assert own_sections(found) == ["two"]


def test_a_section_that_was_taken_out_does_not_come_back():
    page = page_of({"one": "one"})
    assert refreshed(page, {"one": "1", "two": "2"}) == page_of({"one": "1"})
    assert refreshed("# All mine\n", {"one": "1"}) == "# All mine\n"


def test_blanks_that_editors_add_are_no_change():
    page = page_of({"one": "a\nb"}).replace("a\n", "a  \n")
    assert own_sections(page) == ["one"]

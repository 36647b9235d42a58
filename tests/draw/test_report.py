from __future__ import annotations

import base64
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zorki.contracts import Section
from zorki.draw import blocks, figures, report
from zorki.draw.blocks import encode
from zorki.errors import ZorkiError

HOSTILE = "<script>alert('&\"')</script>\x00\udcff"
EMPTY = {"meta", "img", "br", "wbr", "line", "rect", "circle", "path", "text"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in EMPTY, f"<{tag}/> is no empty element of HTML"
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def make_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8)


def full_page() -> str:
    points = [(1.0, 1.0), (2.0, float("nan")), (3.0, 0.5)]
    sections = [
        Section(HOSTILE, report.table([{"class": HOSTILE, "F1": 0.5}], caption=HOSTILE), HOSTILE),
        Section("Curves", report.columns(report.figure(figures.curves({HOSTILE: points}, title=HOSTILE), HOSTILE))),
        Section("Matrix", report.figure(figures.confusion([[3]], [HOSTILE]))),
        Section("Images", report.image_grid([report.Thumbnail(make_image(28, 28), HOSTILE, False)])),
        Section("Recipe", report.definition_list({HOSTILE: HOSTILE, "lr": 0.1}, {HOSTILE: HOSTILE})),
        Section("Text", report.preformatted(HOSTILE) + report.notice(HOSTILE)),
    ]
    return report.page(HOSTILE, sections, subtitle=HOSTILE, facts={HOSTILE: HOSTILE})


def test_page_is_well_formed_and_hostile_text_is_text() -> None:
    html = full_page()
    page = Page(html)
    assert len(page.all("script")) == 1
    assert "alert" not in html[html.index("<script>") :]
    assert "".join(page.text).count("<script>alert") >= 14
    assert html.encode("utf-8")


def test_page_asks_the_network_for_nothing() -> None:
    html = full_page()
    assert "http://" not in html
    assert "https://" not in html
    written = re.sub(r"data:image/[^\"]*", "", html)  # whose letters may be any
    assert not re.search(r"@import|url\(|//[a-z]", written)
    page = Page(html)
    assert not page.all("link")
    assert not any("src" in attributes for tag, attributes in page.tags if tag != "img")
    assert all(attributes["src"].startswith("data:image/") for attributes in page.all("img"))
    assert all(attributes["href"].startswith("#") for _, attributes in page.tags if "href" in attributes)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_contents_lead_to_their_sections() -> None:
    page = Page(report.page("Run", [Section("One", "<p>1</p>"), Section("One", "<p>2</p>", "note")]))
    targets = [link["href"].removeprefix("#") for link in page.all("a")]
    assert targets == [section["id"] for section in page.all("section")]
    assert len(set(targets)) == 2
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert all(section["aria-labelledby"] in identifiers for section in page.all("section"))


def test_page_of_nothing() -> None:
    page = Page(report.page("Run", []))
    assert page.all("h1")
    assert not page.all("nav")
    assert not page.all("dl")


def test_facts_are_tiles_in_order() -> None:
    page = Page(report.page("Run", [], facts={"top-1": "87 %", "time": "3 s"}))
    text = "".join(page.text)
    assert text.index("top-1") < text.index("87 %") < text.index("time") < text.index("3 s")


def test_table_aligns_numbers_and_keeps_columns_in_order() -> None:
    html = report.table([{"class": "cat", "n": 1200, "f": 0.5}, {"class": "dog", "f": float("nan"), "late": True}])
    page = Page(html)
    assert [head["class"] for head in page.all("th")] == ["left", "right", "right", "left"]
    cells = re.findall(r"<td class=\"(\w+)\"(?: data-sort=\"([^\"]*)\")?>([^<]*)</td>", html)
    assert cells == [
        ("left", "", "cat"), ("right", "1200", "1,200"), ("right", "0.5", "0.5000"), ("left", "", "–"),
        ("left", "", "dog"), ("right", "", "–"), ("right", "", "–"), ("left", "", "yes"),
    ]  # fmt: skip


def test_shares_stay_in_line_beside_tiny_ones() -> None:
    """An AP of 4e-05 beside one of .53 is read as nothing, not as a larger number."""
    html = report.table([{"ap": 0.5321}, {"ap": 3.941e-05}, {"ap": 0.0}])
    assert re.findall(r"<td[^>]*>([^<]*)</td>", html) == ["0.5321", "0.0000", "0.0000"]


def test_table_with_chosen_columns_and_alignment() -> None:
    html = report.table([{"a": 1, "b": 2, "c": "x"}], columns=["c", "a"], align={"a": "center"})
    assert [head["class"] for head in Page(html).all("th")] == ["left", "center"]
    assert ">2<" not in html


def test_empty_table_and_no_images_say_so() -> None:
    assert "Defects: nothing to show." in report.table([], caption="Defects")
    assert "No images." in report.image_grid([])


def test_recipe_marks_what_was_chosen() -> None:
    html = report.definition_list({"lr": 0.1, "ema": None, "flip": True, "crop": [0.8, 1.0]}, {"lr": "for 128 a batch"})
    Page(html)
    assert html.count("chosen</span>") == 1
    assert "<code>0.1</code>" in html
    assert "<code>–</code>" in html
    assert "<code>yes</code>" in html
    assert "<code>0.8, 1</code>" in html
    with pytest.raises(ValueError, match="notes without an entry"):
        report.definition_list({"lr": 1}, {"lrr": "why"})


def decode(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))


def test_small_images_stay_exact_and_photos_shrink() -> None:
    small = make_image(28, 63)
    assert encode(small).startswith("data:image/png")
    assert decode(encode(small)).size == (63, 28)
    assert decode(encode(small)).getpixel((62, 27)) == tuple(small[:, 27, 62].tolist())
    flat = np.full((3, 300, 600), 77, np.uint8)
    assert encode(flat).startswith("data:image/jpeg")
    assert decode(encode(flat)).size == (224, 112)
    assert decode(encode(np.full((3, 64, 100), 77, np.uint8))).size == (100, 64)
    assert decode(encode(np.full((3, 2000, 1), 77, np.uint8))).size == (1, 224)


def test_sixty_images_of_noise_fit_into_a_mail() -> None:
    # Noise is the worst that JPEG can meet; photos need a third of this.
    item = report.Thumbnail(make_image(480, 480), "noise", True)
    assert 60 * len(report.image_grid([item])) < 1_500_000


def test_grid_has_alternative_texts_and_marks() -> None:
    items = [
        report.Thumbnail(make_image(8, 8), "cat\ntaken for dog", False, alt="a cat"),
        report.Thumbnail(make_image(8, 8), "cat", True),
        report.Thumbnail(make_image(8, 8), ""),
    ]
    html = report.image_grid(items)
    page = Page(html)
    assert [image["alt"] for image in page.all("img")] == ["a cat", "cat", "image"]
    assert [tile["class"] for tile in page.all("figure")] == ["tile wrong", "tile right", "tile"]
    assert html.index("✗") < html.index("✓")
    assert "cat<br/>taken for dog" in html


def test_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs" / "report.html"
    report.write_page(path, "old ü")
    assert path.read_text(encoding="utf-8") == "old ü"

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ZorkiError, match=r"report\.html: could not be written: the disk is full"):
        report.write_page(path, "new")
    assert path.read_text(encoding="utf-8") == "old ü"
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_page_cannot_be_written_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ZorkiError, match="could not be written"):
        report.write_page(tmp_path / "file" / "report.html", "x")


def contrast(ink: str, paper: str) -> float:
    """WCAG 2.1's contrast ratio of two colors."""

    def luminance(code: str) -> float:
        digits = code.lstrip("#")
        digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        linear = [
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in (value / 255 for value in bytes.fromhex(digits))
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(ink), luminance(paper)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_colors_of_text_have_contrast(scheme: int) -> None:
    css = re.search(r"<style>(.*)</style>", report.page("Run", []), re.S)
    assert css is not None
    block = re.findall(r":root\s*\{([^}]*--paper[^}]*)\}", css[1])[scheme]
    colors = dict(re.findall(r"--([\w-]+):\s*(#\w+)", block))
    for paper in ("paper", "card", "shade"):
        for ink in ("ink", "muted", "accent", "right-ink", "wrong-ink"):
            assert contrast(colors[ink], colors[paper]) >= 4.5, (ink, paper)
    for paper in ("note", "warning", "error", "code"):
        assert contrast(colors["ink"], colors[paper]) >= 4.5, paper


def test_a_legend_hatches_what_has_no_color() -> None:
    first, second = blocks.swatches([("road", (1, 2, 3)), ("wrong", None)]).split("</i>")[:2]
    assert "background:rgb(1, 2, 3)" in first
    assert "repeating-linear-gradient" in second


def test_a_long_name_of_a_file_is_cut_in_its_middle_and_told_in_full_on_hover() -> None:
    name = f"{'0123456789abcdef' * 4}.png"
    grid = report.image_grid([report.Thumbnail(make_image(8, 8), "", None, name=name)])
    text = re.search(f'<span class="name" title="{name}">(.*?)</span>', grid)[1].replace("<wbr/>", "")
    assert (len(text), text[:10], text[-8:]) == (40, "0123456789", "cdef.png")


def test_a_tile_has_the_name_of_its_file_and_names_break_at_their_joints_alone() -> None:
    grid = report.image_grid([report.Thumbnail(make_image(8, 8), "predicted: cat", True, name="a_7.jpg")])
    assert '<span class="name" title="a_7.jpg">a_<wbr/>7.<wbr/>jpg</span>' in grid
    page = report.page("run", [], facts={"model": "ssd_squeezenet"})
    assert "<dd>ssd_<wbr/>squeezenet</dd>" in page
    assert "<dd>2,636,148</dd>" in report.page("run", [], facts={"parameters": "2,636,148"})


def test_sections_are_labelled_by_their_headings() -> None:
    page = report.page("run", [Section("Images", "")])
    assert 'aria-labelledby="section-1-title"' in page
    assert 'id="section-1-title"' in page

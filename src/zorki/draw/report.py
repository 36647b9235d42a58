"""The report: one HTML page with everything in it, that opens without network and prints well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from zorki.contracts import Section
from zorki.draw.blocks import Thumbnail as Thumbnail
from zorki.draw.blocks import columns as columns
from zorki.draw.blocks import definition_list as definition_list
from zorki.draw.blocks import figure as figure
from zorki.draw.blocks import image_grid as image_grid
from zorki.draw.blocks import notice as notice
from zorki.draw.blocks import preformatted as preformatted
from zorki.draw.blocks import table as table
from zorki.draw.markup import breakable, escape
from zorki.draw.palette import RIGHT, WRONG, variables
from zorki.files import whole

# The browser itself is told to fetch nothing: a report can be sent to anybody.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

# Sorting by a click on a heading; without scripts the table is simply not sortable.
_SCRIPT = """
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  if (body.rows.length < 3) continue;
  const value = (row, i) => row.cells[i].dataset.sort ?? row.cells[i].textContent;
  heads.forEach((head, i) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = [...body.rows].sort((a, b) =>
        value(a, i).localeCompare(value(b, i), undefined, {numeric: true}));
      const numeric = rows.every(row => 'sort' in row.cells[i].dataset || row.cells[i].textContent === '\\u2013');
      if (numeric) rows.sort((a, b) => (a.cells[i].dataset.sort ?? -Infinity) - (b.cells[i].dataset.sort ?? -Infinity));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}
"""


def page(title: str, sections: Sequence[Section], *, subtitle: str = "", facts: Mapping[str, str] | None = None) -> str:
    """One self-contained HTML page: headline facts as tiles, a table of contents, and the sections.

    Titles, notes and facts are plain text and are escaped; a section's `html` is markup and is not, so it comes from
    this module's builders (`table`, `figure`, ...). The page asks the network for nothing, follows the reader's light
    or dark scheme, and is complete without scripts.
    """
    items = [f"<div><dt>{escape(name)}</dt><dd>{breakable(fact)}</dd></div>" for name, fact in (facts or {}).items()]
    tiles = f'<dl class="facts">{"".join(items)}</dl>' if items else ""
    entries = [(f"section-{place}", section) for place, section in enumerate(sections, 1)]
    links = "".join(f'<li><a href="#{anchor}">{escape(section.title)}</a></li>' for anchor, section in entries)
    contents = f'<nav aria-label="Contents"><ol>{links}</ol></nav>' if entries else ""
    below = f'<p class="subtitle">{escape(subtitle)}</p>' if subtitle else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/>'
        f"<title>{escape(title)}</title><style>{_style()}</style></head>\n"
        f"<body><header><h1>{breakable(title)}</h1>{below}{tiles}</header>"
        f'\n<div class="body">{contents}<main>{"".join(_section(*entry) for entry in entries)}</main></div>\n'
        f"<footer>zorki</footer><script>{_SCRIPT}</script></body></html>\n"
    )


def write_page(path: Path, html: str) -> None:
    """Writes the page as UTF-8, whole or not at all, and makes the folders above it.

    An old page stays until the new one is there.

    Raises ZorkiError where it cannot be written.
    """
    with whole(path) as aside:
        aside.write_bytes(html.encode("utf-8", errors="replace"))


def _section(anchor: str, section: Section) -> str:
    note = f'<p class="lead">{escape(section.note)}</p>' if section.note else ""
    heading = f'<h2 id="{anchor}-title">{escape(section.title)}</h2>'
    return f'<section id="{anchor}" aria-labelledby="{anchor}-title">{heading}{note}{section.html}</section>\n'


@cache
def _style() -> str:
    marks = f"--right:{RIGHT};--wrong:{WRONG};"
    light = f":root{{{marks}{variables(dark=False)}}}"
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{variables(dark=True)}}}}}"
    return light + dark + resources.files("zorki.draw").joinpath("report.css").read_text(encoding="utf-8")

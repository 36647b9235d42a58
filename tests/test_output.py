import ast
import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import zorki
from zorki.output import cell, printable, say

ROOT = Path(zorki.__file__).parent
# What prints for programs alone, and what the house says of itself.
PRINTS = {"cli/__init__.py": 2, "engine/evaluation/benchmark_run.py": 2, "output.py": 1}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"), ("Ärger 猫 🐈", "Ärger 猫 🐈"), ("a\n\tb", "a\n\tb"), ("a\rb", "a\\u000db"),
        ("\x1b[2K\x1b]0;title\x07", "\\u001b[2K\\u001b]0;title\\u0007"), ("\x9b1A\x7f", "\\u009b1A\\u007f"),
        ("gpj\u202e.exe", "gpj\\u202e.exe"), ("caf\udce9", "caf\\udce9"),
    ],
)  # fmt: skip
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert printable(text) == shown
    file = io.StringIO()
    say(text, end="", file=file)
    assert file.getvalue() == shown


def test_cells_of_tables_show_names_as_they_stand():
    table = Table(title=cell("[red]of \x1b[1m all"))
    table.add_column("")
    table.add_row(cell("[bold]cat[/bold]\x1b[2K"))
    file = io.StringIO()
    Console(file=file, width=60).print(table)
    assert "[bold]cat[/bold]\\u001b[2K" in file.getvalue()
    assert "[red]of \\u001b[1m all" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_all_that_is_printed_for_people_is_escaped():
    found = {}
    for path in ROOT.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name))
        if count := sum(node.id == "print" for node in calls):
            found[path.relative_to(ROOT).as_posix()] = count
    assert found == PRINTS


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_name_is_too_much_for_a_stream(encoding):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    say("猫 caf\udce9", end="", file=file, flush=True)
    assert raw.getvalue().decode(encoding) == ("猫" if encoding == "utf-8" else "\\u732b") + " caf\\udce9"

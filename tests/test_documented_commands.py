"""Every command in the documents and in the help is one that can be typed today; nothing is run."""

import functools
import re
import shlex
from pathlib import Path

import pytest

from zorki import registry
from zorki.cli import ALIASES, VERBS, _app
from zorki.cli.flags.names import by_todays_names
from zorki.cli.flags.recipe import given_settings
from zorki.task_settings import recipe_for

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(?:bash|sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_VARIABLE = re.compile(r'^(\w+)="(.*)"$', re.MULTILINE)
MODEL_VERBS = ("train", "info")


def commands():
    """Of code blocks, of tables and text, and of the help: (where, command)."""
    for page in PAGES:
        text = page.read_text()
        variables = dict(SHELL_VARIABLE.findall(text))
        lines = [line.rpartition("&& ")[2] for block in FENCED.findall(text) for line in block.splitlines()]
        spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", re.sub(r"(?s)```.*?```", "", text))]
        # Tables whose heading says `zorki train ...` give the rest.
        spans += [f"zorki train {span}" for span in spans if re.match(r"\w+ DATA/", span)]
        for command in [*lines, *spans]:
            if command.startswith("zorki "):
                yield page.name, re.sub(r"\$(\w+)", lambda found, known=variables: known[found[1]], command)
    for file in sorted((ROOT / "src/zorki/cli").rglob("*.py")):
        for command in re.findall(r"^    (zorki .+)$", file.read_text(), re.MULTILINE):
            yield file.name, command


COMMANDS = sorted(set(commands()))


parser = functools.cache(_app)


@functools.cache
def flags_of(verb):
    return [name for one in parser()[verb].assemble_argument_collection() for name in one.names]


def test_they_are_found():
    assert len(COMMANDS) > 120
    assert {page for page, _ in COMMANDS} >= {"README.md", "results.md", "detection.md", "train.py"}


@pytest.mark.parametrize(("where", "command"), COMMANDS, ids=lambda value: value.replace("/", "|"))
def test_a_documented_command_can_be_typed(where, command):
    words = shlex.split(command, comments=True)[1:]
    if words[0].startswith("-"):
        assert words == ["--help"] or words == ["--version"]
        return
    verb = ALIASES.get(words[0], words[0])
    assert verb in VERBS
    app, flags = parser(), flags_of(verb)
    typed = [word.partition("=")[0].partition(".")[0] for word in words if re.match(r"--\w", word)]
    assert set(typed) <= {*flags, "--plugin", "--options", "--help"}, "flags bear the names that they have today"
    if len(words) == 1 or "--help" in words or re.fullmatch(r"--[\w.-]+", words[-1]) or "..." in words:
        return  # a verb, or a flag, is spoken of
    plain = [word for place, word in enumerate(words) if "--plugin" not in words[place - 1 : place + 1]]
    _, bound, _ = app.parse_args([verb, *by_todays_names(plain[1:], flags)], exit_on_error=False, print_error=False)
    given = bound.arguments
    chosen = verb == "train" and given.get("data") is None  # what stands there is the data
    if verb in MODEL_VERBS and given.get("model") is not None and not chosen and "--plugin" not in words:
        check_model(given)


def check_model(given):
    """The model is there, takes these options, and its task these settings."""
    name = given["model"]
    if name.isupper() or name == "network_in_network":  # a place for any, and the example of a model to come
        return
    entry = registry.find(name)
    settings = given_settings(given["flags"]) if "flags" in given else {}
    options = settings.get("options") or {}
    assert set(options) <= set(entry.options())
    recipe_for(entry.task.settings, entry.task.name, settings)

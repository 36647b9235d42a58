"""The Docker files say nothing that the project has not: extras, files, the server's port and path."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "docker").iterdir())


def projects():
    return [tomllib.loads((ROOT / one / "pyproject.toml").read_text())["project"] for one in (".", "lite")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_docker_file_names_is_there(path):
    text = path.read_text().replace("\\\n", " ")
    full, lite = projects()
    extras = (lite if path.suffix == ".lite" else full)["optional-dependencies"]
    assert {name for name in re.findall(r"--extra (\w+)", text)} <= set(extras)
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = [one for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for one in line.split()[:-1]]
    assert set(copied) <= allowed
    assert all((ROOT / one).exists() for one in allowed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_special_from_pinned_bases(path):
    text = path.read_text()
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["1000"]
    bases = re.findall(r"^FROM (\S+)|--from=(\S+/\S+)", text, re.MULTILINE)
    assert all(re.search(r":\d+\.\d+\.\d+", one or other) for one, other in bases)
    assert 'ENTRYPOINT ["zorki"]' in text
    assert "HEALTHCHECK" in text

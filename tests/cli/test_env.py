"""`zorki env`, `zorki val`, `--version` and `--plugin`."""

import json
import tomllib
from pathlib import Path

import forked
import pytest

from zorki.cli import main


def test_env_tells_what_an_issue_needs(capsys):
    main(["env", "--json"])
    page = json.loads(capsys.readouterr().out)
    assert {"zorki", "python", "torch", "torchvision", "lightning"} <= set(page["versions"])
    assert page["devices"]["device"] in ("cpu", "cuda", "mps")
    assert page["machine"]["cpu_capability"]
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(page["extras"]) == set(project["optional-dependencies"]) - {"all"}
    assert page["images"]["decoder"].startswith("Pillow")
    main(["env"])
    told = capsys.readouterr().out
    assert page["versions"]["torch"] in told
    assert "cpu capability" in told


def test_version(capsys):
    from importlib.metadata import version

    main(["--version"])
    assert capsys.readouterr().out.strip() == version("zorki")


def test_val_is_evaluate(capsys):
    with pytest.raises(SystemExit):
        main(["val", "no-such-run"])
    assert "no-such-run" in capsys.readouterr().err
    main(["val", "--help"])
    assert "zorki evaluate" in capsys.readouterr().out


PLUGIN = '''
from zorki import registry
from zorki.tasks.classification.task import Classification


@registry.model(Classification)
def lenet_of_mine(num_classes):
    """A LeNet-5 from outside the tree."""
    return registry.build("lenet5", num_classes)
'''


def test_a_model_from_a_plugin_is_trained_and_opened_again(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)

    def zorki(*words):
        return forked.run("zorki", *words)  # each in a process of its own, which knows no plugin

    done = zorki("train", "lenet_of_mine", "scenes:60@32", "--plugin", "mine.py", "--epochs", "1", "--workers", "0")
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "runs" / "lenet_of_mine-1" / "run.json").read_text())
    assert about["plugins"] == [str(tmp_path / "mine.py")]
    words = ("val", "runs/lenet_of_mine-1", "--batch-size", "8", "--workers", "0")
    done = zorki(*words)
    assert done.returncode == 2
    assert f"--plugin {tmp_path / 'mine.py'}" in done.stderr.replace("\n", " "), "no code is run unasked"
    done = zorki(*words, "--plugin", "mine.py")
    assert done.returncode == 0, done.stderr
    assert "top1" in done.stdout


@pytest.mark.parametrize(("words", "told"), [(["--plugin"], "--plugin expects"), (["--plugin=no.py"], "no.py")])
def test_a_plugin_that_is_not_there(words, told, capsys):
    with pytest.raises(SystemExit) as end:
        main(["info", "lenet5", *words])
    assert end.value.code == 2
    assert told in capsys.readouterr().err

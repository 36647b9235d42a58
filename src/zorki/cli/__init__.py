"""The command line: one small file a verb, imported when it runs.

`zorki --help` is printed from the table below, without importing anything heavy.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from zorki.cli.signals import stopping_as_ctrl_c
from zorki.output import say

VERBS = {
    "demo": "Train a small model on built-in images, and write its report.",
    "train": "Train a model on your images.",
    "find-lr": "Find a learning rate: a range test on a copy, with a plot.",
    "tune": "Search for a better recipe with Optuna, on validation.",
    "evaluate": "Evaluate runs on a split of a dataset; several also as an ensemble.",
    "predict": "Run inference on images, folders, URLs, videos and cameras.",
    "track": "Follow objects through a video, given their boxes in a frame.",
    "stylize": "Give an image the style of another by optimizing its pixels.",
    "show": "Inspect a dataset: format, counts, defects, and a sheet of images.",
    "check": "Check data, and a training on them, before its first epoch.",
    "profile": "Show where the time of a training step goes, and what mends it.",
    "explain": "Show what a network looked at: Grad-CAM, LayerCAM, attention, occlusion.",
    "compare": "Compare finished runs: metrics, speed and memory in a table and a plot.",
    "bench": "Train several models on the same dataset, and compare them.",
    "convert": "Convert boxes and masks between formats: COCO, Pascal VOC, YOLO and others.",
    "export": "Export a model to ONNX.",
    "serve": "Serve a model over HTTP, with a page to try it.",
    "push": "Upload a run to the Hugging Face hub, with its model card.",
    "index": "Build an index of images by their embeddings, or add to one.",
    "search": "Find the images of an index that are nearest to others.",
    "identify": "Tell who or what is on images, of those in an index, or nobody of them.",
    "verify": "Tell whether two images show the same person or thing.",
    "duplicates": "Find images that are nearly the same, also across splits.",
    "embed": "Write the embeddings of images as .npy with ids.csv, or Parquet.",
    "tasks": "List the tasks and their models.",
    "models": "List models with their parameters and published weights.",
    "env": "Print versions, devices and extras, for bug reports.",
    "info": "Print a model layer by layer: shapes, parameters, FLOPs, receptive field.",
}
ROOMS = {verb: "vectors." for verb in ("index", "search", "identify", "verify", "duplicates", "embed")} | {
    "stylize": "synthesis.",
    "find-lr": "experiments.",
    "tune": "experiments.",
    "check": "experiments.",
    "explain": "diagnosis.",
    "profile": "diagnosis.",
    "serve": "deployment.",
    "push": "deployment.",
}
ABOUT = "zorki: sharp-eyed. One command line for every task of computer vision."
ALIASES = {"val": "evaluate", "eval": "evaluate", "test": "evaluate", "detect": "predict"}
NO_PLUGIN = ("env", "convert")  # verbs that take no model
BAD_INPUT, INTERRUPTED = 2, 130
NOT_LIGHT = ("torch", "torchvision", "lightning", "timm", "torchmetrics", "safetensors", "scipy", "filelock")
"""Packages that zorki-lite comes without."""


def main(words: Sequence[str] | None = None) -> None:
    """Runs one command line. Bad input ends with one message, exit code 2, and no traceback."""
    given = list(sys.argv[1:] if words is None else words)
    if not given or given[0] in ("--help", "-h", "help"):
        print(_help())
        return
    if given[0] in ("--version", "-V"):
        from zorki.installed import own_version

        print(own_version())
        return
    # At the end Python would search all that torch has made for cycles, several times: over a second of every command.
    atexit.register(gc.freeze)
    try:
        with stopping_as_ctrl_c():
            code = _run(given)
    except KeyboardInterrupt as stop:  # while modules load, or while a message is made
        sys.stderr.write(f"zorki: stopped by {str(stop) or 'Ctrl-C'}\n")
        code = INTERRUPTED
    if code:
        sys.exit(code)


def _help() -> str:
    width = max(map(len, VERBS)) + 2
    lines = [f"  {verb:<{width}}{summary}" for verb, summary in VERBS.items()]
    return "\n".join(
        [
            ABOUT,
            "",
            "Usage: zorki VERB ...",
            "",
            *lines,
            "",
            "`zorki VERB --help` tells more; `zorki val` is `zorki evaluate`.",
            "`--plugin my_model.py`, with any verb that takes a model, registers models of your own.",
            "First steps: zorki demo; then zorki train resnet18 YOUR_IMAGES/",
        ]
    )


def _run(given: list[str]) -> int:
    from cyclopts import CoercionError, CycloptsError, UnknownOptionError, UnusedCliTokensError

    from zorki.errors import ZorkiError

    app, flags = _app(), []
    try:
        given[0] = ALIASES.get(given[0], given[0])
        if given[0] in VERBS:
            given = _with_plugins(given)
            from zorki.cli.flags.json_output import with_json_target
            from zorki.cli.flags.names import by_todays_names

            flags = [name for one in app[given[0]].assemble_argument_collection() for name in one.names]
            given = [given[0], *with_json_target(by_todays_names(given[1:], flags))]
        code = app(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except UnknownOptionError as error:
        return _tell(_unknown_flag(given[0], error, flags))
    except UnusedCliTokensError as error:
        more = " ".join(error.unused_tokens or ())
        return _tell(f"zorki {given[0]} takes no further word, and {more} is one. {_help_of(given[0])}")
    except CoercionError as error:
        return _tell(f"{_named_value(error) or error} {_help_of(given[0])}")
    except CycloptsError as error:
        return _tell(f"{error} {_help_of(given[0])}")
    except ZorkiError as error:
        return _tell(str(error), INTERRUPTED if type(error).__name__ == "Interrupted" else BAD_INPUT)
    except KeyboardInterrupt as stop:
        return _tell(f"stopped by {str(stop) or 'Ctrl-C'}", INTERRUPTED)
    except ImportError as error:
        return _tell(_missing(given[0], error))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        return _unread()
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # rich ends so in its place
            raise
        return _unread()
    except OSError as error:
        return _tell(f"{error.filename or 'the machine'}: {error.strerror or error}")
    return code if isinstance(code, int) else 0


def _missing(verb: str, error: ImportError) -> str:
    """What to say of a package that is not installed; the light installation has no torch, nor what stands on it."""
    if (error.name or "").partition(".")[0] in NOT_LIGHT:
        return f"`zorki {verb}` needs {error.name}, which is not installed: pip install zorki"
    return f"a package is missing: {error}"


def _with_plugins(given: list[str]) -> list[str]:
    """The words without `--plugin FILE`, whose models are registered now: verbs find them under their names."""
    if given[0] in NO_PLUGIN or not any(word.partition("=")[0] == "--plugin" for word in given):
        return given
    from zorki.errors import RecipeError
    from zorki.registry import load_plugin

    rest: list[str] = []
    words = iter(given)
    for word in words:
        flag, equals, source = word.partition("=")
        if flag != "--plugin":
            rest.append(word)
            continue
        source = source if equals else next(words, "")
        if not source or source.startswith("--"):
            raise RecipeError(
                "--plugin expects a Python file, a package's folder, or a module, as in --plugin my_model.py"
            )
        load_plugin(source)
    return rest


def _help_of(verb: str) -> str:
    return f"`zorki {f'{verb} ' if verb in VERBS else ''}--help` lists what there is."


def _unknown_flag(verb: str, error: Any, flags: list[str]) -> str:
    from zorki.cli.flags.names import near_flags
    from zorki.errors import suggestion

    flag = error.token.keyword or error.token.value.partition("=")[0]  # the latter where files were expected
    return f"zorki {verb} has no flag {flag}.{suggestion(near_flags(flag, flags))} {_help_of(verb)}"


def _named_value(error: Any) -> str | None:
    """What to say of --where name=red, where --where.name red is meant; None where it is something else."""
    if error.argument is None or error.token is None or "dict" not in str(error.target_type):
        return None
    name, equals, value = error.token.value.partition("=")
    example = f", such as {error.argument.name}.{name} {value}" if equals else ""
    return f"{error.argument.name} expects a name behind a point, and its value{example}."


def _unread() -> int:
    """Sends what is still to be written nowhere: at its end Python would complain that it cannot write it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream without a file, as in a notebook
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return 0


def _tell(message: str, code: int = BAD_INPUT) -> int:

    sys.stdout.flush()
    say(f"zorki: {message}", file=sys.stderr)
    return code


def _app() -> Any:
    from cyclopts import App

    # cyclopts would end at Ctrl-C without a word.
    app = App(
        name="zorki", help=ABOUT, version_flags=[], result_action="return_value", suppress_keyboard_interrupt=False
    )
    for verb, summary in VERBS.items():
        module = verb.replace("-", "_")
        app.command(f"zorki.cli.{ROOMS.get(verb, '')}{module}:{module}", name=verb, help=summary)
    return app

"""The command line: one small file a verb, imported when it runs.

`zorki --help` is answered from the table below, without importing anything heavy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

VERBS = {
    "demo": "See a network learn on built-in images, and get its report.",
    "train": "Train a model on your images.",
    "evaluate": "Judge runs on held-out images; several also as an ensemble.",
    "predict": "Predict for files, folders, globs, addresses, videos and cameras.",
    "show": "What a data set holds: format, counts, defects, and a sheet of images.",
    "compare": "Lay finished runs side by side: figures, speed, memory, in one table and one plot.",
    "bench": "Train several models on the same data, and compare them.",
    "convert": "Turn boxes and masks from one format into another: COCO, Pascal VOC, YOLO, labelme, VIA, PNGs.",
    "export": "Write a network as ONNX: uint8 pixels to boxes, or to scores of classes.",
    "tasks": "The tasks and their models.",
    "models": "Names of models, with parameters and published weights.",
    "env": "Versions, devices, extras and the image decoder in use: what an issue needs.",
    "info": "A model layer by layer: shapes, memory, parameters, FLOPs, receptive field.",
}
ABOUT = "zorki: sharp-eyed. One command line for every task of computer vision."
ALIASES = {"val": "evaluate", "eval": "evaluate", "test": "evaluate", "detect": "predict"}
NO_PLUGIN = ("env", "convert")  # verbs that take no model
BAD_INPUT, INTERRUPTED = 2, 130


def main(words: Sequence[str] | None = None) -> None:
    """Runs one command line. Bad input ends with one message, exit code 2, and no traceback."""
    given = list(sys.argv[1:] if words is None else words)
    if not given or given[0] in ("--help", "-h", "help"):
        print(_help())
        return
    if given[0] in ("--version", "-V"):
        from importlib.metadata import version

        print(version("zorki"))
        return
    if code := _run(given):
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
    from cyclopts import CycloptsError, UnknownOptionError

    from zorki.errors import ZorkiError

    app, flags = _app(), []
    try:
        given[0] = ALIASES.get(given[0], given[0])
        if given[0] in VERBS:
            given = _with_plugins(given)
            from zorki.cli.flags.names import by_todays_names

            flags = [name for one in app[given[0]].assemble_argument_collection() for name in one.names]
            given = [given[0], *by_todays_names(given[1:], flags)]
        app(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except UnknownOptionError as error:
        return _tell(_unknown_flag(given[0], error, flags))
    except CycloptsError as error:
        return _tell(f"{error} {_help_of(given[0])}")
    except ZorkiError as error:
        return _tell(str(error), INTERRUPTED if type(error).__name__ == "Interrupted" else BAD_INPUT)
    except KeyboardInterrupt:
        return _tell("stopped by Ctrl-C", INTERRUPTED)
    except ImportError as error:
        return _tell(f"a package is missing: {error}")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        return _unread()
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # rich ends so in its place
            raise
        return _unread()
    except OSError as error:
        return _tell(f"{error.filename or 'the machine'}: {error.strerror or error}")
    return 0


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

    flag = error.token.keyword
    return f"zorki {verb} has no flag {flag}.{suggestion(near_flags(flag, flags))} {_help_of(verb)}"


def _unread() -> int:
    """Sends what is still to be written nowhere: at its end Python would complain that it cannot write it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream without a file, as in a notebook
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    return 0


def _tell(message: str, code: int = BAD_INPUT) -> int:
    from zorki.output import say

    sys.stdout.flush()
    say(f"zorki: {message}", file=sys.stderr)
    return code


def _app() -> Any:
    from cyclopts import App

    app = App(name="zorki", help=ABOUT, version_flags=[], result_action="return_value")
    for verb, summary in VERBS.items():
        app.command(f"zorki.cli.{verb}:{verb}", name=verb, help=summary)
    return app

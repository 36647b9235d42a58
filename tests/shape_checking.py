"""The types and shapes that annotations tell are checked in every call of a test, by jaxtyping and beartype.

jaxtyping's own hook makes two checkers of every function when its module is imported, checks the arguments of every
call twice, and gives every call a record of shapes, also where no shape is asked for: two thirds of the tests' time.
Here a function gets one checker, with its first call; only one with shapes gets a record of them.
"""

import ast
import contextlib
import dataclasses
import functools
import gc
import inspect
import sys
import types
import typing
from pathlib import Path

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import AbstractArray, jaxtyped
from jaxtyping._import_hook import _JaxtypingFinder

# An int is accepted where a float is asked for, as PEP 484 says.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(thing):
    """The function, or the data class with its `__init__`, with its annotations checked."""
    if inspect.isclass(thing):
        if dataclasses.is_dataclass(thing) and not hasattr(thing.__init__, "_is_checked"):
            thing.__init__ = checked(thing.__init__)
        return thing
    made = None

    @functools.wraps(thing)
    def call(*values, **named):
        nonlocal made
        if made is None:
            made = _checker(thing)
        try:
            return made(*values, **named)
        except BeartypeCallHintViolation:
            if not _sizes_are_symbols():
                raise
            return thing(*values, **named)

    call._is_checked = True
    return call


def _sizes_are_symbols():
    """Whether an export with free sizes is under way, to which a size is no int."""
    return "torch" in sys.modules and sys.modules["torch"].compiler.is_exporting()


def _checker(function):
    if inspect.isgeneratorfunction(function):
        return jaxtyped(function, typechecker=check)  # what it yields is not checked
    hints = _hints(function)
    arrays = [array for hint in hints.values() for array in _arrays_in(hint)]
    one = check(_with_hints(function, hints))
    if any("{" in array.dim_str for array in arrays):
        return jaxtyped(one, typechecker=None)  # shapes that hang on the arguments' values
    return _with_record(one) if arrays else one


def _with_record(function):
    """Sizes of one name are one size in the arguments and in what comes back."""

    def call(*values, **named):
        with jaxtyped("context"):
            return function(*values, **named)

    return call


def _hints(function):
    """The annotations; what cannot be resolved, as a class within a function, is Any."""
    names = {**_only_checked(function.__module__), **function.__globals__}
    try:
        return typing.get_type_hints(function, names, include_extras=True)
    except Exception:
        return {name: _hint(one, names) for name, one in function.__annotations__.items()}


@functools.cache
def _only_checked(module):
    """What a module imports for type checkers alone, being quick to load."""
    path = getattr(sys.modules.get(module), "__file__", None)
    names = {}
    for block in _parsed(path).body if path else []:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                with contextlib.suppress(ImportError):
                    exec(ast.unparse(line), names)
    return names


def _parsed(path):
    """The module's syntax tree; no collection meanwhile, since a checked `__del__` would parse within the parsing.

    Python 3.11 keeps one count of the depth for all parsing and raises SystemError where one begins in another.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(Path(path).read_text())
    finally:
        if collecting:
            gc.enable()


def _hint(annotation, names):
    try:
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        return typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception:
        return typing.Any


def _arrays_in(hint):
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return [hint]
    return [array for part in typing.get_args(hint) for array in _arrays_in(part)]


def _with_hints(function, hints):
    """The function again, with these for its annotations: its own stay as they are, for those who read them."""
    twin = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    twin.__kwdefaults__, twin.__annotations__ = function.__kwdefaults__, hints
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    return twin


class _Mark:
    """What jaxtyping's transformer writes before every function and class of a module."""

    def get_hash(self):
        return "shapechecking1"  # compiled files bear it in their names

    def get_ast(self):
        return ast.parse("__import__('shape_checking').checked", mode="eval").body


def install(packages):
    """Checks the modules of these packages that are imported from now on."""
    finder = next(one for one in sys.meta_path if inspect.isclass(one) and one.__name__ == "PathFinder")
    sys.meta_path.insert(0, _JaxtypingFinder(packages, finder, _Mark()))

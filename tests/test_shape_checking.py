"""The checker that every test of this suite leans on, of types and shapes, on a module of its own."""

import sys

import pytest
import shape_checking

MODULE = """
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    import torch
    from jaxtyping import Int
    from somewhere import Unknown


def added(a: Float[Tensor, "N 4"], b: Float[Tensor, "N 4"]) -> Float[Tensor, " N"]:
    return (a.reshape(1, -1) + b.reshape(1, -1)).reshape(-1, 4)[:, 0]


def cut(a: Float[Tensor, "N 4"]) -> Float[Tensor, " N"]:
    return a[1:, 0]


def columns(a: Float[Tensor, "N _"], width: int) -> Float[Tensor, "N {width}"]:
    return a[:, :2]


def half(value: float) -> float:
    return "none" if value < 0 else value / 2


def unknown(thing: Unknown, count: int) -> Unknown:
    return thing


def whole(rows: Int[torch.Tensor, "N 4"]) -> Int[torch.Tensor, " N"]:
    return rows[:, 0]


def later(thing: Later) -> Later:
    return thing


def yielded(count: int) -> Iterator[int]:
    yield from range(count)


def outer(values: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    return added(values.new_ones(7, 4), values.new_ones(7, 4))[: len(values)]


@dataclass
class Later:
    rows: Float[Tensor, "N 4"]
    labels: Float[Tensor, " N"]

    @property
    def count(self) -> int:
        return str(len(self.rows)) if len(self.rows) > 2 else len(self.rows)

    @classmethod
    def of(cls, rows: Float[Tensor, "N 4"]) -> Later:
        return cls(rows, rows[:, 0])

    @staticmethod
    def named(name: str) -> str:
        return name
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checked")
    (folder / "shapes_to_check.py").write_text(MODULE)
    finders = list(sys.meta_path)
    shape_checking.install(["shapes_to_check"])
    sys.path.insert(0, str(folder))
    import shapes_to_check

    yield shapes_to_check
    sys.path.remove(str(folder))
    sys.meta_path[:] = finders
    del sys.modules["shapes_to_check"]


def test_what_fits_passes(module, rows):
    assert module.added(rows, rows).tolist() == [2.0, 2.0]
    assert module.columns(rows, 2).shape == (2, 2)
    assert module.half(3) == 1.5, "an int is a float"
    assert module.unknown("anything", 1) == "anything"
    assert module.whole(rows.long()).tolist() == [1, 1]
    assert module.Later.of(rows).count == 2
    assert module.later(module.Later.of(rows)).named("a") == "a"
    assert list(module.yielded(2)) == [0, 1]
    assert len(module.outer(rows[:, 0])) == 2, "sizes of a call are its own"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m, rows: m.added(rows, rows[:1]),  # one size, two values
        lambda m, rows: m.added(rows[:, :3], rows[:, :3]),
        lambda m, rows: m.added(rows.long(), rows.long()),
        lambda m, rows: m.cut(rows),  # what comes back is of another size
        lambda m, rows: m.columns(rows, 3),
        lambda m, rows: m.half("three"),
        lambda m, rows: m.half(-1.0),
        lambda m, rows: m.unknown("anything", "one"),  # the rest is checked all the same
        lambda m, rows: m.whole(rows),  # types that are imported for type checkers alone
        lambda m, rows: m.whole(rows.long()[0]),
        lambda m, rows: m.later("no such class"),
        lambda m, rows: m.yielded("two"),
        lambda m, rows: m.Later(rows, rows[:1, 0]),
        lambda m, rows: m.Later.of(rows[0]),
        lambda m, rows: m.Later.of(rows.new_ones(3, 4)).count,
        lambda m, rows: m.Later.named(7),
    ],
)
def test_what_does_not_fit_is_refused(module, rows, wrong):
    with pytest.raises(Exception, match=r"(?i)violates|type-check error"):
        wrong(module, rows)


@pytest.fixture
def rows():
    import torch

    return torch.ones(2, 4)

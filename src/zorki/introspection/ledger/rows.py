"""What a ledger says: its rows, their totals, and how they print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zorki.introspection.ledger.kinds import one


@dataclass(frozen=True)
class LedgerRow:
    """One layer, for one image of the batch.

    `shape` is the output's without the batch: (channels, height, width) for maps. `values` counts the numbers that
    the layer keeps in memory: 0 where it can work in place (activation functions, dropout) or only reshapes.
    `macs` are multiply-adds; FLOPs are twice as many. `receptive_field` and `jump` are in pixels of the input, one
    number an axis; `jump` is None where no positions are left.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    values: int
    bytes: int
    weights: int
    biases: int
    macs: int
    receptive_field: tuple[int, ...] | None
    jump: tuple[float | None, ...] | None
    whole: bool  # sees the whole image from every position
    hidden: bool  # in place, or a reshape: textbooks leave it out

    @property
    def parameters(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True)
class Ledger:
    """The rows from input to output, and their totals. Prints as a table.

    `receptive_field` is that of the output, in pixels of the input, one number an axis, with what no layer does but the
    network itself, such as enlarging maps; of several outputs, that of the one that sees most. `whole`: an output sees
    the whole image.
    """

    rows: list[LedgerRow] = field(default_factory=list)
    receptive_field: tuple[int, ...] | None = None
    whole: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases of the whole network."""
        return sum(row.parameters for row in self.rows)

    @property
    def values(self) -> int:
        """Activation values with the input, for one image, forward only."""
        return sum(row.values for row in self.rows)

    @property
    def bytes(self) -> int:
        """Memory of the activation values."""
        return sum(row.bytes for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""
        return sum(row.macs for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: "rows", all of them, and "totals"."""
        rows = [
            {
                "name": row.name,
                "kind": row.kind,
                "shape": list(row.shape),
                "values": row.values,
                "bytes": row.bytes,
                "weights": row.weights,
                "biases": row.biases,
                "macs": row.macs,
                "receptive_field": list(row.receptive_field) if row.receptive_field else None,
                "jump": list(row.jump) if row.jump else None,
                "whole": row.whole,
                "hidden": row.hidden,
            }
            for row in self.rows
        ]
        totals = {
            "parameters": self.parameters,
            "values": self.values,
            "bytes": self.bytes,
            "macs": self.macs,
            "flops": 2 * self.macs,
            "receptive_field": list(self.receptive_field) if self.receptive_field else None,
            "whole": self.whole,
        }
        return {"rows": rows, "totals": totals}

    def table(self, *, hidden: bool = False) -> list[tuple[str, ...]]:
        """Texts, one tuple a row, under the headings `COLUMNS`; `hidden` shows also what works in place."""
        return [_texts(row) for row in self.rows if hidden or not row.hidden]

    def totals(self) -> str:
        """One line for a person."""
        return (
            f"{self.parameters:,} parameters, {self.values:,} activation values with the input "
            f"({self.bytes / 2**20:,.1f} MiB), {self.macs / 1e9:,.2f} GMACs ({2 * self.macs / 1e9:,.2f} GFLOPs)"
        )

    def sight(self) -> str:
        """One line for a person: how much of the image an output sees."""
        if self.whole:
            return "an output sees the whole image"
        if self.receptive_field is None:
            return "what an output sees is not known"
        return f"an output sees up to {'x'.join(map(str, self.receptive_field))} pixels of the image"

    def __str__(self) -> str:
        rows = [COLUMNS, *self.table()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        right = range(3, len(COLUMNS))
        lines = [
            "  ".join(row[i].rjust(width) if i in right else row[i].ljust(width) for i, width in enumerate(widths))
            for row in rows
        ]
        return "\n".join([*(line.rstrip() for line in lines), self.totals()])


COLUMNS = ("layer", "name", "output", "values", "weights", "biases", "MMACs", "sees", "jump")


def _texts(row: LedgerRow) -> tuple[str, ...]:
    sees = "" if row.receptive_field is None else "all" if row.whole else one(row.receptive_field)
    jump = "" if row.jump is None else one([f"{j:g}" for j in row.jump if j is not None])
    places = (
        (*row.shape[1:], row.shape[0])
        if len(row.shape) >= 3 and row.kind not in ("PARAMETER", "NOT RUN")
        else row.shape
    )
    numbers = (f"{n:,}" if n else "" for n in (row.values, row.weights, row.biases))
    macs = f"{row.macs / 1e6:,.2f}" if row.macs else ""
    return (row.kind, row.name, "x".join(map(str, places)), *numbers, macs, sees, jump)

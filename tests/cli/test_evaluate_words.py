"""What `zorki evaluate` says about data that are not all in order."""

from dataclasses import dataclass
from pathlib import Path

from zorki.cli.evaluate import _print
from zorki.contracts import Results
from zorki.contracts.metric import MetricResult
from zorki.types import Defect


@dataclass(frozen=True)
class ShareTrue(MetricResult):
    """The share of predictions that are true, in 0..1."""

    share: float


def test_notes_are_not_told_as_defects(capsys):
    note = Defect(Path("a"), "class 'fork' has no box", note=True)
    result = Results("test", 3, ShareTrue(count=3, share=0.5), {}, defects=[note])
    _print(["run"], [result])
    out = capsys.readouterr().out
    assert "1 note:" in out
    assert "left out" not in out
    result.defects.append(Defect(Path("b.png"), "cut short"))
    _print(["run"], [result])
    assert "1 defect and 1 note; what is broken was left out:" in capsys.readouterr().out

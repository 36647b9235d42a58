"""`zorki predict --track`: what is typed is what `predict` is told."""

import pytest

from zorki.cli import _run
from zorki.engine.prediction import predict as prediction


@pytest.fixture
def told(monkeypatch):
    calls = []
    monkeypatch.setattr(prediction, "predict", lambda runs, sources, **settings: calls.append(settings) or iter(()))
    return calls


def test_lines_zones_and_thresholds(told):
    words = "predict run a.mp4 --track --tracker.max_lost 2 --tracker.match-classes false --embed faces"
    lines = "--count-line 0,1,2,3 --count-line -4,5,6,7 --count-zone 0,0,9,0,9,9"
    assert _run([*words.split(), *lines.split()]) == 0
    assert told[0]["track"] in (
        {"max_lost": "2", "match-classes": "false"},
        {"max_lost": "2", "match_classes": "false"},
    )
    assert told[0]["embed"] == "faces"
    assert told[0]["count_lines"] == ["0,1,2,3", "-4,5,6,7"]
    assert told[0]["count_zones"] == ["0,0,9,0,9,9"]
    assert _run(["predict", "run", "a.mp4", "--track"]) == 0
    assert told[1]["track"] is True
    assert _run(["predict", "run", "a.mp4"]) == 0
    assert told[2]["track"] is False


def test_thresholds_without_tracks_are_told(told, capsys):
    assert _run(["predict", "run", "a.mp4", "--tracker.max_lost", "2"]) == 2
    assert "say --track as well" in capsys.readouterr().err
    assert told == []

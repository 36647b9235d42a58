from pathlib import Path

from zorki.engine.checks.report import CheckReport, Inspection


def inspection(chosen=("ZD003", "ZD005", "ZD012"), budget=10.0):
    now = [0.0]
    made = Inspection(frozenset(chosen), CheckReport("x"), budget, Path("/data"), clock=lambda: now[0])
    return made, now


def test_errors_come_first_and_notes_alone_are_clean():
    made, _ = inspection()
    made.add("ZD005", "rare")
    assert made.report.exit_code == 0
    made.add("ZD003", "copies", [Path("/data/a.png"), Path("/other/b.png"), Path("/data")])
    made.add("ZD012", "leak")
    made.add("ZD001", "not looked for")
    report = made.finish()
    assert [one.id for one in report.findings] == ["ZD012", "ZD003", "ZD005"]
    assert report.findings[1].files == ("a.png", "/other/b.png", "/data")
    assert report.exit_code == 1
    assert report.to_json()["findings"][0]["remedy"]
    assert "1 error, 1 warning, 1 note" in report.verdict


def test_what_there_is_no_time_for_is_told_once():
    made, now = inspection()
    assert made.has_time("a", 0.5)
    now[0] = 6.0
    assert made.has_time("b", 0.8)
    assert not made.has_time("c", 0.5)
    assert not made.has_time("c", 0.5)
    assert made.report.left_out == ["c: no time was left of 10 s"]
    assert made.wants("ZD001", "ZD012")
    assert made.report.checked == ["ZD012"]


def test_what_was_left_out_is_in_the_verdict_of_a_clean_report():
    assert CheckReport("x").verdict == "clean: nothing found; 0 checks in 0 s"
    assert "nothing found in what there was time and data for" in CheckReport("x", left_out=["pixels"]).verdict

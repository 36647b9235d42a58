"""Slurm is asked once, by the first process, and what it answers is said."""

import signal
import sys
from pathlib import Path

import pytest

from zorki.engine.run.requeue import SIGNAL, requeue


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Job 7, on a computer whose `scontrol` writes down what it is asked, and fails where its job is 8."""
    if sys.platform == "win32":
        pytest.skip("Slurm runs on Linux")
    command = tmp_path / "scontrol"
    command.write_text('#!/bin/sh\necho "$@" >> "$0.log"\n[ "$2" = 7 ] || { echo no such job >&2; exit 1; }\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return Path(f"{command}.log")


def test_the_first_process_asks(job, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert requeue() == "; Slurm's job 7 is in the queue again"
    assert job.read_text() == "requeue 7\n"
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert requeue() == ""
    assert job.read_text() == "requeue 7\n"


def test_a_refusal_is_said(job, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert requeue() == "; Slurm's job 8 could not be put into the queue again: no such job"
    monkeypatch.setenv("PATH", "")
    assert "could not be put into the queue again" in requeue()


def test_elsewhere_nobody_is_asked(job, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    assert requeue() == ""
    assert not job.exists()
    assert SIGNAL is signal.SIGUSR1

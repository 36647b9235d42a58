"""Jobs that Slurm is asked to start again, since their time ends before their training does."""

from __future__ import annotations

import os
import signal
import subprocess

from zorki.engine.device import rank

SIGNAL = signal.Signals.__members__.get("SIGUSR1")
"""What `sbatch --signal=USR1@120` sends before a job's time ends; None where there is no such signal."""


def requeue() -> str:
    """Asks Slurm to put this job into the queue again, once for all processes; what became of it, for a message.

    The job's script then runs anew, and has to go on with `zorki train --resume`.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or rank() != 0:
        return ""
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"; Slurm's job {job} could not be put into the queue again: {error}"
    if done.returncode:
        return f"; Slurm's job {job} could not be put into the queue again: {done.stderr.strip() or done.returncode}"
    return f"; Slurm's job {job} is in the queue again"

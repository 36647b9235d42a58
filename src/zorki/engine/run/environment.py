"""Where a run was made: versions, machine, git commit, the exact command, and how to repeat it."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("zorki", "torch", "torchvision", "lightning", "timm", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Version of Python and of each package that computes."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit(folder: Path) -> str | None:
    """The commit of the checkout around `folder`, with "+changes" where files differ from it; None outside of git."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def command() -> str:
    """The command line of this process, quoted so that a shell takes it."""
    words = [Path(sys.argv[0]).name if sys.argv[0].endswith("zorki") else sys.argv[0], *sys.argv[1:]]
    return shlex.join(words)


def environment() -> dict[str, Any]:
    """All of it, in plain JSON; host names and user names are left out."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "command": command(),
        "working_folder": os.getcwd(),
        "git_commit": git_commit(Path.cwd()),
        "versions": versions(),
        "machine": {
            "system": platform.system(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": device,
        },
    }


def computing_machine(device: str) -> dict[str, Any]:
    """What times of a network hold for: device, processor with the kernels in use, and the version of PyTorch."""
    import torch

    return {
        "device": device.partition(":")[0],
        "processor": processor(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "onednn": os.environ.get("ONEDNN_MAX_CPU_ISA"),
        "gpu": torch.cuda.get_device_name(device) if device.startswith("cuda") else None,
        "torch": torch.__version__,
    }


def processor() -> str:
    """The name of the processor's model, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

"""A process of its own without its imports: a fork of the one that tests, where the process is part of what is tested.

It starts within milliseconds, where importing torch and Lightning anew takes seconds.
"""

import functools
import importlib
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import zorki


class Forked:
    """`python -m MODULE WORDS`, with the methods that `subprocess.Popen` has.

    Args:
        stdout: descriptor for what it prints; None keeps it for `communicate`.
        unbuffered: as `python -u`.
    """

    def __init__(self, module, *words, stdout=None, unbuffered=False):
        _load()
        self._files, self._texts, self.returncode = (_unnamed_file(), _unnamed_file()), ("", ""), None
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of threads; none runs here
            self.pid = os.fork()
        if self.pid == 0:
            self._become(module, list(map(str, words)), stdout, unbuffered)

    def _become(self, module, words, stdout, unbuffered):
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(self._files[0] if stdout is None else stdout, 1)
            os.dup2(self._files[1], 2)
            sys.stdout = open(1, "w", buffering=1 if unbuffered else -1, closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            sys.argv = [module, *words]
            if module != "zorki":
                sys.modules.pop(module, None)  # it is imported anew, as the program
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        try:
            sys.stdout.flush()
        except OSError:
            traceback.print_exc()
            code = 120  # as Python's own
        os._exit(code)  # the end of the tests' process is not this one's

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                self._texts = tuple(_read_and_close(file) for file in self._files)
        return self.returncode

    def wait(self, timeout=240):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.send_signal(signal.SIGKILL)
                raise TimeoutError(f"still at work after {timeout} seconds")
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout=240):
        self.wait(timeout)
        return self._texts


@functools.cache
def _load():
    """What training and evaluation import, once for all forks."""
    for name in ("lightning.pytorch", "zorki.engine.training.train", "zorki.engine.evaluation.evaluate"):
        importlib.import_module(name)
    zorki.models()


def _unnamed_file():
    number, path = tempfile.mkstemp()
    os.unlink(path)
    return number


def _read_and_close(number):
    os.lseek(number, 0, os.SEEK_SET)
    with open(number, encoding="utf-8") as file:
        return file.read()


def run(module, *words):
    """As `subprocess.run` of `python -m MODULE WORDS`, with what it wrote."""
    process = Forked(module, *words)
    out, err = process.communicate()
    return subprocess.CompletedProcess([module, *words], process.returncode, out, err)


def run_command(command, **_):
    """In the place of `subprocess.run` where a command of `python -m` is run."""
    python, flag, module, *words = command
    assert (python, flag) == (sys.executable, "-m")
    return run(module, *words)

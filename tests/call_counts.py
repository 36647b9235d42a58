"""How many functions are called: what costs at scale is counted on few things, never timed."""

import sys


def calls_of(function, *arguments):
    """The number of functions, of Python and of C, that are called while this one runs."""
    count = 0

    def see(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(see)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


def growth(work, small=40, times=4):
    """How many times as much is called for `times` as many things; `work(count)` gives what is to be counted.

    What each thing costs by itself gives `times`, what each costs with every other its square.
    """
    return calls_of(work(small * times)) / calls_of(work(small))

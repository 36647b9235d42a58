"""Which box goes on which track: pairs of least cost, none dearer than a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:  # takes longer to load than an exported file to answer
    from jaxtyping import Float64, Int64

APART = 1e6
"""A cost that is above every limit."""


def assign(cost: Float64[ndarray, "N M"], limit: float) -> tuple[Int64[ndarray, " K"], Int64[ndarray, " K"]]:
    """Rows and columns of the pairs that cost at most `limit`, chosen so that what all save against it is the most.

    The Hungarian algorithm (Kuhn, 1955), by SciPy. Costs above the limit are cut down to it, as `cost_limit` of LAPJV
    does it: a dear pair then is worth no more than none, and never drives a good one away.
    """
    if not cost.size:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    from scipy.optimize import linear_sum_assignment  # opening a run need not wait for it

    rows, columns = linear_sum_assignment(np.minimum(cost, limit + 1e-9))
    near = cost[rows, columns] <= limit
    return rows[near], columns[near]

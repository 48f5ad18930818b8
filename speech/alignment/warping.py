"""Dynamic time warping (Sakoe & Chiba 1978) of two sequences of phone posteriors.

The distance of two frames is the negative logarithm of the probability that both are the same phone
(Hazen, Shen & White 2009). Only a band around the diagonal is searched.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Posteriors = NDArray[np.float32]
Rows = NDArray[np.int64]

_DIAGONAL, _UP, _ACROSS = range(3)
_LEAST_PROBABILITY: Final = 1e-9
_ROUNDING: Final = 1e-9


def warping_path(
    one: Posteriors, other: Posteriors, is_free: NDArray[np.bool_], reach: int
) -> Rows:
    """Return the cheapest way to go through both sequences together.

    Args:
        one: Shape (n, k), n > 0.
        other: Shape (m, k), m > 0.
        is_free: Shape (m,): frames of `other` that cost nothing when `one` stands still.
        reach: Frames of `other` on either side of the diagonal that are searched.

    Returns:
        Shape (p, 2): pairs of frames, from (0, 0) to (n - 1, m - 1), neither ever falling.
    """
    bands = _bands(len(one), len(other), reach)
    origins, costs = [], np.full(1, np.inf)
    for row, (before, band) in enumerate(pairwise([range(1), *bands])):
        distances = -np.log(other[band.start : band.stop] @ one[row] + _LEAST_PROBABILITY)
        entered, origin = _entered(costs, before, band)
        if row == 0:
            entered[0] = 0
        entered += distances
        # The cheapest way within the row is a running minimum once the way to each column is taken
        # off.
        across = np.cumsum(np.where(is_free[band.start : band.stop], 0, distances), dtype=float)
        entered -= across
        least = np.minimum.accumulate(entered)
        origin[entered > least + _ROUNDING] = _ACROSS
        origins.append(origin)
        costs = least + across
    return _traced(bands, origins)


def _bands(rows: int, columns: int, reach: int) -> list[range]:
    """Return the columns that are searched in each row; bands of neighbours overlap."""
    diagonal = np.linspace(0, columns - 1, rows)
    reach = max(reach, -(-columns // rows))
    firsts = np.maximum(np.floor(diagonal).astype(int) - reach, 0)
    ends = np.minimum(np.ceil(diagonal).astype(int) + reach + 1, columns)
    return list(map(range, firsts.tolist(), ends.tolist()))


def _entered(
    costs: NDArray[np.float64], before: range, band: range
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return what it costs to come to each column from the row before, and from where."""
    near = np.full(len(band) + 1, np.inf)  # of the row before, from one column earlier
    shift = before.start - band.start + 1
    source = slice(max(-shift, 0), max(band.stop - before.start, 0))
    values = costs[source]
    near[max(shift, 0) : max(shift, 0) + len(values)] = values
    diagonal, up = near[:-1], near[1:]
    return np.minimum(diagonal, up), np.where(up < diagonal, _UP, _DIAGONAL).astype(np.int8)


def _traced(bands: list[range], origins: list[NDArray[np.int8]]) -> Rows:
    row, column = len(bands) - 1, bands[-1].stop - 1
    path = [(row, column)]
    while row or column:
        origin = int(origins[row][column - bands[row].start]) if row else _ACROSS
        row -= origin != _ACROSS
        column -= origin != _UP
        path.append((row, column))
    return np.array(path[::-1])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.alignment.warping import warping_path

WIDE = 1000


def posteriors(rng, frames):
    return rng.dirichlet(np.full(5, 0.3), frames).astype(np.float32)


def cost_of(path, one, other, is_free):
    distances = -np.log(one @ other.T + 1e-9)
    stands = np.diff(path[:, 0], prepend=-1) == 0
    return distances[tuple(path.T)][~(stands & is_free[path[:, 1]])].sum()


def least_cost(one, other, is_free):
    """The textbook's recursion, cell by cell."""
    distances = -np.log(one @ other.T + 1e-9)
    costs = np.full((len(one) + 1, len(other) + 1), np.inf)
    costs[0, 0] = 0
    for row, column in np.ndindex(distances.shape):
        here = distances[row, column]
        across = costs[row + 1, column] + (0 if is_free[column] else here)
        costs[row + 1, column + 1] = min(
            costs[row, column] + here, costs[row, column + 1] + here, across
        )
    return costs[-1, -1]


@given(rows=st.integers(1, 25), columns=st.integers(1, 25), seed=st.integers(0, 2**32))
def test_no_path_is_cheaper(rows, columns, seed):
    rng = np.random.default_rng(seed)
    one, other = posteriors(rng, rows), posteriors(rng, columns)
    is_free = rng.random(columns) < 0.2
    path = warping_path(one, other, is_free, WIDE)
    assert cost_of(path, one, other, is_free) == pytest.approx(
        least_cost(one, other, is_free), abs=1e-3
    )


@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 60),
    reach=st.integers(0, 10),
    seed=st.integers(0, 2**32),
)
def test_a_path_leads_from_end_to_end_step_by_step(rows, columns, reach, seed):
    rng = np.random.default_rng(seed)
    path = warping_path(
        posteriors(rng, rows), posteriors(rng, columns), np.zeros(columns, bool), reach
    )
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [rows - 1, columns - 1]
    steps = np.diff(path, axis=0)
    assert set(map(tuple, steps.tolist())) <= {(0, 1), (1, 0), (1, 1)}


def test_a_path_stays_in_its_band():
    rng = np.random.default_rng(1)
    path = warping_path(posteriors(rng, 100), posteriors(rng, 100), np.zeros(100, bool), 5)
    assert np.abs(path[:, 0] - path[:, 1]).max() <= 6


def test_the_same_sequence_at_half_the_speed_is_found():
    one = np.repeat(np.eye(10, dtype=np.float32), 2, axis=0)
    path = warping_path(one, np.eye(10, dtype=np.float32), np.zeros(10, bool), WIDE)
    assert (path[:, 0] // 2 == path[:, 1]).all()

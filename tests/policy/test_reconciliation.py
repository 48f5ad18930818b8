import pytest

from policy.reconciliation import is_another_bucket


@pytest.mark.parametrize(
    ("missing", "rows", "another"),
    [(0, 0, False), (0, 1, False), (1, 1, True), (1, 2, False), (2, 3, True), (50, 100, False)],
)
def test_more_than_half_missing_means_another_bucket(missing, rows, another):
    assert is_another_bucket(missing, rows) is another

import pytest

from policy.reconciliation import is_another_bucket, is_another_database


@pytest.mark.parametrize(
    ("missing", "rows", "another"),
    [(0, 0, False), (0, 1, False), (1, 1, True), (1, 2, False), (2, 3, True), (50, 100, False)],
)
def test_more_than_half_missing_means_another_bucket(missing, rows, another):
    assert is_another_bucket(missing, rows) is another


@pytest.mark.parametrize(
    ("orphans", "objects", "max_percent", "another"),
    [
        (0, 0, 50, False),
        (0, 1, 0, False),
        (1, 2, 50, False),
        (51, 100, 50, True),
        (1, 1, 50, True),
        (1, 1, 100, False),
    ],
)
def test_implausibly_many_objects_without_a_message_mean_another_database(
    orphans, objects, max_percent, another
):
    assert is_another_database(orphans, objects, max_percent=max_percent) is another

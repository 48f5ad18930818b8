"""The sweep, end to end: real Prefect, real Postgres, a real S3 server."""

from datetime import timedelta

import pytest

from flows.sweep_retention import sweep_retention
from schema.states import UserTier
from tests.sweeping import is_in_bucket

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]


def test_a_dry_run_deletes_nothing_and_a_real_one_what_is_due(record, stored):
    due = record()
    others = [record(due_for=-timedelta(days=n)) for n in range(1, 10)]
    assert sweep_retention().objects == 0
    assert stored(due).audio_url
    report = sweep_retention(dry_run=False)
    assert report.deleted == {UserTier.FREE: 1}
    assert not is_in_bucket(stored(due).audio_storage_key)
    assert all(is_in_bucket(stored(other).audio_storage_key) for other in others)

"""The sweep's steps, on real Postgres and a real bucket."""

from datetime import timedelta

import pytest

from schema.states import UserTier
from tasks.sweep_plan import plan_sweep
from tasks.sweep_retention import Walk, settle_broken_runs, sweep_chunk
from tests.sweeping import DAY, is_in_bucket


@pytest.fixture
def sweep(rules):
    """Plan and sweep as the flow does, without Prefect."""

    def _sweep(page_size=100, rules=rules):
        plan = plan_sweep.fn(rules)
        settle_broken_runs.fn(rules)
        report, walk = sweep_chunk.fn(
            Walk(allowance=plan.objects), rules, page_size=page_size, pages=100
        )
        assert walk.ended
        return report

    return _sweep


def test_due_audio_goes_and_other_audio_stays(record, stored, sweep, entries):
    due, in_grace = record(), record(due_for=-timedelta(hours=1))
    report = sweep()
    assert report.deleted == {UserTier.FREE: 1}
    assert report.deleted_bytes == {UserTier.FREE: 1000}
    gone, kept = stored(due), stored(in_grace)
    assert gone.audio_deleted_at is not None
    assert gone.audio_url is gone.audio_url_expires_at is None
    assert gone.audio_storage_key
    assert not is_in_bucket(gone.audio_storage_key)
    assert kept.audio_deleted_at is None
    assert kept.audio_url
    assert is_in_bucket(kept.audio_storage_key)
    assert entries() == [("retention", "deleted", due)]


@pytest.mark.parametrize("tier", list(UserTier))
def test_every_tier_is_swept_at_its_own_time(record, stored, sweep, tier):
    due, not_yet = record(tier, due_for=timedelta(0)), record(tier, due_for=-DAY)
    assert sweep().deleted == {tier: 1}
    assert stored(due).audio_deleted_at
    assert not stored(not_yet).audio_deleted_at

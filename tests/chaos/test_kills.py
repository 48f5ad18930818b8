"""kill -9 at each change that a flow makes: run again, it ends as if nothing had happened."""

from collections import Counter
from uuid import uuid4

import pytest

from schema.states import CheckScope, HoldScope
from stores.analysis import analyses
from tests.support.backfilling import analysis
from tests.support.flow_process import COMMIT, CUT, KILL, PAUSE, run_flow
from tests.support.sweeping import AUDIO, DAY
from tests.tasks.test_export_findings import SO, THINK, analysed

pytestmark = pytest.mark.slow

MOST_KILLS, MOST_CUTS = 4, 2
LEASED_TOO_LONG = """
SELECT count(*) FROM (
    SELECT leased_until FROM audio_ops.lease
    UNION ALL SELECT leased_until FROM audio_ops.backfill_item
) AS l WHERE leased_until > now() + interval '15 minutes'
"""


def check(world, name, parameters, *, kills=MOST_KILLS):
    """Check that a flow that is interrupted in any way leaves the world as always."""
    steps, undisturbed = run_undisturbed(world, name, parameters)
    kill(world, name, parameters, steps, undisturbed, kills=kills)
    lose_answers(world, name, parameters, steps, undisturbed)
    crash_postgres(world, name, parameters, steps, undisturbed)


def run_undisturbed(world, name, parameters):
    world.keep()
    return run_flow(name, parameters), world.state()


def kill(world, name, parameters, steps, undisturbed, *, kills=MOST_KILLS):
    for step in spread(range(1, len(steps) + 1), kills):
        world.put_back()
        assert run_flow(name, parameters, at={step: KILL}) is None
        assert world.one(LEASED_TOO_LONG) == 0
        world.end_leases()
        assert run_flow(name, parameters) is not None
        assert differences(world.state(), undisturbed) == {}, f"killed at {step} of {steps}"


def lose_answers(world, name, parameters, steps, undisturbed):
    for step in spread(commits(steps), MOST_CUTS):
        world.put_back()
        with world.behind_proxy() as proxy:
            run_flow(name, parameters, at={step: CUT})
        assert proxy.cuts == 1
        assert differences(world.state(), undisturbed) == {}, f"cut at {step} of {steps}"


def crash_postgres(world, name, parameters, steps, undisturbed):
    world.put_back()
    middle = commits(steps)[len(commits(steps)) // 2]
    run_flow(name, parameters, at={middle: PAUSE}, meanwhile=world.crash)
    assert differences(world.state(), undisturbed) == {}


def commits(steps):
    return [number for number, step in enumerate(steps, 1) if step == COMMIT]


def differences(found, wanted):
    """Return the rows that are too many, and those that are missing, by table."""
    counted = {table: (Counter(found[table]), Counter(rows)) for table, rows in wanted.items()}
    return {
        table: (list((now - before).elements()), list((before - now).elements()))
        for table, (now, before) in counted.items()
        if now != before
    }


def spread(steps, most):
    """Return at most so many, evenly spread, the first and the last among them."""
    most = min(len(steps), most)
    return sorted({steps[round(n * (len(steps) - 1) / max(most - 1, 1))] for n in range(most)})


def test_sweep_retention(record, add_orphan, world):
    for number in range(3):
        record(due_for=(9 - number) * DAY)
    record(due_for=-DAY, audio_retention_expires_at=None)
    add_orphan("o1")
    parameters = {"dry_run": False, "page_size": 2, "max_share_percent": 100.0}
    check(world, "sweep_retention", parameters)


def test_analyze_messages(upload, world):
    for number in range(3):
        upload(f"we went {number} times", audio=AUDIO)
    check(world, "analyze_messages", {"chunk_size": 2})


@pytest.fixture
def history(upload, engine):
    """Messages analysed by an older engine."""
    ids = [
        upload("we went", audio=AUDIO, audio_processing_state="analyzed", pronunciation_score=60)
        for _ in range(5)
    ]
    with engine.begin() as connection:
        analyses.upsert(connection, [analysis(id_) for id_ in ids])
    return ids


BACKFILL = {
    "reason": "a better engine", "dry_run": False, "canary_size": 1, "chunk_size": 2,
    "max_mean_shift": 100.0,
}  # fmt: skip


def test_backfill_analysis(history, world):
    check(world, "backfill_analysis", BACKFILL)


def test_work_on_backfill(history, freeze, world, engine):
    from schema.states import AnalysisEngine
    from tasks.analysis.engines import installed_release

    number = freeze(release=installed_release(AnalysisEngine.KAIWA))
    check(world, "work_on_backfill", {"backfill_id": number, "chunk_size": 3})


def test_undo_backfill(history, world):
    assert run_flow("backfill_analysis", BACKFILL)
    number = world.one("SELECT max(id) FROM audio_ops.backfill")
    parameters = {"backfill_id": number, "reason": "worse", "dry_run": False}
    check(world, "undo_backfill", parameters)


def test_erase_learner(learner, add_recording, add_orphan, world):
    for _ in range(2):
        add_recording(learner)
    add_orphan("o1", user_id=learner.user_id)
    parameters = {"user_id": learner.user_id, "reason": "request 7", "dry_run": False}
    check(world, "erase_learner", parameters)


def test_place_legal_hold(record, world):
    parameters = {
        "scope": HoldScope.MESSAGE, "subject_id": record(), "reason": "case 7", "placed_by": "Mori",
    }  # fmt: skip
    check(world, "place_legal_hold", parameters)


def test_release_legal_hold(record, hold, world):
    placed = hold(record())
    parameters = {"hold_id": placed.hold_id, "released_by": "Mori"}
    check(world, "release_legal_hold", parameters)


def test_refresh_signed_urls(record, world):
    for _ in range(3):
        record(due_for=-30 * DAY, audio_url=None, audio_url_expires_at=None)
    record(due_for=-30 * DAY, audio_storage_key="elsewhere/a.wav")
    check(world, "refresh_signed_urls", {"page_size": 2})


def test_measure_costs(record, world, tmp_path, monkeypatch):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(tmp_path))
    record(due_for=-30 * DAY)
    check(world, "measure_costs", {})


def test_check_quality(record, world, tmp_path, monkeypatch):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(tmp_path))
    record(due_for=-30 * DAY, pronunciation_score=None)
    parameters = {"scope": CheckScope.EVERYTHING, "fail_above_percent": 100.0}
    check(world, "check_quality", parameters, kills=3)  # each run takes a second


def test_reconcile_bucket(record, add_message, put, world):
    record(due_for=-30 * DAY)
    record(due_for=-30 * DAY, audio=None)
    message_id = add_message(
        audio_storage_key=None, audio_processing_state="pending", audio_format=None
    )
    put(f"audio/u/c/{message_id}_1760000000000.wav", bytes(4800))
    put(f"audio/u/c/{uuid4()}_1760000000000.wav", bytes(4800))
    parameters = {"repair": True, "min_age_days": -1, "max_orphan_percent": 100.0}
    check(world, "reconcile_bucket", parameters)


def test_export_findings(add_scored, world):
    add_scored(message={"content": "\U0001f600 I think so"}, **analysed(THINK, SO))
    add_scored(message={"content": "\U0001f600 I think so"}, **analysed(THINK))
    check(world, "export_findings", {"dry_run": False, "page_size": 1})

"""What runs before the pictures are taken: the demo, then every other flow."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, TextClause, text

from local.demo.analysis_run import DEPLOYMENT as ANALYZE
from local.demo.backfill import BACKFILL
from local.demo.costs import MEASURE
from local.demo.deployment_run import RunPaused, failure, run_deployment
from local.demo.learners import record_all
from local.demo.life_of_audio import SWEEP
from local.demo.old_recordings import AGE
from local.demo.recordings import ANALYZED
from local.demo.run import demonstrate
from local.demo.steps import DemoFailed, Scene, step
from local.demo.upload import upload
from schema.clock import utc_now

_TIMES = 6  # as many recordings as in the demo: charts need stock, progress needs chunks
_CHUNK = 20
_NOTHING: Mapping[str, object] = {}
# Spread recordings over three months; none becomes so old that it would be deleted.
_SPREAD = text("""
WITH aged AS (
    SELECT id, least(audio_retention_expires_at - timestamp, interval '90 days') * 0.95
        * (row_number() OVER (ORDER BY timestamp, id)) / count(*) OVER () AS age
    FROM messages WHERE audio_storage_key IS NOT NULL AND audio_deleted_at IS NULL
)
UPDATE messages AS m SET timestamp = timestamp - age,
    audio_retention_expires_at = audio_retention_expires_at - age
FROM aged WHERE m.id = aged.id
""")
_DELETE_METRICS = text("DELETE FROM audio_ops.storage_metric")
# One recording whose size in the table is wrong, and three whose grace period is over.
_FALSIFY_SIZE = text("""
UPDATE messages SET audio_size_bytes = audio_size_bytes + 1024 WHERE id = (
    SELECT id FROM messages WHERE audio_processing_state = 'analyzed'
        AND audio_deleted_at IS NULL ORDER BY timestamp, id LIMIT 1)
""")
_END_GRACE_PERIOD = text("""
UPDATE messages SET timestamp = timestamp - CAST(:age AS interval),
    audio_retention_expires_at = audio_retention_expires_at - CAST(:age AS interval)
WHERE id IN (
    SELECT m.id FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
        JOIN subscriptions AS s ON s.user_id = c.user_id
    WHERE s.current_tier = 'free' AND m.audio_deleted_at IS NULL ORDER BY m.timestamp, m.id LIMIT 3)
""")
_LEARNER = text("""
SELECT CAST(c.user_id AS text), c.id AS conversation_id FROM conversations AS c
    JOIN subscriptions AS s ON s.user_id = c.user_id
WHERE s.current_tier = :tier ORDER BY c.started_at, c.id LIMIT 1
""")


def run_story(scene: Scene) -> None:
    """Run the demo and every other flow at least once.

    Raises:
        KaiwaError: If a run does not end as expected.
    """
    demonstrate(scene, None)
    _record_more(scene)
    _run(scene, MEASURE)
    _change(scene, _FALSIFY_SIZE)
    _run(scene, "reconcile-bucket")
    _run(scene, "export-findings", {"dry_run": False})
    _hold(scene)
    _run(scene, "work-on-backfill", {"backfill_id": 1})
    for dry_run in (True, False):
        parameters = {
            "backfill_id": 1,
            "reason": "the new scores are not better",
            "dry_run": dry_run,
        }
        _run(scene, "undo-backfill", parameters)
    # What was undone is outdated again. This backfill changes the means and waits for approval.
    parameters = {"reason": "demo: second try", "canary_size": 5, "max_mean_shift": 1}
    _run(scene, BACKFILL, parameters | {"dry_run": False}, waits=True)
    erased = {"user_id": _ask(scene, _LEARNER, tier="plus")[0], "reason": "request 17"}
    for dry_run in (True, False):
        _run(scene, "erase-learner", erased | {"dry_run": dry_run})
    _change(scene, _END_GRACE_PERIOD, age=AGE)
    _run(scene, SWEEP, {"max_objects": 0}, waits=True)


def _record_more(scene: Scene) -> None:
    """Upload more recordings of the learners, spread over three months, and analyse them."""
    with step(scene.console, f"Uploaded {_TIMES} times as many recordings"):
        # With the deliberate failures a scheduled run, which may come first, would end as failed.
        recordings = [
            one
            for _ in range(_TIMES)
            for one in record_all()
            if one.expected is ANALYZED or one.is_missing
        ]
        upload(scene.engine, scene.bucket, recordings, as_of=utc_now())
    _run(scene, ANALYZE, {"chunk_size": _CHUNK})
    _change(scene, _SPREAD)
    _change(scene, _DELETE_METRICS)  # days that are already measured would not be measured again


def _hold(scene: Scene) -> None:
    """Place two legal holds and release the one that the demo placed."""
    learner, conversation = _ask(scene, _LEARNER, tier="premium")
    for scope, subject_id in (("user", learner), ("conversation", conversation)):
        who = {"reason": "case 2026-117", "placed_by": "legal department"}
        _run(scene, "place-legal-hold", who | {"scope": scope, "subject_id": subject_id})
    _run(scene, "release-legal-hold", {"hold_id": 1, "released_by": "legal department"})


def _run(
    scene: Scene, name: str, parameters: Mapping[str, object] = _NOTHING, *, waits: bool = False
) -> None:
    """Run a deployment until it completes or waits for approval."""
    waited = False
    title = f"Ran {name}, which waits for approval" if waits else f"Ran {name}"
    with step(scene.console, title):
        try:
            reason = failure(run_deployment(scene.prefect, name, parameters, log=scene.log))
        except RunPaused:
            reason, waited = None, True
    if reason is None and waited is not waits:
        reason = f"{name} {'waited' if waited else 'did not wait'} for approval"
    if reason is not None:
        raise DemoFailed(reason, scene.log)


def _change(scene: Scene, statement: TextClause, **values: object) -> None:
    with scene.engine.begin() as connection:
        connection.execute(statement, values)


def _ask(scene: Scene, query: TextClause, **values: object) -> Row[Any]:
    with scene.engine.connect() as connection:
        return connection.execute(query, values).one()

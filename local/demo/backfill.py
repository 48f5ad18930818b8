"""Backfills the analyses: a dry run, then a canary, the rest, and what has changed."""

from collections.abc import Mapping
from typing import Any

from rich.markdown import Markdown
from sqlalchemy import text

from local.demo.deployment_run import failure, read_summary, run_deployment
from local.demo.outcomes import Outcome
from local.demo.steps import DemoFailed, Scene, step
from schema.states import ProcessingState
from schema.wording import counted

BACKFILL = "backfill-analysis"
POINTS_LOWER = 2  # how much less the simulated older version scored
_MAKE_OUTDATED = text("""
WITH older AS (
    UPDATE message_audio_analysis
    SET analysis_version = '1.0',
        overall_accuracy_score = CASE WHEN overall_accuracy_score IS NOT NULL
            THEN greatest(overall_accuracy_score - :points, 0) END
    WHERE message_id = ANY(:ids) AND analysis_error IS NULL
    RETURNING message_id, overall_accuracy_score
)
UPDATE messages AS m SET pronunciation_score = older.overall_accuracy_score
FROM older WHERE m.id = older.message_id
RETURNING m.id, m.conversation_id
""")
_COUNT_OUTDATED = text("""
SELECT count(*) FROM messages AS m JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE m.id = ANY(:ids) AND m.audio_deleted_at IS NULL AND a.analysis_version = '1.0'
""")


def show_backfill(scene: Scene, outcomes: Mapping[str, Outcome]) -> None:
    """Mark the analyses as an older version's, and backfill them.

    Raises:
        DemoFailed: If a run fails or leaves recordings out.
    """
    analysed = [id_ for id_, one in outcomes.items() if one.state == ProcessingState.ANALYZED]
    title = f"Analyses marked as version 1.0, scores lowered by {POINTS_LOWER} points"
    with step(scene.console, title), scene.engine.begin() as connection:
        rows = connection.execute(_MAKE_OUTDATED, {"ids": analysed, "points": POINTS_LOWER}).all()
    ids = [row.id for row in rows]
    parameters = {
        "reason": "demo: a better engine",
        "conversation_ids": sorted({row.conversation_id for row in rows}),
        "canary_size": 5,
    }
    _run(scene, parameters, "dry run")
    _run(scene, parameters | {"dry_run": False}, "canary first, then the rest")
    with scene.engine.connect() as connection:
        left = connection.execute(_COUNT_OUTDATED, {"ids": ids}).scalar_one()
    if left:
        reason = f"the backfill left {left} of {counted(len(ids), 'recording')} out"
        raise DemoFailed(reason, scene.log)
    scene.console.print(
        "[green]✓[/] All analyses have new scores; undo-backfill can restore the old ones."
    )


def _run(scene: Scene, parameters: dict[str, Any], mode: str) -> None:
    with step(scene.console, f"Ran {BACKFILL} ({mode})"):
        run = run_deployment(scene.prefect, BACKFILL, parameters, log=scene.log)
    summary = read_summary(scene.prefect, run, BACKFILL)
    reason = failure(run) or ("it left no artifact" if summary is None else None)
    if reason is not None or summary is None:
        raise DemoFailed(str(reason), scene.log)
    scene.console.print(Markdown(summary))

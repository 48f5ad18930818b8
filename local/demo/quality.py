"""Corrupts three rows, and shows that a quality check quarantines and later releases them."""

from collections.abc import Mapping

from rich.markdown import Markdown
from sqlalchemy import text

from local.demo.deployment_run import failure, read_summary, run_deployment
from local.demo.outcomes import Outcome
from local.demo.steps import DemoFailed, Scene, step
from schema.states import ProcessingState
from schema.wording import counted

CHECK = "check-quality"
# What is written into three rows, and the rules that are violated then.
DAMAGE = (
    (
        "a score of 101",
        "UPDATE messages SET pronunciation_score = 101 WHERE id = :id",
        {"pronunciation_score_range", "quick_scores"},
    ),
    (
        "words that end before they start",
        "UPDATE message_audio_analysis SET speech_timings = jsonb_set(jsonb_set(speech_timings,"
        " '{0,startMs}', '900'), '{0,endMs}', '100') WHERE message_id = :id",
        {"timings_in_order"},
    ),
    (
        "the URL of another bucket",
        "UPDATE messages SET audio_url = 'https://elsewhere.example.org/a' WHERE id = :id",
        {"url_expiry", "url_is_ours"},
    ),
)
_SAVE = text("""
CREATE TEMPORARY TABLE before AS
SELECT m.id, m.pronunciation_score, m.audio_url, a.speech_timings
FROM messages AS m JOIN message_audio_analysis AS a ON a.message_id = m.id
WHERE m.id = ANY(:ids)
""")
_REPAIR = (
    "UPDATE messages AS m SET pronunciation_score = before.pronunciation_score,"
    " audio_url = before.audio_url FROM before WHERE m.id = before.id",
    "UPDATE message_audio_analysis AS a SET speech_timings = before.speech_timings"
    " FROM before WHERE a.message_id = before.id",
)
_OPEN_CASES = text(
    "SELECT message_id, rule FROM audio_ops.quarantine"
    " WHERE message_id = ANY(:ids) AND released_at IS NULL"
)


def show_quality(scene: Scene, outcomes: Mapping[str, Outcome]) -> None:
    """Corrupt three rows, check, repair them, and check again.

    Raises:
        DemoFailed: If a check misses a violation or reports one that does not exist.
    """
    ids = _choose(scene, outcomes)
    # Temporary tables live as long as their connection.
    with scene.engine.connect() as connection:
        connection.execute(_SAVE, {"ids": ids})
        with step(scene.console, f"Corrupted three rows: {', '.join(d[0] for d in DAMAGE)}"):
            for message_id, (_, statement, _) in zip(ids, DAMAGE, strict=True):
                connection.execute(text(statement), {"id": message_id})
            connection.commit()
        summary = _check(scene, must_fail=True)
        scene.console.print(Markdown(summary.partition("\nQuarantine:")[0]))
        expected = {
            (message_id, rule)
            for message_id, (_, _, rules) in zip(ids, DAMAGE, strict=True)
            for rule in rules
        }
        _compare(scene, ids, expected)
        for statement in _REPAIR:
            connection.execute(text(statement))
        connection.commit()
    scene.console.print("Repaired the three rows by hand; a check never changes them.")
    _check(scene, must_fail=False)
    _compare(scene, ids, set())
    scene.console.print(
        "[green]✓[/] Every violation was found, and released from quarantine after the repair."
    )
    page = scene.reports / "data-docs" / "index.html"
    scene.console.print(f"Results of every rule: {page}", soft_wrap=True, markup=False)


def _choose(scene: Scene, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return analysed messages that still have a URL, one for each damage."""
    analysed = [
        message_id
        for message_id, outcome in outcomes.items()
        if outcome.state == ProcessingState.ANALYZED
    ]
    query = text(
        "SELECT m.id FROM messages AS m JOIN message_audio_analysis AS a ON a.message_id = m.id"
        " WHERE m.id = ANY(:ids) AND m.audio_url IS NOT NULL"
        " AND jsonb_array_length(a.speech_timings) > 0 ORDER BY m.id LIMIT :limit"
    )
    with scene.engine.connect() as connection:
        found = connection.execute(query, {"ids": analysed, "limit": len(DAMAGE)})
        ids = list(found.scalars())
    if len(ids) < len(DAMAGE):
        reason = "too few recordings are left to corrupt three of them"
        raise DemoFailed(reason, scene.log)
    return ids


def _check(scene: Scene, *, must_fail: bool) -> str:
    """Run the check; return its summary."""
    title = f"Ran {CHECK}, which failed as expected" if must_fail else f"Ran {CHECK}"
    with step(scene.console, title):
        run = run_deployment(scene.prefect, CHECK, {}, log=scene.log)
    summary = read_summary(scene.prefect, run, CHECK)
    reason = failure(run)
    if summary is None or (reason is None) is must_fail:
        raise DemoFailed(reason or f"{CHECK} did not fail although rows are corrupt", scene.log)
    return summary


def _compare(scene: Scene, ids: list[str], expected: set[tuple[str, str]]) -> None:
    with scene.engine.connect() as connection:
        found = {tuple(case) for case in connection.execute(_OPEN_CASES, {"ids": ids})}
    if found != expected:
        cases = counted(len(found), "case is", "cases are")
        reason = f"{cases} in quarantine where {len(expected)} should be"
        raise DemoFailed(reason, scene.log)

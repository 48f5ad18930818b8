"""Write the outcomes of a backfill's chunk, and keep copies of what they overwrite."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from policy.leases import Quarantine
from schema.facts.analysis import AnalysisReport, EngineRelease
from schema.facts.backfill import BackfillClaim, FinishedItem
from schema.states import AnalysisEngine, BackfillOutcome
from stores.analysis import analyses
from stores.backfill import leases, outcomes
from tasks.analysis.gate import quarantine_broken
from tasks.analysis.results import (
    DecidedOutcomes,
    counted,
    decide_outcomes,
    quarantine_crashes,
    write_analyses,
    write_failures,
)
from tasks.analysis.workers import Outcome


def write_backfill_outcomes(
    connection: Connection,
    claim: BackfillClaim,
    results: Mapping[str, Outcome],
    *,
    release: EngineRelease,
    max_attempts: int,
    as_of: datetime,
) -> AnalysisReport:
    """Write a chunk's outcomes for the messages whose lease still holds, and count them all.

    A failed analysis does not replace an earlier successful one. Messages that no longer need an
    analysis count as lost.

    Args:
        connection: In a transaction; safe to repeat in another one.
        claim: The messages and their lease.
        results: The outcome of each message, by message id.
        release: The engine that analysed them.
        max_attempts: Attempts before a transient failure becomes final.
        as_of: Timestamp of the failures, UTC.
    """
    held = leases.lock_held(connection, claim.token, release)
    passed_over = [FinishedItem(id_, fate) for id_, fate in held.items() if fate is not None]
    writable = [m for m in claim.messages if m.message_id in held and held[m.message_id] is None]
    decided = decide_outcomes(writable, results, max_attempts, may_wait=False)
    rescored = [outcome.record.message_id for outcome in decided.analysed]
    failed = [failure.message_id for failure in decided.final_failures]
    working = analyses.working(connection, failed)
    to_fail = [failure for failure in decided.final_failures if failure.message_id not in working]
    overwritten = [*rescored, *(failure.message_id for failure in to_fail)]
    outcomes.keep_previous(connection, claim.token, overwritten)
    write_analyses(connection, decided.analysed)
    write_failures(connection, to_fail, AnalysisEngine(release.engine), as_of)
    quarantine_crashes(connection, decided)
    leases.put_back(connection, claim.token, decided.retries)
    outcomes.finish(connection, claim.token, [*_finished(decided), *passed_over])
    broken = quarantine_broken(connection, rescored, as_of=as_of)
    return counted(len(claim.messages) + claim.passed_over, decided, broken)


def _finished(decided: DecidedOutcomes) -> list[FinishedItem]:
    quarantined = {f.message_id for f in decided.failures if isinstance(f.decision, Quarantine)}
    analysed = [
        FinishedItem(
            outcome.record.message_id,
            BackfillOutcome.ANALYZED,
            audio_ms=round(1000 * outcome.audio_seconds),
            cpu_ms=round(1000 * outcome.cpu_seconds),
        )
        for outcome in decided.analysed
    ]
    failed = [
        FinishedItem(
            message_id,
            BackfillOutcome.QUARANTINED if message_id in quarantined else BackfillOutcome.FAILED,
            cause,
        )
        for message_id, _, cause, _ in decided.final_failures
    ]
    return [*analysed, *failed]

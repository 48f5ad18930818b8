"""Write what became of a chunk of a backfill, and keep what that overwrites."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from policy.leases import Quarantine
from schema.facts.analysis import AnalysisReport
from schema.facts.backfill import BackfillClaim, EngineRelease, FinishedItem
from schema.states import BackfillOutcome
from stores.analysis import analyses
from stores.backfill import leases, outcomes
from tasks.analysis.gate import set_broken_aside
from tasks.analysis.results import (
    DecidedOutcomes,
    counted,
    decide_outcomes,
    set_crashes_aside,
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
    """Write a chunk's outcomes where they may be written, and count them all.

    Where the new analysis failed, an earlier one that had worked stays. Messages that need no
    analysis any more count as lost.

    Args:
        connection: In a transaction; safe to repeat in another one.
        claim: The messages and the lease they are held under.
        results: The outcome of each, by message id.
        release: The engine that analysed them.
        max_attempts: Tries before a transient failure becomes final.
        as_of: Dates the failures, UTC.
    """
    held = leases.lock_held(connection, claim.token, release)
    passed_over = [FinishedItem(id_, fate) for id_, fate in held.items() if fate is not None]
    writable = [m for m in claim.messages if m.message_id in held and held[m.message_id] is None]
    decided = decide_outcomes(writable, results, max_attempts)
    rescored = [outcome.record.message_id for outcome in decided.analysed]
    failed = [failure.message_id for failure in decided.final_failures]
    working = analyses.working(connection, failed)
    to_fail = [failure for failure in decided.final_failures if failure.message_id not in working]
    overwritten = [*rescored, *(failure.message_id for failure in to_fail)]
    outcomes.keep_previous(connection, claim.token, overwritten)
    write_analyses(connection, decided.analysed)
    write_failures(connection, to_fail, as_of)
    set_crashes_aside(connection, decided)
    leases.put_back(connection, claim.token, decided.retries)
    outcomes.finish(connection, claim.token, [*_finished(decided), *passed_over])
    broken = set_broken_aside(connection, rescored, as_of=as_of)
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
        for message_id, cause, _ in decided.final_failures
    ]
    return [*analysed, *failed]

"""Write what became of a chunk of a backfill, keeping what was there before."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from policy.leases import Quarantine
from schema.facts.analysis import AnalysisReport
from schema.facts.backfill import BackfillClaim, EngineRelease
from schema.states import BackfillOutcome
from stores.analysis import analyses
from stores.backfill import leases
from tasks.analysis.gate import set_broken_aside
from tasks.analysis.results import (
    Sorted,
    counted,
    set_crashes_aside,
    sort_outcomes,
    write_analyses,
    write_failures,
)
from tasks.analysis.workers import Outcome

Done = tuple[str, BackfillOutcome, str | None, int | None, int | None]


def write_backfill_outcomes(
    connection: Connection,
    claim: BackfillClaim,
    outcomes: Mapping[str, Outcome],
    *,
    release: EngineRelease,
    max_attempts: int,
    as_of: datetime,
) -> AnalysisReport:
    """Write a chunk's outcomes where they may be written, and count them all.

    An analysis that had worked stays where the new one failed. What need not be analysed any more
    counts as lost.

    Args:
        connection: In a transaction; safe to repeat in another one.
        claim: The messages and the lease they are held under.
        outcomes: One for each of them, by message id.
        release: The engine that analysed them.
        max_attempts: Tries before a transient failure becomes final.
        as_of: Dates the failures, UTC.
    """
    held = leases.lock_held(connection, claim.token, release)
    fates = {message_id: fate for message_id, fate in held.items() if fate is not None}
    ours = [m for m in claim.messages if m.message_id in held and m.message_id not in fates]
    results = sort_outcomes(ours, outcomes, max_attempts)
    analysed = [outcome.record.message_id for outcome in results.analysed]
    working = analyses.working(connection, [message_id for message_id, *_ in results.final])
    spoilt = [failure for failure in results.final if failure[0] not in working]
    written = [*analysed, *(message_id for message_id, *_ in spoilt)]
    leases.keep_previous(connection, claim.token, written)
    write_analyses(connection, results.analysed)
    write_failures(connection, spoilt, as_of)
    set_crashes_aside(connection, results)
    leases.put_back(connection, claim.token, results.retries)
    passed_over: list[Done] = [(id_, fate, None, None, None) for id_, fate in fates.items()]
    leases.finish(connection, claim.token, [*_done(results), *passed_over])
    broken = set_broken_aside(connection, analysed, as_of=as_of)
    return counted(len(claim.messages) + claim.passed_over, results, broken)


def _done(results: Sorted) -> list[Done]:
    quarantined = {f.message_id for f in results.failures if isinstance(f.verdict, Quarantine)}
    analysed: list[Done] = [
        (
            outcome.record.message_id,
            BackfillOutcome.ANALYZED,
            None,
            round(1000 * outcome.audio_seconds),
            round(1000 * outcome.cpu_seconds),
        )
        for outcome in results.analysed
    ]
    failed: list[Done] = [
        (
            message_id,
            BackfillOutcome.QUARANTINED if message_id in quarantined else BackfillOutcome.FAILED,
            cause.value,
            None,
            None,
        )
        for message_id, cause, _ in results.final
    ]
    return [*analysed, *failed]

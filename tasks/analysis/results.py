"""Write what became of a chunk: analyses, failures, messages to be tried again."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from policy.leases import Fail, Quarantine, Retry, Verdict, failure_verdict
from schema.facts.analysis import AnalysisReport, Claim, ClaimedMessage
from schema.facts.quality import BrokenRule
from schema.states import FailureCause
from stores.analysis import analyses, leases, messages
from stores.quality import quarantine
from tasks.analysis.gate import set_broken_aside
from tasks.analysis.records import failed_record
from tasks.analysis.workers import Analysed, NotAnalysed, Outcome


class Failure(NamedTuple):
    """A message that could not be analysed, and what becomes of it."""

    message_id: str
    cause: FailureCause
    verdict: Verdict


class Sorted(NamedTuple):
    """The outcomes of messages that may still be written to."""

    analysed: list[Analysed]
    failures: list[Failure]

    @property
    def final(self) -> list[tuple[str, FailureCause, str]]:
        """Message id, cause and error of what is not tried again."""
        return [
            (message_id, cause, verdict.error)
            for message_id, cause, verdict in self.failures
            if isinstance(verdict, Fail | Quarantine)
        ]

    @property
    def retries(self) -> list[tuple[str, timedelta, int, int]]:
        """Message id, pause, failed tries and crashes of what is."""
        return [
            (message_id, verdict.delay, verdict.attempts, verdict.crashes)
            for message_id, _, verdict in self.failures
            if isinstance(verdict, Retry)
        ]


def write_outcomes(
    connection: Connection,
    claim: Claim,
    outcomes: Mapping[str, Outcome],
    *,
    max_attempts: int,
    as_of: datetime,
) -> AnalysisReport:
    """Write a chunk's outcomes for the messages that are still ours, and count them all.

    Analyses that break a rule of data quality are written as well, and set aside.

    Args:
        connection: In a transaction; safe to repeat in another one.
        claim: The messages and the lease they are held under.
        outcomes: One for each of them, by message id.
        max_attempts: Tries before a transient failure becomes final.
        as_of: Dates the failures, UTC.
    """
    held = leases.lock_held(connection, claim.token, list(outcomes))
    ours = [message for message in claim.messages if message.message_id in held]
    results = sort_outcomes(ours, outcomes, max_attempts)
    write_analyses(connection, results.analysed)
    write_failures(connection, results.final, as_of)
    set_crashes_aside(connection, results)
    leases.put_back(connection, claim.token, results.retries)
    broken = set_broken_aside(connection, _ids(results.analysed), as_of=as_of)
    return counted(len(claim.messages), results, broken)


def sort_outcomes(
    messages: Iterable[ClaimedMessage], outcomes: Mapping[str, Outcome], max_attempts: int
) -> Sorted:
    """Decide what becomes of each message."""
    analysed: list[Analysed] = []
    failures: list[Failure] = []
    for message in messages:
        outcome = outcomes[message.message_id]
        if isinstance(outcome, Analysed):
            analysed.append(outcome)
        else:
            verdict = _verdict(message, outcome, max_attempts)
            failures.append(Failure(message.message_id, outcome.cause, verdict))
    return Sorted(analysed, failures)


def counted(claimed: int, results: Sorted, broken: Collection[BrokenRule]) -> AnalysisReport:
    """Count what became of so many claimed messages; those without a result are lost."""
    verdicts = Counter(type(failure.verdict) for failure in results.failures)
    return AnalysisReport(
        claimed=claimed,
        analyzed=len(results.analysed),
        broken=len({case.message_id for case in broken}),
        broken_rules=Counter(case.rule for case in broken),
        failed=verdicts[Fail],
        retried=verdicts[Retry],
        quarantined=verdicts[Quarantine],
        lost=claimed - len(results.analysed) - len(results.failures),
        causes=Counter(failure.cause for failure in results.failures),
        audio_seconds=sum(outcome.audio_seconds for outcome in results.analysed),
        cpu_seconds=sum(outcome.cpu_seconds for outcome in results.analysed),
    )


def _ids(analysed: Iterable[Analysed]) -> list[str]:
    return [outcome.record.message_id for outcome in analysed]


def _verdict(message: ClaimedMessage, outcome: NotAnalysed, max_attempts: int) -> Verdict:
    return failure_verdict(
        outcome.cause,
        outcome.reason,
        attempts=message.attempts,
        crashes=message.crashes,
        max_attempts=max_attempts,
        jitter=random.random(),  # noqa: S311 - spreads retries, guards no secret
    )


def write_analyses(connection: Connection, analysed: Iterable[Analysed]) -> None:
    """Write analyses, and the quick scores of their messages."""
    records = [outcome.record for outcome in analysed]
    analyses.upsert(connection, records)
    messages.mark_analyzed(
        connection,
        [
            (
                record.message_id,
                record.overall_accuracy_score,
                record.overall_fluency_score,
                record.speech_rate_wpm,
            )
            for record in records
        ],
    )


def write_failures(
    connection: Connection, final: Sequence[tuple[str, FailureCause, str]], as_of: datetime
) -> None:
    """Let messages fail, saying why; see `Sorted.final`."""
    analyses.upsert(connection, [failed_record(*failure, as_of=as_of) for failure in final])
    messages.mark_failed(connection, [(message_id, error) for message_id, _, error in final])


def set_crashes_aside(connection: Connection, results: Sorted) -> None:
    """Quarantine what killed its worker too often."""
    quarantine.set_aside(
        connection,
        [
            BrokenRule(message_id, quarantine.CRASH_RULE, verdict.error)
            for message_id, _, verdict in results.failures
            if isinstance(verdict, Quarantine)
        ],
    )

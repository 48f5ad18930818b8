"""Write what became of a chunk: analyses, failures, messages to be tried again."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from policy.leases import Fail, Quarantine, Retry, Verdict, failure_verdict
from schema.quality import BrokenRule
from schema.reports import AnalysisReport
from schema.states import FailureCause
from schema.values import Claim, ClaimedMessage
from stores import analyses, leases, messages, quarantine
from tasks.analysis_gate import set_broken_aside
from tasks.analysis_records import failed_record
from tasks.analysis_workers import Analysed, NotAnalysed, Outcome


class _Failure(NamedTuple):
    message_id: str
    cause: FailureCause
    verdict: Verdict


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
    analysed: list[Analysed] = []
    failures: list[_Failure] = []
    for message in ours:
        outcome = outcomes[message.message_id]
        if isinstance(outcome, Analysed):
            analysed.append(outcome)
        else:
            verdict = _verdict(message, outcome, max_attempts)
            failures.append(_Failure(message.message_id, outcome.cause, verdict))
    _write_analyses(connection, analysed)
    _write_final(connection, failures, as_of)
    _write_retries(connection, claim, failures)
    broken = set_broken_aside(
        connection, [outcome.record.message_id for outcome in analysed], as_of=as_of
    )
    verdicts = Counter(type(failure.verdict) for failure in failures)
    return AnalysisReport(
        claimed=len(claim.messages),
        analyzed=len(analysed),
        broken=len({case.message_id for case in broken}),
        broken_rules=Counter(case.rule for case in broken),
        failed=verdicts[Fail],
        retried=verdicts[Retry],
        quarantined=verdicts[Quarantine],
        lost=len(claim.messages) - len(ours),
        causes=Counter(failure.cause for failure in failures),
        audio_seconds=sum(outcome.audio_seconds for outcome in analysed),
        cpu_seconds=sum(outcome.cpu_seconds for outcome in analysed),
    )


def _verdict(message: ClaimedMessage, outcome: NotAnalysed, max_attempts: int) -> Verdict:
    return failure_verdict(
        outcome.cause,
        outcome.reason,
        attempts=message.attempts,
        crashes=message.crashes,
        max_attempts=max_attempts,
        jitter=random.random(),  # noqa: S311 - spreads retries, guards no secret
    )


def _write_analyses(connection: Connection, analysed: list[Analysed]) -> None:
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


def _write_final(connection: Connection, failures: list[_Failure], as_of: datetime) -> None:
    final = [
        (message_id, cause, verdict.error)
        for message_id, cause, verdict in failures
        if isinstance(verdict, Fail | Quarantine)
    ]
    analyses.upsert(connection, [failed_record(*failure, as_of=as_of) for failure in final])
    messages.mark_failed(connection, [(message_id, error) for message_id, _, error in final])
    quarantine.set_aside(
        connection,
        [
            BrokenRule(message_id, quarantine.CRASH_RULE, verdict.error)
            for message_id, _, verdict in failures
            if isinstance(verdict, Quarantine)
        ],
    )


def _write_retries(connection: Connection, claim: Claim, failures: list[_Failure]) -> None:
    leases.put_back(
        connection,
        claim.token,
        [
            (message_id, verdict.delay, verdict.attempts, verdict.crashes)
            for message_id, _, verdict in failures
            if isinstance(verdict, Retry)
        ],
    )

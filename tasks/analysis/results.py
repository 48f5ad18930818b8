"""Write what became of a chunk: analyses, failures, messages to be tried again."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from policy.leases import Fail, FailureDecision, Quarantine, Retry, failure_decision
from schema.facts.analysis import AnalysisReport, Claim, ClaimedMessage, MessageRetry
from schema.facts.quality import BrokenRule
from schema.states import FailureCause
from stores.analysis import analyses, leases, messages
from stores.quality import quarantine
from tasks.analysis.gate import set_broken_aside
from tasks.analysis.records import failed_record
from tasks.analysis.workers import Analysed, NotAnalysed, Outcome


class Failure(NamedTuple):
    """A message that could not be analysed, and what is decided about it."""

    message_id: str
    cause: FailureCause
    decision: FailureDecision


class FinalFailure(NamedTuple):
    """A message that is not tried again, and the error that says why."""

    message_id: str
    cause: FailureCause
    error: str


class DecidedOutcomes(NamedTuple):
    """What is written to the messages of a claim that may still be written to."""

    analysed: list[Analysed]
    failures: list[Failure]

    @property
    def final_failures(self) -> list[FinalFailure]:
        """Messages that fail for good."""
        return [
            FinalFailure(message_id, cause, decision.error)
            for message_id, cause, decision in self.failures
            if isinstance(decision, Fail | Quarantine)
        ]

    @property
    def retries(self) -> list[MessageRetry]:
        """Messages that wait for another try."""
        return [
            MessageRetry(message_id, decision.delay, decision.attempts, decision.crashes)
            for message_id, _, decision in self.failures
            if isinstance(decision, Retry)
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
    decided = decide_outcomes(ours, outcomes, max_attempts)
    write_analyses(connection, decided.analysed)
    write_failures(connection, decided.final_failures, as_of)
    set_crashes_aside(connection, decided)
    leases.put_back(connection, claim.token, decided.retries)
    broken = set_broken_aside(connection, _ids(decided.analysed), as_of=as_of)
    return counted(len(claim.messages), decided, broken)


def decide_outcomes(
    messages: Iterable[ClaimedMessage], outcomes: Mapping[str, Outcome], max_attempts: int
) -> DecidedOutcomes:
    """Decide what becomes of each message."""
    analysed: list[Analysed] = []
    failures: list[Failure] = []
    for message in messages:
        outcome = outcomes[message.message_id]
        if isinstance(outcome, Analysed):
            analysed.append(outcome)
        else:
            decision = _decide(message, outcome, max_attempts)
            failures.append(Failure(message.message_id, outcome.cause, decision))
    return DecidedOutcomes(analysed, failures)


def counted(
    claimed: int, decided: DecidedOutcomes, broken: Collection[BrokenRule]
) -> AnalysisReport:
    """Count what became of the claimed messages; those without a result are lost."""
    decisions = Counter(type(failure.decision) for failure in decided.failures)
    return AnalysisReport(
        claimed=claimed,
        analyzed=len(decided.analysed),
        broken=len({case.message_id for case in broken}),
        broken_rules=Counter(case.rule for case in broken),
        failed=decisions[Fail],
        retried=decisions[Retry],
        quarantined=decisions[Quarantine],
        lost=claimed - len(decided.analysed) - len(decided.failures),
        causes=Counter(failure.cause for failure in decided.failures),
        audio_seconds=sum(outcome.audio_seconds for outcome in decided.analysed),
        cpu_seconds=sum(outcome.cpu_seconds for outcome in decided.analysed),
    )


def _ids(analysed: Iterable[Analysed]) -> list[str]:
    return [outcome.record.message_id for outcome in analysed]


def _decide(message: ClaimedMessage, outcome: NotAnalysed, max_attempts: int) -> FailureDecision:
    return failure_decision(
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
    connection: Connection, failures: Sequence[FinalFailure], as_of: datetime
) -> None:
    """Set messages to `failed`, with the error on the message and on its analysis."""
    analyses.upsert(connection, [failed_record(*failure, as_of=as_of) for failure in failures])
    messages.mark_failed(connection, [(one.message_id, one.error) for one in failures])


def set_crashes_aside(connection: Connection, decided: DecidedOutcomes) -> None:
    """Quarantine messages that killed their worker process too often."""
    quarantine.set_aside(
        connection,
        [
            BrokenRule(message_id, quarantine.CRASH_RULE, decision.error)
            for message_id, _, decision in decided.failures
            if isinstance(decision, Quarantine)
        ],
    )

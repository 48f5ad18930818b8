"""Write the outcomes of a chunk: analyses, failures and retries."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from policy.leases import Fail, FailureDecision, Quarantine, Retry, failure_decision
from schema.documents import storable
from schema.facts.analysis import AnalysisReport, Claim, ClaimedMessage, MessageRetry
from schema.facts.quality import BrokenRule
from schema.states import AnalysisEngine, FailureCause
from stores.analysis import analyses, leases, messages
from stores.quality import quarantine
from tasks.analysis.engines import release_for
from tasks.analysis.gate import quarantine_broken
from tasks.analysis.records import failed_record
from tasks.analysis.workers import Analysed, NotAnalysed, Outcome


class Failure(NamedTuple):
    """A message that could not be analysed, and the decision about it."""

    message_id: str
    language: str
    cause: FailureCause
    decision: FailureDecision


class FinalFailure(NamedTuple):
    """A message that is not retried, and why."""

    message_id: str
    language: str
    cause: FailureCause
    error: str


class DecidedOutcomes(NamedTuple):
    """Outcomes of the messages that are still held under the claim."""

    analysed: list[Analysed]
    failures: list[Failure]

    @property
    def final_failures(self) -> list[FinalFailure]:
        """Messages that fail permanently."""
        return [
            FinalFailure(message_id, language, cause, decision.error)
            for message_id, language, cause, decision in self.failures
            if isinstance(decision, Fail | Quarantine)
        ]

    @property
    def retries(self) -> list[MessageRetry]:
        """Messages that are retried later."""
        return [
            MessageRetry(message_id, decision.delay, decision.attempts, decision.crashes)
            for message_id, _, _, decision in self.failures
            if isinstance(decision, Retry)
        ]


def write_outcomes(
    connection: Connection,
    claim: Claim,
    outcomes: Mapping[str, Outcome],
    *,
    engine: AnalysisEngine,
    max_attempts: int,
    as_of: datetime,
) -> AnalysisReport:
    """Write a chunk's outcomes for the messages whose lease still holds, and count them all.

    Analyses that break a rule of data quality are written too, and their messages quarantined.

    Args:
        connection: In a transaction; safe to repeat in another one.
        claim: The messages and their lease.
        outcomes: One for each message, by message id.
        engine: The engine that analysed them.
        max_attempts: Attempts before a transient failure becomes final.
        as_of: Timestamp of the failures, UTC.
    """
    held_ids = leases.lock_held(connection, claim.token, list(outcomes))
    held = [message for message in claim.messages if message.message_id in held_ids]
    decided = decide_outcomes(held, outcomes, max_attempts)
    write_analyses(connection, decided.analysed)
    write_failures(connection, decided.final_failures, engine, as_of)
    quarantine_crashes(connection, decided)
    leases.put_back(connection, claim.token, decided.retries)
    broken = quarantine_broken(connection, _ids(decided.analysed), as_of=as_of)
    return counted(len(claim.messages), decided, broken)


def decide_outcomes(
    messages: Iterable[ClaimedMessage],
    outcomes: Mapping[str, Outcome],
    max_attempts: int,
    *,
    may_wait: bool = True,
) -> DecidedOutcomes:
    """Decide for each failed message whether it is retried, failed or quarantined."""
    analysed: list[Analysed] = []
    failures: list[Failure] = []
    for message in messages:
        outcome = outcomes[message.message_id]
        if isinstance(outcome, Analysed):
            analysed.append(outcome)
        else:
            decision = _decide(message, outcome, max_attempts, may_wait=may_wait)
            failures.append(Failure(message.message_id, message.language, outcome.cause, decision))
    return DecidedOutcomes(analysed, failures)


def counted(
    claimed: int, decided: DecidedOutcomes, broken: Collection[BrokenRule]
) -> AnalysisReport:
    """Count the claimed messages by outcome; those without a result are lost."""
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


def _decide(
    message: ClaimedMessage, outcome: NotAnalysed, max_attempts: int, *, may_wait: bool
) -> FailureDecision:
    return failure_decision(
        outcome.cause,
        storable(outcome.reason),  # may quote a recording's header
        attempts=message.attempts,
        crashes=message.crashes,
        max_attempts=max_attempts,
        jitter=random.random(),  # noqa: S311 - spreads retries, guards no secret
        may_wait=may_wait,
    )


def write_analyses(connection: Connection, analysed: Iterable[Analysed]) -> None:
    """Write analyses, and copy their scores to the messages."""
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
    connection: Connection,
    failures: Sequence[FinalFailure],
    engine: AnalysisEngine,
    as_of: datetime,
) -> None:
    """Set messages to `failed`, with the error on the message and on its analysis."""
    records = [
        failed_record(message_id, cause, error, release_for(engine, language), as_of=as_of)
        for message_id, language, cause, error in failures
    ]
    analyses.upsert(connection, records)
    messages.mark_failed(connection, [(failure.message_id, failure.error) for failure in failures])


def quarantine_crashes(connection: Connection, decided: DecidedOutcomes) -> None:
    """Quarantine messages that killed their worker process too often."""
    quarantine.set_aside(
        connection,
        [
            BrokenRule(message_id, quarantine.CRASH_RULE, decision.error)
            for message_id, _, _, decision in decided.failures
            if isinstance(decision, Quarantine)
        ],
    )

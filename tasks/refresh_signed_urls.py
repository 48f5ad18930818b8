"""Tasks of `flows/refresh_signed_urls.py`: divide the messages into spans, sign, write, report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection

from policy.configuration import AudioPolicy
from policy.runs import MAX_TASK_RUNS
from policy.signed_urls import Leave, Sign, deletion_due_until, signed_url_verdict
from reports.urls import summary
from schema.facts.quality import BrokenRule
from schema.facts.urls import MessageSpan, SignableMessage, UrlReport
from schema.wording import counted
from stores import signed_urls
from stores.bucket.url_signer import DatedSigner
from stores.deletion import retention
from stores.quality import quarantine
from stores.quality.rules.message_columns import REFUSED_KEY
from tasks.message_url import refresh_url
from tasks.resources import storage
from tasks.resources.database import in_transaction

PAGES_PER_SPAN = 50
# Ten pages are read at a time and their rows dealt out in turn, so that neighbouring rows are
# written by different transactions. Each reuses the space freed by the one before, so the update
# stays HOT (docs/adr/0051).
PAGES_READ_TOGETHER = 10


@dataclass(frozen=True, slots=True)
class RefreshRules:
    """Parameters of a run, the same for all its spans."""

    as_of: datetime  # time of the signatures, truncated to the second
    policy: AudioPolicy
    page_size: int
    only_active_days: int | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """The spans to process, and what is left out."""

    spans: tuple[MessageSpan, ...]
    live: int  # messages in the spans
    due: int  # messages whose recording is due for deletion
    unreadable: int  # messages whose retention expiry is no date


@task(cache_policy=NO_CACHE)
def plan_refresh(rules: RefreshRules) -> RefreshPlan:
    """Divide the messages whose recording is not due for deletion into spans, one task run each.

    Messages whose retention expiry is no date are quarantined, except in a dry run.

    Raises:
        CredentialExpiryUnknown: If the expiry of temporary credentials is not configured.
        CredentialsExpired: If they have expired.
    """
    storage.signer().dated(rules.as_of)
    due_until = deletion_due_until(rules.as_of, rules.policy)

    def plan(connection: Connection) -> RefreshPlan:
        live, due = signed_urls.count_live(connection, due_until)
        unreadable = retention.count_unreadable(connection).recordings
        if unreadable and not rules.dry_run:
            quarantine.set_aside_unreadable(connection)
        # Two spans may be short: the last one without a retention expiry, and the last with one.
        rows_per_span = max(PAGES_PER_SPAN * rules.page_size, -(-live // (MAX_TASK_RUNS - 2)))
        spans = signed_urls.spans(connection, due_until, rows_per_span=rows_per_span)
        return RefreshPlan(tuple(spans), live, due, unreadable)

    return in_transaction(plan)


@task(cache_policy=NO_CACHE, task_run_name="refresh-span-{number}")
def refresh_span(
    span: MessageSpan, rules: RefreshRules, *, number: int, limit: int | None
) -> UrlReport:
    """Renew the URLs of one span that need it, page by page.

    Args:
        span: Messages to examine.
        rules: Parameters of the run.
        number: Number of the span, for the task run's name.
        limit: Maximum number of URLs to sign; None: no limit.

    Returns:
        Counts of the messages by outcome.

    Raises:
        CredentialsExpired: If the temporary credentials have expired.
        DatabaseRefused: If the database rejects the URLs of a page.
    """
    signer = storage.signer().dated(rules.as_of)
    active = _active_conversations(rules)
    batch_size = PAGES_READ_TOGETHER * rules.page_size
    report, rest = UrlReport(), span
    while limit is None or report.signed < limit:
        found = in_transaction(signed_urls.page, span=rest, limit=batch_size)
        decisions = _decide(found, rules, signer.signed_at, active)
        left = None if limit is None else limit - report.signed
        report += _carry_out(decisions, rules, signer, left)
        if len(found) < batch_size:
            break
        rest = replace(rest, after=found[-1].position)
    return report


def _active_conversations(rules: RefreshRules) -> frozenset[str] | None:
    if rules.only_active_days is None:
        return None
    since = rules.as_of - timedelta(days=rules.only_active_days)
    return in_transaction(signed_urls.active_conversations, since)


@dataclass(frozen=True, slots=True)
class _Decisions:
    to_sign: list[tuple[SignableMessage, int]]  # with the URL's lifetime in seconds
    refused: list[tuple[str, str]]  # message id, and why its key is refused
    left: Counter[Leave]
    inactive: int


def _decide(
    page: Sequence[SignableMessage],
    rules: RefreshRules,
    signed_at: datetime,
    active: frozenset[str] | None,
) -> _Decisions:
    to_sign, refused, left, inactive = [], [], Counter[Leave](), 0
    credentials_expire_at = storage.signer().access.credentials_expire_at
    for message in page:
        if active is not None and message.conversation_id not in active:
            inactive += 1
            continue
        verdict = signed_url_verdict(
            message.url_expires_at,
            message.retention_expires_at,
            deletion_begun=message.deletion_begun,
            as_of=signed_at,
            credentials_expire_at=credentials_expire_at,
            policy=rules.policy,
        )
        if not isinstance(verdict, Sign):
            left[verdict] += 1
        elif why := rules.policy.key_refusal(message.storage_key):
            refused.append((message.message_id, why))
        else:
            to_sign.append((message, verdict.expires_in_seconds))
    return _Decisions(to_sign, refused, left, inactive)


def _carry_out(
    decisions: _Decisions, rules: RefreshRules, signer: DatedSigner, limit: int | None
) -> UrlReport:
    """Carry out the decisions, at most `limit` URLs, each page in its own transaction."""
    wanted = decisions.to_sign[:limit]
    written = len(wanted)
    if not rules.dry_run:
        cases = [
            BrokenRule(message_id, REFUSED_KEY.name, why) for message_id, why in decisions.refused
        ]
        in_transaction(quarantine.set_aside, cases)
        pages = -(-len(wanted) // rules.page_size)
        written = sum(_sign_page(wanted[start::pages], signer) for start in range(pages))
    return UrlReport(
        signed=written,
        fresh=decisions.left[Leave.FRESH],
        inactive=decisions.inactive,
        due=decisions.left[Leave.AUDIO_DUE],
        refused=len(decisions.refused),
        changed=len(wanted) - written,
    )


def _sign_page(page: Sequence[tuple[SignableMessage, int]], signer: DatedSigner) -> int:
    """Sign and write a page; return how many messages had not changed since they were read."""
    signed = [
        (message, signer.sign(message.storage_key, seconds), seconds) for message, seconds in page
    ]
    return in_transaction(signed_urls.write, signer.signed_at, signed)


@task(cache_policy=NO_CACHE)
def sign_one(message_id: str, rules: RefreshRules) -> None:
    """Sign a new URL for one message; the URL is a secret, so it is not returned.

    Raises:
        UrlRefused: If there is no such recording, or it must not be played any more.
    """
    refresh_url(message_id, as_of=rules.as_of, policy=rules.policy, dry_run=rules.dry_run)


@task(cache_policy=NO_CACHE)
def publish_summary(
    report: UrlReport,
    *,
    broken_spans: int,
    dry_run: bool,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Publish the run's summary as the artifact `refresh-signed-urls`."""
    create_markdown_artifact(
        summary(report, broken_spans=broken_spans, dry_run=dry_run, took=ended_at - started_at),
        key="refresh-signed-urls",
        description=f"{counted(report.signed, 'URL')} signed" + (" (dry run)" if dry_run else ""),
    )

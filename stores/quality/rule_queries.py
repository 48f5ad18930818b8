"""Queries of rules across columns and tables, with one text column per rule."""

import json
from collections.abc import Collection, Sequence

from schema.facts.quality import RuleFacts
from stores.quality.rules.analysis_rows import DOCUMENT_SHAPES, LATEST_MS
from stores.quality.rules.kinds import InvariantRule, SqlRule, WordRule
from stores.tiers import CURRENT_TIERS

# The newest subscriptions are computed once for all learners. If no rule uses them, the planner
# omits this join, as it does for leases. No LATERAL: even a parallel plan would compute it in one
# process.
_MESSAGES = f"""
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation_id
LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
LEFT JOIN audio_ops.lease AS l ON l.message_id = m.id
LEFT JOIN (
    SELECT user_id, CAST(
        CAST(:subscription_days AS jsonb) ->> COALESCE(current_tier, '') AS integer
    ) AS days
    FROM ({CURRENT_TIERS}
    ) AS newest
) AS subscribed ON subscribed.user_id = c.user_id"""  # noqa: S608 - ours

_ANALYSES = "FROM message_audio_analysis AS a JOIN messages AS m ON m.id = a.message_id"
# JavaScript, and so the app, counts UTF-16 units: characters beyond U+FFFF count twice.
_TEXT_UNITS = r"""CASE WHEN octet_length(m.content) = char_length(m.content)
        THEN char_length(m.content)
        ELSE char_length(m.content)
            + char_length(regexp_replace(m.content, '[\u0001-\uFFFF]+', '', 'g')) END"""
# What words are compared with, computed once per analysis: documents and texts may be long, so they
# must not be scanned again for each word. OFFSET 0 keeps Postgres from moving the computation to
# the words.
_SPOKEN = f"""
    SELECT a.message_id, m.audio_duration_ms, to_jsonb({LATEST_MS}) AS latest_ms,
        to_jsonb({_TEXT_UNITS}) AS text_units,
        CASE WHEN jsonb_typeof(a.speech_timings) = 'array' AND NOT jsonb_path_exists(
            a.speech_timings, 'strict $[*] ? (@.type() != "object")'
        ) THEN a.speech_timings END AS words
    {_ANALYSES}"""
# Each word beside the next one: the list, zipped with itself without its first element. LATERAL in
# ROWS FROM, unlike in a subquery, does not prevent a parallel plan.
_BESIDE_NEXT = """ROWS FROM (
    jsonb_to_recordset(spoken.words) AS ("startMs" jsonb, "endMs" jsonb, "charStart" jsonb,
        "charEnd" jsonb, confidence jsonb),
    jsonb_to_recordset(spoken.words - 0) AS ("startMs" jsonb, "endMs" jsonb)
) WITH ORDINALITY AS word (
    start_ms, end_ms, char_start, char_end, confidence, next_start_ms, next_end_ms, number
)"""


def arguments(facts: RuleFacts) -> dict[str, object]:
    """Return the parameters of the queries below."""
    return {
        "as_of": facts.as_of,
        "url_prefixes": list(facts.url_prefixes),
        "url_tolerance": facts.url_expiry_tolerance,
        "system_days": facts.system_days,
        "guest_days": facts.guest_days,
        "unsubscribed_days": facts.subscription_days[""],
        "subscription_days": json.dumps(dict(facts.subscription_days)),
        "retention_tolerance": facts.retention_tolerance,
        "stale_lease": facts.stale_lease,
        "unleased_age": facts.unleased_age,
        "document_tolerance_ms": facts.document_tolerance_ms,
        "pcm_tolerance_ms": facts.pcm_tolerance_ms,
    }


def select_messages(columns: Sequence[str], rules: Collection[InvariantRule], *, where: str) -> str:
    """Return a query of messages: `columns`, and a text column per rule.

    Args:
        columns: SQL on the aliases m (messages), a (message_audio_analysis), c (conversations) and
            l (lease).
        rules: Rules of messages.
        where: Condition on the same aliases.
    """
    return f"SELECT {', '.join([*columns, *_observed(rules)])} {_MESSAGES} WHERE {where}"


def select_analyses(columns: Sequence[str], rules: Collection[InvariantRule], *, where: str) -> str:
    """Return a query of analyses: `columns`, and a text column per rule.

    If there are rules about words, `document_shapes` is added: it determines whether the words can
    be read.

    Args:
        columns: SQL on the aliases a (message_audio_analysis) and m (messages); must include
            `message_id`.
        rules: Rules of analyses.
        where: Condition on the same aliases.
    """
    # Each half is planned separately, so that both can use parallel workers: what is LATERAL to a
    # row, or above a join with grouped rows, would run in a single process.
    words = [rule for rule in rules if isinstance(rule, WordRule)]
    if words and DOCUMENT_SHAPES not in rules:
        rules = [DOCUMENT_SHAPES, *rules]
    rows = f"SELECT {', '.join([*columns, *_observed(rules)])} {_ANALYSES} WHERE {where}"
    if not words:
        return rows
    observed = ", ".join(
        f"(array_agg({_word(rule)} ORDER BY number) FILTER (WHERE {rule.broken}))[1] AS {rule.name}"
        for rule in words
    )
    broken = " OR ".join(rule.broken for rule in words)
    # `document_shapes` reports the list of words first.
    readable = ", ".join(
        f"CASE WHEN plain.document_shapes ^@ 'speech_timings' IS NOT TRUE THEN words.{rule.name}"
        f" END AS {rule.name}"
        for rule in words
    )
    return f"""
SELECT plain.*, {readable}
FROM ({rows} OFFSET 0) AS plain
LEFT JOIN (
    SELECT spoken.message_id, {observed}
    FROM ({_SPOKEN} WHERE {where} OFFSET 0) AS spoken CROSS JOIN LATERAL {_BESIDE_NEXT}
    WHERE {broken}
    GROUP BY spoken.message_id
) AS words ON words.message_id = plain.message_id"""  # noqa: S608 - ours


def _observed(rules: Collection[InvariantRule]) -> list[str]:
    return [f"{rule.observed} AS {rule.name}" for rule in rules if isinstance(rule, SqlRule)]


def _word(rule: WordRule) -> str:
    """Return SQL for a word's number, from 1, and the rule's figures."""
    figures = ", ".join(
        f"'{figure} ' || left(CAST({figure} AS text), 20)" for figure in rule.figures
    )
    return f"concat_ws(', ', 'word ' || number, {figures})"

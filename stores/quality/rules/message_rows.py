"""Rules across a message, its analysis, its conversation and its lease."""

from schema.states import CheckedTable, Severity
from stores.quality.rules.analysis_columns import LANGUAGE_CODE
from stores.quality.rules.kinds import SqlRule
from stores.quality.rules.urls import ENDS_AT, leads_to_key
from stores.readable import is_readable

MESSAGES, WARN, FAIL = CheckedTable.MESSAGES, Severity.WARN, Severity.FAIL

_HAS_URL = "m.audio_url IS NOT NULL AND m.audio_deleted_at IS NULL"
_ERROR_FREE = "a.message_id IS NOT NULL AND a.analysis_error IS NULL"


def _shown(instant: str) -> str:
    """Return SQL that formats an instant, which may be infinite or NULL."""
    return f"""COALESCE(to_char({instant}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'none')"""


_QUICK_SCORES = {
    "pronunciation_score": "overall_accuracy_score",
    "fluency_score": "overall_fluency_score",
    "speech_rate_wpm": "speech_rate_wpm",
}
_DIFFERING_SCORES = ", ".join(
    f"""CASE WHEN m.{quick} IS DISTINCT FROM a.{full} THEN
            '{quick} ' || COALESCE(CAST(m.{quick} AS text), 'empty')
            || ', analysis ' || COALESCE(CAST(a.{full} AS text), 'empty') END"""
    for quick, full in _QUICK_SCORES.items()
)

# When the app saves a message again, it clears only this score, which the next run of
# `analyze-messages` restores: this breaks no rule (docs/adr/0091).
PRONUNCIATION_SCORE = """CASE WHEN m.fluency_score IS NULL THEN m.pronunciation_score
            ELSE COALESCE(m.pronunciation_score, a.overall_accuracy_score) END"""

# Retention days by kind of owner, as decided by policy; NULL if unknown.
_KEPT_DAYS = """CASE
            WHEN m.role = 'system' THEN CAST(:system_days AS integer)
            WHEN c.user_id IS NULL THEN CAST(:guest_days AS integer)
            WHEN subscribed.user_id IS NULL THEN CAST(:unsubscribed_days AS integer)
            ELSE subscribed.days
        END"""
_PROMISED = f"(m.timestamp + {_KEPT_DAYS} * interval '1 day')"

# Floats do not overflow for any three integers.
_PCM_MS = (
    "CAST(m.audio_size_bytes AS float8) * 500"
    " / (CAST(m.audio_sample_rate AS float8) * m.audio_channels)"
)

_TIMES = ("timestamp", "audio_url_expires_at", "audio_retention_expires_at", "audio_deleted_at")
_UNREADABLE_TIMES = ", ".join(
    f"CASE WHEN NOT {is_readable(f'm.{column}')} THEN '{column} ' || CAST(m.{column} AS text) END"
    for column in _TIMES
)

READABLE_TIMES = SqlRule(  # also used for quarantine by signing and sweeping
    "readable_times",
    MESSAGES,
    FAIL,
    "times lie between the years 1 and 9999",
    observed=f"NULLIF(concat_ws('; ', {_UNREADABLE_TIMES}), '')",
)
RULES = (
    READABLE_TIMES,
    SqlRule(
        "analyzed_has_analysis",
        MESSAGES,
        FAIL,
        "analysed messages have an analysis without error",
        reanalyze=True,
        observed="""CASE WHEN m.audio_processing_state = 'analyzed' THEN
        CASE WHEN a.message_id IS NULL THEN 'no analysis'
            WHEN a.analysis_error IS NOT NULL THEN 'its analysis has an error' END END""",
    ),
    SqlRule(
        "analysis_means_analyzed",
        MESSAGES,
        WARN,
        "messages with an analysis without error are analysed or queued",
        observed=f"""CASE WHEN {_ERROR_FREE}
        AND COALESCE(m.audio_processing_state, 'pending') IN ('pending', 'uploading', 'failed')
        THEN 'analysis without error, state ' || COALESCE(m.audio_processing_state, 'empty') END""",
    ),
    SqlRule(
        "quick_scores",
        MESSAGES,
        FAIL,
        "a message's three scores equal its analysis'",
        reanalyze=True,
        observed=f"""CASE WHEN m.audio_processing_state = 'analyzed' AND {_ERROR_FREE}
        AND ({PRONUNCIATION_SCORE}, m.fluency_score, m.speech_rate_wpm) IS DISTINCT FROM
            (a.overall_accuracy_score, a.overall_fluency_score, a.speech_rate_wpm)
        THEN concat_ws('; ', {_DIFFERING_SCORES}) END""",
    ),
    SqlRule(
        "failed_has_error",
        MESSAGES,
        FAIL,
        "failed messages have an error text",
        observed="""CASE WHEN m.audio_processing_state = 'failed'
        AND COALESCE(m.audio_processing_error, '') !~ '\\S'
        THEN 'audio_processing_error is empty' END""",
    ),
    SqlRule(
        "deleted_has_no_url",
        MESSAGES,
        FAIL,
        "deleted recordings have no URL",
        observed=f"""CASE WHEN m.audio_deleted_at IS NOT NULL AND m.audio_url IS NOT NULL
        THEN 'deleted at ' || {_shown("m.audio_deleted_at")} || ', and has a URL' END""",
    ),
    SqlRule(
        "url_expiry",
        MESSAGES,
        WARN,
        "a URL expires at the time stated in its row, within 60 s",
        observed=f"""CASE WHEN {_HAS_URL} AND (abs(
            extract(epoch FROM {ENDS_AT}) - extract(epoch FROM m.audio_url_expires_at)
        ) <= extract(epoch FROM CAST(:url_tolerance AS interval))) IS NOT TRUE
        THEN 'URL until ' || {_shown(ENDS_AT)}
            || ', row until ' || {_shown("m.audio_url_expires_at")}
        END""",
    ),
    SqlRule(
        "url_is_ours",
        MESSAGES,
        FAIL,
        "a URL leads to the row's own object in our bucket",
        observed=f"""CASE WHEN {_HAS_URL} THEN CASE
        WHEN m.audio_storage_key IS NULL THEN 'a URL, but no key'
        WHEN NOT m.audio_url ^@ ANY (CAST(:url_prefixes AS text[]))
            THEN 'the URL leads outside our bucket'
        WHEN ({leads_to_key(1)} OR {leads_to_key(2)}) IS NOT TRUE
            THEN 'the URL leads to another object' END END""",
    ),
    SqlRule(
        "retention_period",
        MESSAGES,
        WARN,
        "the expiry is at least the tier's period after creation",
        # Skips timestamps so late that adding the period could overflow.
        observed=f"""CASE WHEN m.audio_storage_key IS NOT NULL
        AND m.audio_deleted_at IS NULL AND m.timestamp < timestamp '9999-01-01'
        AND m.audio_retention_expires_at
            < {_PROMISED} - CAST(:retention_tolerance AS interval)
        THEN 'expiry ' || {_shown("m.audio_retention_expires_at")}
            || ', by tier ' || {_shown(_PROMISED)} END""",
    ),
    SqlRule(
        "analyzing_beyond_lease",
        MESSAGES,
        WARN,
        "no message stays in `analyzing` after its lease",
        observed=f"""CASE WHEN m.audio_processing_state = 'analyzing' THEN CASE
        WHEN l.leased_until < CAST(:as_of AS timestamptz) - CAST(:stale_lease AS interval)
            THEN 'leased until ' || {_shown("l.leased_until AT TIME ZONE 'UTC'")}
        WHEN l.leased_until IS NULL AND m.timestamp <
            (CAST(:as_of AS timestamptz) - CAST(:unleased_age AS interval)) AT TIME ZONE 'UTC'
            THEN 'no lease, sent at ' || {_shown("m.timestamp")} END END""",
    ),
    SqlRule(
        "pcm_size",
        MESSAGES,
        WARN,
        "bytes of raw PCM fit its duration, rate and channels",
        observed=f"""CASE WHEN m.audio_format = 'pcm16' AND m.audio_deleted_at IS NULL
        AND m.audio_size_bytes > 0 AND m.audio_duration_ms > 0
        AND m.audio_sample_rate > 0 AND m.audio_channels > 0
        AND abs({_PCM_MS} - m.audio_duration_ms)
            > greatest(CAST(:pcm_tolerance_ms AS float8), m.audio_duration_ms / 100.0)
        THEN 'duration ' || m.audio_duration_ms || ' ms, by its bytes '
            || round(CAST({_PCM_MS} AS numeric)) || ' ms' END""",
    ),
    SqlRule(
        "language_code",
        MESSAGES,
        WARN,
        "conversations name their language by a language code",
        observed=f"""CASE WHEN c.target_language_id !~ '{LANGUAGE_CODE}'
        THEN 'language ' || left(c.target_language_id, 40) END""",
    ),
)

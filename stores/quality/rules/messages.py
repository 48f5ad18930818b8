r"""Rules across a message, its analysis, its conversation and its lease.

They are those of `policy.quality.MESSAGE_INVARIANTS`. Each expression is NULL where the rule holds
or does not apply, else what was observed: never what a learner said, a URL or a part of one.
"""

import string
from collections.abc import Collection, Sequence
from functools import reduce

from stores.tiers import CURRENT_TIERS

# The newest subscription is looked for once for all learners. Where no rule asks for it the planner
# leaves it out, as it does with leases.
_TIER_DAYS = """CASE COALESCE(NULLIF(current_tier, ''), 'free')
        WHEN 'free' THEN CAST(:days_free AS integer)
        WHEN 'plus' THEN CAST(:days_plus AS integer)
        WHEN 'premium' THEN CAST(:days_premium AS integer)
    END"""
# No LATERAL: in a plan for several processes the first would do all that is computed in one.
_FROM = f"""
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation_id
LEFT JOIN message_audio_analysis AS a ON a.message_id = m.id
LEFT JOIN audio_ops.lease AS l ON l.message_id = m.id
LEFT JOIN (
    SELECT user_id, {_TIER_DAYS} AS days, {_TIER_DAYS} IS NULL AS is_unknown
    FROM ({CURRENT_TIERS}
    ) AS newest
) AS subscribed ON subscribed.user_id = c.user_id"""  # noqa: S608 - ours

_HAS_URL = "m.audio_url IS NOT NULL AND m.audio_deleted_at IS NULL"
# Parts are cut out of the URL: a regular expression over all of it takes longer than all else. The
# digits of a day that is none (30 February) would be an error, so the calendar is in the pattern.
_SIGNED_AT = "split_part(split_part(m.audio_url, 'X-Amz-Date=', 2), '&', 1)"
_SIGNED_FOR = "split_part(split_part(m.audio_url, 'X-Amz-Expires=', 2), '&', 1)"
_DAY = (
    r"[12]\d{3}((0[13578]|1[02])(0[1-9]|[12]\d|3[01])|(0[469]|11)(0[1-9]|[12]\d|30)"
    r"|02(0[1-9]|1\d|2[0-8]))"
    r"|([12]\d(0[48]|[2468][048]|[13579][26])|(1[26]|2[048])00)0229"
)
_DATE = rf"^({_DAY})T([01]\d|2[0-3])([0-5]\d){{2}}Z$"
_URL_ENDS_AT = rf"""CASE WHEN {_SIGNED_AT} ~ '{_DATE}' AND {_SIGNED_FOR} ~ '^\d{{1,9}}$'
            THEN CAST({_SIGNED_AT} AS timestamp)
                + CAST({_SIGNED_FOR} AS integer) * interval '1 second' END"""

# As the signer encodes it; only few keys need that. All bytes are encoded, and then those that
# need not be are taken back.
_ENCODED_BYTES = (
    "regexp_replace(upper(encode(convert_to(m.audio_storage_key, 'UTF8'), 'hex')),"
    r" '(..)', '%\1', 'g')"
)
_ENCODED_KEY = f"""CASE WHEN m.audio_storage_key ~ '[^A-Za-z0-9/._~-]' THEN {
    reduce(
        lambda encoded, letter: f"replace({encoded}, '%{ord(letter):02X}', '{letter}')",
        string.ascii_letters + string.digits + "/._~-",
        _ENCODED_BYTES,
    )
} ELSE m.audio_storage_key END"""

_ERROR_FREE = "a.message_id IS NOT NULL AND a.analysis_error IS NULL"


def _told(instant: str) -> str:
    """Tell an instant, which may be infinite or missing."""
    return f"""COALESCE(to_char({instant}, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'no instant')"""


def _leads_to_key(prefix: int) -> str:
    return f"""starts_with(
            m.audio_url, (CAST(:url_prefixes AS text[]))[{prefix}] || {_ENCODED_KEY} || '?'
        )"""


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

# The app's saving again empties this score alone: no rule is broken by what the next run of
# `analyze-messages` puts back (docs/adr/0091).
PRONUNCIATION_SCORE = """CASE WHEN m.fluency_score IS NULL THEN m.pronunciation_score
            ELSE COALESCE(m.pronunciation_score, a.overall_accuracy_score) END"""

_KEPT_DAYS = """CASE
            WHEN m.role = 'system' THEN CAST(:days_system AS integer)
            WHEN c.user_id IS NULL THEN CAST(:days_guest AS integer)
            WHEN subscribed.user_id IS NULL THEN CAST(:days_free AS integer)
            WHEN NOT subscribed.is_unknown THEN subscribed.days
        END"""
_PROMISED = f"(m.timestamp + {_KEPT_DAYS} * interval '1 day')"

# Wide enough for any three integers.
_PCM_MS = (
    "CAST(m.audio_size_bytes AS float8) * 500"
    " / (CAST(m.audio_sample_rate AS float8) * m.audio_channels)"
)

_RULES = {
    "analyzed_has_analysis": """CASE WHEN m.audio_processing_state = 'analyzed' THEN
        CASE WHEN a.message_id IS NULL THEN 'no analysis'
            WHEN a.analysis_error IS NOT NULL THEN 'its analysis has an error' END END""",
    "analysis_means_analyzed": f"""CASE WHEN {_ERROR_FREE}
        AND COALESCE(m.audio_processing_state, 'pending') IN ('pending', 'uploading', 'failed')
        THEN 'analysis without error, state ' || COALESCE(m.audio_processing_state, 'empty') END""",
    "quick_scores": f"""CASE WHEN m.audio_processing_state = 'analyzed' AND {_ERROR_FREE}
        AND ({PRONUNCIATION_SCORE}, m.fluency_score, m.speech_rate_wpm) IS DISTINCT FROM
            (a.overall_accuracy_score, a.overall_fluency_score, a.speech_rate_wpm)
        THEN concat_ws('; ', {_DIFFERING_SCORES}) END""",
    "failed_has_error": """CASE WHEN m.audio_processing_state = 'failed'
        AND COALESCE(m.audio_processing_error, '') !~ '\\S'
        THEN 'audio_processing_error is empty' END""",
    "deleted_has_no_url": f"""CASE WHEN m.audio_deleted_at IS NOT NULL AND m.audio_url IS NOT NULL
        THEN 'deleted at ' || {_told("m.audio_deleted_at")} || ', and has a URL' END""",
    "url_expiry": f"""CASE WHEN {_HAS_URL} AND (abs(
            extract(epoch FROM {_URL_ENDS_AT}) - extract(epoch FROM m.audio_url_expires_at)
        ) <= extract(epoch FROM CAST(:url_tolerance AS interval))) IS NOT TRUE
        THEN 'URL until ' || {_told(_URL_ENDS_AT)}
            || ', row until ' || {_told("m.audio_url_expires_at")}
        END""",
    "url_is_ours": f"""CASE WHEN {_HAS_URL} THEN CASE
        WHEN m.audio_storage_key IS NULL THEN 'a URL, but no key'
        WHEN NOT m.audio_url ^@ ANY (CAST(:url_prefixes AS text[]))
            THEN 'the URL leads outside of our bucket'
        WHEN ({_leads_to_key(1)} OR {_leads_to_key(2)}) IS NOT TRUE
            THEN 'the URL leads to another object' END END""",
    # An instant beyond the calendar of other programs would be beyond the database's, too, soon.
    "retention_period": f"""CASE WHEN m.audio_storage_key IS NOT NULL
        AND m.audio_deleted_at IS NULL AND m.timestamp < timestamp '9999-01-01'
        AND m.audio_retention_expires_at < {_PROMISED} - interval '1 second'
        THEN 'expiry ' || {_told("m.audio_retention_expires_at")}
            || ', by tier ' || {_told(_PROMISED)} END""",
    "analyzing_beyond_lease": f"""CASE WHEN m.audio_processing_state = 'analyzing' THEN CASE
        WHEN l.leased_until < CAST(:as_of AS timestamptz) - CAST(:stale_lease AS interval)
            THEN 'leased until ' || {_told("l.leased_until AT TIME ZONE 'UTC'")}
        WHEN l.leased_until IS NULL AND m.timestamp <
            (CAST(:as_of AS timestamptz) - CAST(:unleased_age AS interval)) AT TIME ZONE 'UTC'
            THEN 'no lease, said at ' || {_told("m.timestamp")} END END""",
    "pcm_size": f"""CASE WHEN m.audio_format = 'pcm16' AND m.audio_deleted_at IS NULL
        AND m.audio_size_bytes > 0 AND m.audio_duration_ms > 0
        AND m.audio_sample_rate > 0 AND m.audio_channels > 0
        AND abs({_PCM_MS} - m.audio_duration_ms)
            > greatest(CAST(:pcm_tolerance_ms AS float8), m.audio_duration_ms / 100.0)
        THEN 'duration ' || m.audio_duration_ms || ' ms, by its bytes '
            || round(CAST({_PCM_MS} AS numeric)) || ' ms' END""",
    "language_code": r"""CASE WHEN c.target_language_id !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'
        THEN 'language ' || left(c.target_language_id, 40) END""",
}
NAMES = tuple(_RULES)


def select(columns: Sequence[str], rules: Collection[str], *, where: str) -> str:
    """Return a query of messages: `columns`, and a column of text for each rule.

    Args:
        columns: Of m, messages, a, message_audio_analysis, c, conversations, or l, lease.
        rules: Their names.
        where: Condition on the same.
    """
    asked = [f"{rule} AS {name}" for name, rule in _RULES.items() if name in rules]
    return f"SELECT {', '.join([*columns, *asked])} {_FROM} WHERE {where}"

"""Rules across the columns of an analysis, within its documents, and against its message.

Words are checked only if all of them have the documented shape.
"""

from schema.states import CheckedTable, Severity
from stores.quality.rules.document_shapes import WRONG_DOCUMENTS
from stores.quality.rules.kinds import InvariantRule, SqlRule, WordRule
from stores.readable import duration_ms

ANALYSES, WARN, FAIL = CheckedTable.ANALYSES, Severity.WARN, Severity.FAIL

# An unknown duration may be stored as 0.
LATEST_MS = f"""CASE WHEN m.audio_duration_ms > 0
        THEN {duration_ms("m.audio_duration_ms")} + CAST(:document_tolerance_ms AS integer) END"""

DOCUMENT_SHAPES = SqlRule(
    "document_shapes",
    ANALYSES,
    FAIL,
    "the JSON documents have the documented shapes",
    reanalyze=True,
    observed=WRONG_DOCUMENTS,
)
RULES: tuple[InvariantRule, ...] = (
    DOCUMENT_SHAPES,
    WordRule(
        "timings_in_order",
        ANALYSES,
        FAIL,
        "words start before they end, and in order",
        reanalyze=True,
        broken="start_ms >= end_ms OR next_start_ms < start_ms OR next_end_ms < end_ms",
        figures=("start_ms", "end_ms", "next_start_ms", "next_end_ms"),
    ),
    WordRule(
        "timings_in_audio",
        ANALYSES,
        FAIL,
        "words lie inside the recording (as its row states it)",
        broken="start_ms < '0' OR end_ms > latest_ms",
        figures=("start_ms", "end_ms", "audio_duration_ms"),
    ),
    WordRule(
        "timings_in_text",
        ANALYSES,
        FAIL,
        "words lie inside the message's text",
        reanalyze=True,
        broken="char_start < '0' OR char_start > char_end OR char_end > text_units",
        figures=("char_start", "char_end"),
    ),
    WordRule(
        "confidence_range",
        ANALYSES,
        FAIL,
        "confidences lie in 0-1",
        reanalyze=True,
        broken="confidence < '0' OR confidence > '1'",
        figures=("confidence",),
    ),
    SqlRule(
        "phoneme_score_range",
        ANALYSES,
        FAIL,
        "scores of phonemes lie in 0-100",
        reanalyze=True,
        observed="""'accuracyScore ' || left(jsonb_path_query_first(
            a.phoneme_analysis, '$[*].accuracyScore ? (@ < 0 || @ > 100)'
        ) #>> '{}', 20)""",
    ),
    SqlRule(
        "pauses_in_audio",
        ANALYSES,
        FAIL,
        "pauses fit into the recording (as its row states it)",
        observed=f"""CASE WHEN a.total_pause_duration_ms > {LATEST_MS}
        THEN 'pauses ' || a.total_pause_duration_ms || ' ms, recording '
            || m.audio_duration_ms || ' ms' END""",
    ),
    SqlRule(
        "longest_pause",
        ANALYSES,
        FAIL,
        "the longest pause is not longer than all of them",
        reanalyze=True,
        observed="""CASE WHEN a.longest_pause_duration_ms > a.total_pause_duration_ms
        THEN 'longest ' || a.longest_pause_duration_ms || ' ms, all '
            || a.total_pause_duration_ms || ' ms' END""",
    ),
    SqlRule(
        "average_pause",
        ANALYSES,
        WARN,
        "mean pause times count makes all pauses",
        reanalyze=True,
        # Rounding or truncating the mean to whole milliseconds adds an error below 1 ms per pause.
        observed="""CASE WHEN abs(
            CAST(a.average_pause_duration_ms AS bigint) * a.pause_count - a.total_pause_duration_ms
        ) > greatest(a.pause_count, 1)
        THEN a.pause_count || ' pauses of ' || a.average_pause_duration_ms || ' ms, all '
            || a.total_pause_duration_ms || ' ms' END""",
    ),
    SqlRule(
        "articulation_rate",
        ANALYSES,
        FAIL,
        "the articulation rate is not below the speech rate",
        reanalyze=True,
        observed="""CASE WHEN a.articulation_rate_wpm < a.speech_rate_wpm
        THEN 'articulation ' || a.articulation_rate_wpm || ' wpm, speech '
            || a.speech_rate_wpm || ' wpm' END""",
    ),
)

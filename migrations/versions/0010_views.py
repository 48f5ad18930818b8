# ruff: noqa: S608 - the statements are composed of fragments in this file
"""Create the views that the app may read: feedback by message, progress by learner and week.

Locks: nothing for longer than a moment. Of the app's own tables, the views use only keys, language,
role and time, because Postgres refuses to change the type of a column that a view uses.

Analyses may come from other writers: malformed elements of a document are skipped and do not break
the query.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

# `stores.quality.rules.catalogue.DISTRUSTED` at the time of this migration.
DISTRUSTED = (
    "accuracy_range",
    "analysis_rates_range",
    "analyzed_has_analysis",
    "articulation_rate",
    "articulation_rate_range",
    "average_pause",
    "average_pause_range",
    "confidence_range",
    "document_shapes",
    "fluency_range",
    "fluency_score_range",
    "hesitation_count_range",
    "longest_pause",
    "longest_pause_range",
    "message_id_unique",
    "pause_count_range",
    "pause_duration_range",
    "phoneme_score_range",
    "pronunciation_score_range",
    "quick_scores",
    "scores_when_analyzed",
    "scores_when_error_free",
    "speech_duration_range",
    "speech_rate_range",
    "timings_in_order",
    "timings_in_text",
)
MIN_PHONEMES = 3
MAX_PHONEMES = 5
MIN_RECORDINGS = 2
MAX_WORDS = 10


def _list(document: str) -> str:
    """Return SQL for a document, or an empty list if it is not a list."""
    return f"CASE WHEN jsonb_typeof({document}) = 'array' THEN {document} ELSE '[]' END"


def _elements(document: str, name: str) -> str:
    """Return SQL for the objects in a document in order, as `name (value, place)`."""
    return f"""(
        SELECT listed.value, listed.place
        FROM jsonb_array_elements(
            {_list(document)}
        ) WITH ORDINALITY AS listed (value, place)
        WHERE jsonb_typeof(listed.value) = 'object'
    ) AS {name}"""


_PHONEME = "COALESCE(said.value ->> 'expectedPhoneme', said.value ->> 'phoneme')"
_IS_SCORED = f"jsonb_typeof(said.value -> 'accuracyScore') = 'number' AND {_PHONEME} IS NOT NULL"
_ACCURACY = "round(avg(CAST(said.value -> 'accuracyScore' AS numeric)), 1)"
_NOT_ERASED = "NOT EXISTS (SELECT FROM audio_ops.erased_learner AS e WHERE e.user_id = c.user_id)"

_IS_TIMED = (
    "jsonb_typeof({of}.value -> 'startMs') = 'number'"
    " AND jsonb_typeof({of}.value -> 'endMs') = 'number'"
)

_TIMELINE = f"""
SELECT COALESCE(jsonb_agg(entry ORDER BY start_ms, kind, place), '[]')
FROM (
    SELECT said.value -> 'startMs' AS start_ms, 1 AS kind, said.place,
        jsonb_build_object(
            'type', CASE WHEN said.value ->> 'isPause' = 'true'
                OR COALESCE(said.value ->> 'word', '') = '' THEN 'pause' ELSE 'word' END,
            'startMs', said.value -> 'startMs',
            'endMs', said.value -> 'endMs',
            'content', COALESCE(said.value ->> 'word', ''),
            'metadata', said.value - CAST('{{word,startMs,endMs}}' AS text[])
        ) AS entry
    FROM {_elements("a.speech_timings", "said")}
    WHERE {_IS_TIMED.format(of="said")}
    UNION ALL
    SELECT weak.value -> 'startMs', 2, weak.place,
        jsonb_build_object(
            'type', 'issue',
            'startMs', weak.value -> 'startMs',
            'endMs', weak.value -> 'endMs',
            'content', COALESCE(weak.value ->> 'issue', ''),
            'metadata', weak.value - CAST('{{issue,startMs,endMs}}' AS text[])
        )
    FROM {_elements("a.problematic_words", "weak")}
    WHERE {_IS_TIMED.format(of="weak")}
) AS timeline
"""

_RECOMMENDATIONS = f"""
SELECT COALESCE(
    jsonb_agg(jsonb_build_object('message', advice.value, 'actionable', true) ORDER BY place),
    '[]'
)
FROM jsonb_array_elements({_list("a.recommendations")}) WITH ORDINALITY AS advice (value, place)
WHERE jsonb_typeof(advice.value) = 'string'
"""

_PRACTICE_WORDS = f"""
SELECT COALESCE(
    jsonb_agg(
        jsonb_build_object(
            'word', practice.word,
            'issueCount', cardinality(issues.of_word),
            'primaryIssue', COALESCE(issues.of_word[1], '')
        )
        ORDER BY practice.place
    ),
    '[]'
)
FROM jsonb_array_elements_text({_list("a.practice_words")})
    WITH ORDINALITY AS practice (word, place)
CROSS JOIN LATERAL (
    SELECT ARRAY(
        SELECT weak.value ->> 'issue'
        FROM {_elements("a.problematic_words", "weak")}
        WHERE lower(weak.value ->> 'word') = lower(practice.word)
        ORDER BY weak.place
    ) AS of_word
) AS issues
"""

_PHONEME_DETAILS = f"""
SELECT COALESCE(
    jsonb_agg(
        jsonb_build_object(
            'phoneme', phoneme,
            'occurrences', occurrences,
            'averageAccuracy', accuracy,
            'commonErrors', (
                SELECT COALESCE(jsonb_agg(error ORDER BY times DESC, error), '[]')
                FROM (
                    SELECT errors.error, count(*) AS times
                    FROM {_elements("a.phoneme_analysis", "said")}
                    CROSS JOIN LATERAL jsonb_array_elements_text(
                        {_list("said.value -> 'issues'")}
                    ) AS errors (error)
                    WHERE {_PHONEME} = phoneme
                    GROUP BY errors.error
                ) AS counted
            )
        )
        ORDER BY accuracy, phoneme
    ),
    '[]'
)
FROM (
    SELECT {_PHONEME} AS phoneme, count(*) AS occurrences, {_ACCURACY} AS accuracy
    FROM {_elements("a.phoneme_analysis", "said")}
    WHERE {_IS_SCORED}
    GROUP BY 1
) AS phonemes
"""

LEARNER_FEEDBACK = f"""
CREATE OR REPLACE VIEW audio_ops.learner_feedback AS
SELECT m.id AS message_id, m.conversation_id, c.user_id, c.target_language_id AS language,
    m.timestamp AS said_at, a.analyzed_at,
    jsonb_build_object(
        'summary', jsonb_build_object(
            'overallScore', a.overall_accuracy_score,
            'fluencyScore', a.overall_fluency_score,
            'speechRate', a.speech_rate_wpm,
            'issueCount', (SELECT count(*) FROM {_elements("a.problematic_words", "weak")})
        ),
        'timeline', ({_TIMELINE}),
        'recommendations', ({_RECOMMENDATIONS}),
        'practiceWords', ({_PRACTICE_WORDS}),
        'phonemeDetails', ({_PHONEME_DETAILS})
    ) AS feedback,
    jsonb_build_object(
        'overallAccuracyScore', a.overall_accuracy_score,
        'overallFluencyScore', a.overall_fluency_score,
        'pauseCount', a.pause_count,
        'hesitationCount', a.hesitation_count,
        'speechRateWpm', a.speech_rate_wpm,
        'problematicWords', {_list("a.problematic_words")},
        'recommendations', {_list("a.recommendations")}
    ) AS card
FROM message_audio_analysis AS a
JOIN messages AS m ON m.id = a.message_id
JOIN conversations AS c ON c.id = m.conversation_id
WHERE a.analysis_error IS NULL AND m.role = 'user'
    AND num_nulls(
        a.overall_accuracy_score, a.overall_fluency_score, a.speech_rate_wpm, a.pause_count,
        a.hesitation_count
    ) = 0
    AND {_NOT_ERASED}
"""

_PER_MINUTE = """round(
        60000.0 * sum(a.{count}) FILTER (WHERE spoken.ms > 0)
            / sum(spoken.ms) FILTER (WHERE a.{count} IS NOT NULL AND spoken.ms > 0),
        1
    )"""

# Grouped by the columns that readers filter by, so that Postgres reads only those rows. The
# documents of a week are read by key, and only if their column is selected.
LEARNER_PROGRESS = f"""
CREATE OR REPLACE VIEW audio_ops.learner_progress AS
SELECT week.user_id, week.language, week.week_start, week.recordings,
    week.accuracy_recordings, week.mean_accuracy,
    week.fluency_recordings, week.mean_fluency,
    week.mean_speech_rate_wpm, week.mean_articulation_rate_wpm,
    week.pauses_per_minute, week.hesitations_per_minute,
    (
        SELECT COALESCE(
            jsonb_agg(
                jsonb_build_object(
                    'phoneme', phoneme, 'occurrences', occurrences, 'averageAccuracy', accuracy
                )
                ORDER BY accuracy, phoneme
            ),
            '[]'
        )
        FROM (
            SELECT {_PHONEME} AS phoneme, count(*) AS occurrences, {_ACCURACY} AS accuracy
            FROM message_audio_analysis AS a
            CROSS JOIN LATERAL {_elements("a.phoneme_analysis", "said")}
            WHERE a.message_id = ANY (week.message_ids) AND {_IS_SCORED}
            GROUP BY 1
            HAVING count(*) >= {MIN_PHONEMES}
            ORDER BY accuracy, phoneme
            LIMIT {MAX_PHONEMES}
        ) AS worst
    ) AS worst_phonemes,
    (
        SELECT COALESCE(
            jsonb_agg(
                jsonb_build_object('word', word, 'recordings', recordings)
                ORDER BY recordings DESC, lower(word)
            ),
            '[]'
        )
        FROM (
            SELECT mode() WITHIN GROUP (ORDER BY weak.value ->> 'word') AS word,
                count(DISTINCT a.message_id) AS recordings
            FROM message_audio_analysis AS a
            CROSS JOIN LATERAL {_elements("a.problematic_words", "weak")}
            WHERE a.message_id = ANY (week.message_ids) AND weak.value ->> 'word' <> ''
            GROUP BY lower(weak.value ->> 'word')
            HAVING count(DISTINCT a.message_id) >= {MIN_RECORDINGS}
            ORDER BY recordings DESC, lower(weak.value ->> 'word')
            LIMIT {MAX_WORDS}
        ) AS recurring
    ) AS recurring_words,
    week.engine_versions
FROM (
    SELECT c.user_id, c.target_language_id AS language,
        CAST(date_trunc('week', m.timestamp) AS date) AS week_start,
        count(*) AS recordings,
        count(a.overall_accuracy_score) AS accuracy_recordings,
        round(avg(a.overall_accuracy_score), 1) AS mean_accuracy,
        count(a.overall_fluency_score) AS fluency_recordings,
        round(avg(a.overall_fluency_score), 1) AS mean_fluency,
        round(avg(a.speech_rate_wpm), 1) AS mean_speech_rate_wpm,
        round(avg(a.articulation_rate_wpm), 1) AS mean_articulation_rate_wpm,
        {_PER_MINUTE.format(count="pause_count")} AS pauses_per_minute,
        {_PER_MINUTE.format(count="hesitation_count")} AS hesitations_per_minute,
        array_agg(DISTINCT concat_ws(' ', a.analysis_engine, a.analysis_version))
            AS engine_versions,
        array_agg(a.message_id) AS message_ids
    FROM conversations AS c
    JOIN messages AS m ON m.conversation_id = c.id
    JOIN message_audio_analysis AS a ON a.message_id = m.id
    CROSS JOIN LATERAL (
        SELECT CAST(a.total_speech_duration_ms AS bigint) + a.total_pause_duration_ms AS ms
    ) AS spoken
    WHERE c.user_id IS NOT NULL AND m.role = 'user' AND a.analysis_error IS NULL
        AND {_NOT_ERASED}
        AND NOT EXISTS (
            SELECT FROM audio_ops.quarantine AS q
            WHERE q.message_id = m.id AND q.released_at IS NULL
                AND q.rule IN ({", ".join(f"'{rule}'" for rule in DISTRUSTED)})
        )
    GROUP BY 1, 2, 3
) AS week
"""

COMMENTS = {
    "learner_feedback": "Feedback on each message whose analysis worked; for the app",
    "learner_progress": "How each learner does, by language and week (Monday, UTC); for the app",
}


def upgrade() -> None:
    """Create or replace the views."""
    op.execute(LEARNER_FEEDBACK)
    op.execute(LEARNER_PROGRESS)
    for view, comment in COMMENTS.items():
        op.execute(f"COMMENT ON VIEW audio_ops.{view} IS '{comment}'")


def downgrade() -> None:
    """Drop the views, if they exist; they hold no data."""
    op.execute("DROP VIEW IF EXISTS audio_ops.learner_progress, audio_ops.learner_feedback")

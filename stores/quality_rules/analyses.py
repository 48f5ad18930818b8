r"""Rules across the columns of an analysis, inside its documents, and against its message.

`RULES` holds an expression over the rows of `SOURCE` for each rule of
`policy.quality.ANALYSIS_INVARIANTS`: NULL where the rule holds or does not apply, else what was
observed, and never a word of it. Documents may be any JSON: what is inside is asked for only where
the whole has its shape (`schema.documents`; keys that nobody knows are no fault).
"""


def _is(key: str, kind: str) -> str:
    return f'@.{key}.type() == "{kind}"'


def _may_be(key: str, kind: str) -> str:
    """Let a key be missing: asking for it is neither true nor false then."""
    return f"({_is(key, kind)} || @.{key} == null || (@.{key} == null) is unknown)"


_TIMED = (_is("startMs", "number"), _is("endMs", "number"))
_IN_TIME = (*_TIMED, "@.startMs >= 0", "@.startMs <= @.endMs")
# What each element is, as a condition of a strict jsonpath: it unwraps no arrays.
_ELEMENTS = {
    "speech_timings": (
        _is("word", "string"),
        *_TIMED,
        _is("charStart", "number"),
        _is("charEnd", "number"),
        _may_be("confidence", "number"),
        _may_be("isPause", "boolean"),
        _may_be("isHesitation", "boolean"),
    ),
    "phoneme_analysis": (
        _is("phoneme", "string"),
        _is("word", "string"),
        _is("accuracyScore", "number"),
        *_IN_TIME,
        _may_be("expectedPhoneme", "string"),
        '(@.issues.type() == "array" && !exists(@.issues[*] ? (@.type() != "string"))'
        " || @.issues == null || (@.issues == null) is unknown)",
    ),
    "problematic_words": (
        _is("word", "string"),
        _is("issue", "string"),
        '(@.severity == "low" || @.severity == "medium" || @.severity == "high")',
        *_IN_TIME,
        _may_be("suggestion", "string"),
    ),
    "recommendations": ('@.type() == "string"',),
    "practice_words": ('@.type() == "string"',),
    "analysis_warnings": ('@.type() == "string"',),
}
_OBJECTS = ("raw_alignment", "raw_features")


def _wrong_list(column: str, conditions: tuple[str, ...]) -> str:
    # A condition about a key that is missing is neither true nor false: so whether it is true is
    # asked by `exists`.
    wrong = f"strict $[*] ? (!exists(@ ? ({' && '.join(conditions)})))"
    return f"""CASE jsonb_typeof(a.{column}) WHEN 'null' THEN NULL
            WHEN 'array' THEN CASE WHEN jsonb_path_exists(a.{column}, '{wrong}')
                THEN '{column} has an element of another shape' END
            ELSE '{column} is no list but ' || jsonb_typeof(a.{column}) END"""


def _wrong_object(column: str) -> str:
    return f"""CASE WHEN jsonb_typeof(a.{column}) NOT IN ('object', 'null')
            THEN '{column} is no object but ' || jsonb_typeof(a.{column}) END"""


_WRONG_TIMINGS = _wrong_list("speech_timings", _ELEMENTS["speech_timings"])
_WRONG_PHONEMES = _wrong_list("phoneme_analysis", _ELEMENTS["phoneme_analysis"])
_WRONG_OTHERS = ", ".join(
    [
        *(_wrong_list(column, _ELEMENTS[column]) for column in list(_ELEMENTS)[2:]),
        *map(_wrong_object, _OBJECTS),
    ]
)

# JavaScript, and so the app, counts UTF-16 units: characters beyond U+FFFF are two.
_TEXT_UNITS = r"""CASE WHEN octet_length(m.content) = char_length(m.content)
            THEN char_length(m.content)
            ELSE char_length(m.content)
                + char_length(regexp_replace(m.content, '[\u0001-\uFFFF]+', '', 'g')) END"""

# One walk over the words for all that is asked of them: the number of the first that breaks each
# rule. Numbers in JSON are as large as they like: only `numeric` holds them all. A window without
# an order keeps that of the list, and sorts nothing.
_WALK = """
    SELECT
        min(n) FILTER (WHERE start_ms >= end_ms OR start_ms < start_before
            OR end_ms < end_before) AS unordered,
        min(n) FILTER (WHERE start_ms < 0 OR end_ms >
            CAST(m.audio_duration_ms AS bigint) + CAST(:document_tolerance_ms AS integer)
        ) AS outside_audio,
        min(n) FILTER (WHERE char_start < 0 OR char_start > char_end OR char_end > facts.text_units
            OR char_start <> trunc(char_start) OR char_end <> trunc(char_end)) AS outside_text,
        min(n) FILTER (WHERE confidence < 0 OR confidence > 1) AS impossible
    FROM (
        SELECT *, lag(start_ms) OVER () AS start_before, lag(end_ms) OVER () AS end_before
        FROM ROWS FROM (
            jsonb_to_recordset(CASE WHEN facts.wrong_timings IS NULL
                AND jsonb_typeof(a.speech_timings) = 'array' THEN a.speech_timings END)
            AS ("startMs" numeric, "endMs" numeric, "charStart" numeric, "charEnd" numeric,
                confidence numeric)
        ) WITH ORDINALITY AS listed (start_ms, end_ms, char_start, char_end, confidence, n)
    ) AS timed"""

# OFFSET 0 keeps the planner from computing a fact wherever it is used.
SOURCE = f"""
FROM message_audio_analysis AS a
JOIN messages AS m ON m.id = a.message_id
CROSS JOIN LATERAL (
    SELECT {_WRONG_TIMINGS} AS wrong_timings,
        {_WRONG_PHONEMES} AS wrong_phonemes,
        {_TEXT_UNITS} AS text_units
    OFFSET 0
) AS facts
CROSS JOIN LATERAL ({_WALK}
) AS words"""


def _word(number: str, *keys: str) -> str:
    """Tell a word by its number, counted from 1, and some of its own."""
    own = " || ', ' || ".join(
        f"'{key} ' || left(a.speech_timings -> CAST({number} - 1 AS integer) ->> '{key}', 20)"
        for key in keys
    )
    return f"'word ' || {number} || ': ' || {own}"


RULES = {
    "document_shapes": f"""NULLIF(concat_ws('; ', facts.wrong_timings, facts.wrong_phonemes,
        {_WRONG_OTHERS}), '')""",
    "timings_in_order": f"""CASE WHEN words.unordered IS NOT NULL
        THEN {_word("words.unordered", "startMs", "endMs")} || CASE WHEN words.unordered > 1
            THEN '; ' || {_word("(words.unordered - 1)", "startMs", "endMs")} ELSE '' END END""",
    "timings_in_audio": f"""CASE WHEN words.outside_audio IS NOT NULL
        THEN {_word("words.outside_audio", "startMs", "endMs")}
            || COALESCE('; recording ' || m.audio_duration_ms || ' ms', '') END""",
    "timings_in_text": f"""CASE WHEN words.outside_text IS NOT NULL
        THEN {_word("words.outside_text", "charStart", "charEnd")}
            || '; text ' || facts.text_units || ' units' END""",
    "confidence_range": f"""CASE WHEN words.impossible IS NOT NULL
        THEN {_word("words.impossible", "confidence")} END""",
    "phoneme_score_range": """CASE WHEN facts.wrong_phonemes IS NULL THEN
        'accuracyScore ' || left(jsonb_path_query_first(
            a.phoneme_analysis, '$[*].accuracyScore ? (@ < 0 || @ > 100)'
        ) #>> '{}', 20) END""",
    "pauses_in_audio": """CASE WHEN a.total_pause_duration_ms
            > CAST(m.audio_duration_ms AS bigint) + CAST(:document_tolerance_ms AS integer)
        THEN 'pauses ' || a.total_pause_duration_ms || ' ms, recording '
            || m.audio_duration_ms || ' ms' END""",
    "longest_pause": """CASE WHEN a.longest_pause_duration_ms > a.total_pause_duration_ms
        THEN 'longest ' || a.longest_pause_duration_ms || ' ms, all '
            || a.total_pause_duration_ms || ' ms' END""",
    # A mean rounded or cut to whole milliseconds is off by less than one for each pause.
    "average_pause": """CASE WHEN abs(
            CAST(a.average_pause_duration_ms AS bigint) * a.pause_count - a.total_pause_duration_ms
        ) > greatest(a.pause_count, 1)
        THEN a.pause_count || ' pauses of ' || a.average_pause_duration_ms || ' ms, all '
            || a.total_pause_duration_ms || ' ms' END""",
    "articulation_rate": """CASE WHEN a.articulation_rate_wpm < a.speech_rate_wpm
        THEN 'articulation ' || a.articulation_rate_wpm || ' wpm, speech '
            || a.speech_rate_wpm || ' wpm' END""",
}

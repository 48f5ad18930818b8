r"""Rules across the columns of an analysis, inside its documents, and against its message.

They are those of `policy.quality.ANALYSIS_INVARIANTS`. Each expression is NULL where the rule holds
or does not apply, else what was observed, and never a word of it. Documents may be any JSON: words
are walked only where all of them have their shape (`schema.documents`; keys that nobody knows are
no fault).
"""

from collections.abc import Collection, Sequence


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
        "@.charStart.floor() == @.charStart",
        "@.charEnd.floor() == @.charEnd",
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


_WRONG_DOCUMENTS = ", ".join(
    [
        *(_wrong_list(column, conditions) for column, conditions in _ELEMENTS.items()),
        *map(_wrong_object, _OBJECTS),
    ]
)

_FROM = "FROM message_audio_analysis AS a JOIN messages AS m ON m.id = a.message_id"
# Who knows no duration may state it as 0.
_LATEST_MS = """CASE WHEN m.audio_duration_ms > 0
        THEN CAST(m.audio_duration_ms AS bigint) + CAST(:document_tolerance_ms AS integer) END"""
_ROW_RULES = {
    "document_shapes": f"NULLIF(concat_ws('; ', {_WRONG_DOCUMENTS}), '')",
    "phoneme_score_range": """'accuracyScore ' || left(jsonb_path_query_first(
            a.phoneme_analysis, '$[*].accuracyScore ? (@ < 0 || @ > 100)'
        ) #>> '{}', 20)""",
    "pauses_in_audio": f"""CASE WHEN a.total_pause_duration_ms > {_LATEST_MS}
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

# JavaScript, and so the app, counts UTF-16 units: characters beyond U+FFFF are two.
_TEXT_UNITS = r"""CASE WHEN octet_length(m.content) = char_length(m.content)
        THEN char_length(m.content)
        ELSE char_length(m.content)
            + char_length(regexp_replace(m.content, '[\u0001-\uFFFF]+', '', 'g')) END"""
# What words are compared with, once for each analysis: a document may have a great many words, and
# a text be as long, so nothing of either may be walked again for each word. OFFSET 0 keeps Postgres
# from asking all the same where a word needs it.
_SPOKEN = f"""
    SELECT a.message_id, m.audio_duration_ms, to_jsonb({_LATEST_MS}) AS latest_ms,
        to_jsonb({_TEXT_UNITS}) AS text_units,
        CASE WHEN jsonb_typeof(a.speech_timings) = 'array' AND NOT jsonb_path_exists(
            a.speech_timings, 'strict $[*] ? (@.type() != "object")'
        ) THEN a.speech_timings END AS words
    {_FROM}"""
# When one word breaks a rule, and what to tell of it. Numbers are compared as JSON: what is none
# compares in some way, but never fails.
_WORD_RULES = {
    "timings_in_order": (
        "start_ms >= end_ms OR next_start_ms < start_ms OR next_end_ms < end_ms",
        ("start_ms", "end_ms", "next_start_ms", "next_end_ms"),
    ),
    "timings_in_audio": (
        "start_ms < '0' OR end_ms > latest_ms",
        ("start_ms", "end_ms", "audio_duration_ms"),
    ),
    "timings_in_text": (
        "char_start < '0' OR char_start > char_end OR char_end > text_units",
        ("char_start", "char_end"),
    ),
    "confidence_range": ("confidence < '0' OR confidence > '1'", ("confidence",)),
}
# Words beside the same words without the first: each beside the next. In ROWS FROM, what is LATERAL
# does not keep several processes from sharing the work, as it would in a subquery.
_BESIDE_NEXT = """ROWS FROM (
    jsonb_to_recordset(spoken.words) AS ("startMs" jsonb, "endMs" jsonb, "charStart" jsonb,
        "charEnd" jsonb, confidence jsonb),
    jsonb_to_recordset(spoken.words - 0) AS ("startMs" jsonb, "endMs" jsonb)
) WITH ORDINALITY AS word (
    start_ms, end_ms, char_start, char_end, confidence, next_start_ms, next_end_ms, number
)"""

NAMES = (
    "document_shapes",
    *_WORD_RULES,
    *(name for name in _ROW_RULES if name != "document_shapes"),
)


def select(columns: Sequence[str], rules: Collection[str], *, where: str) -> str:
    """Return a query of analyses: `columns`, and a column of text for each rule.

    Beside rules about words there always is `document_shapes`: by it they are believed.

    Args:
        columns: Of a, message_audio_analysis, or m, messages; `message_id` among them.
        rules: Their names.
        where: Condition on the same.
    """
    # Each half is planned by itself, so that several processes can do all of it: what is LATERAL to
    # a row, or above a join with what was grouped, would be done by the first of them alone.
    words = [name for name in _WORD_RULES if name in rules]
    asked = {*rules, "document_shapes"} if words else rules
    rows = [f"{rule} AS {name}" for name, rule in _ROW_RULES.items() if name in asked]
    plain = f"SELECT {', '.join([*columns, *rows])} {_FROM} WHERE {where}"
    if not words:
        return plain
    told = ", ".join(
        f"(array_agg({_tell(name)} ORDER BY number) FILTER (WHERE {_WORD_RULES[name][0]}))[1]"
        f" AS {name}"
        for name in words
    )
    broken = " OR ".join(_WORD_RULES[name][0] for name in words)
    # In `document_shapes` the list of words is told first.
    believed = ", ".join(
        f"CASE WHEN plain.document_shapes ^@ 'speech_timings' IS NOT TRUE THEN words.{name} END"
        f" AS {name}"
        for name in words
    )
    return f"""
SELECT plain.*, {believed}
FROM ({plain} OFFSET 0) AS plain
LEFT JOIN (
    SELECT spoken.message_id, {told}
    FROM ({_SPOKEN} WHERE {where} OFFSET 0) AS spoken CROSS JOIN LATERAL {_BESIDE_NEXT}
    WHERE {broken}
    GROUP BY spoken.message_id
) AS words ON words.message_id = plain.message_id"""  # noqa: S608 - ours


def _tell(name: str) -> str:
    """Tell of a word, by its number from 1, some figures."""
    figures = ", ".join(
        f"'{figure} ' || left(CAST({figure} AS text), 20)" for figure in _WORD_RULES[name][1]
    )
    return f"concat_ws(', ', 'word ' || number, {figures})"

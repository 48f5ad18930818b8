"""SQL that checks the shapes of an analysis' JSON documents (`schema.documents`).

Documents may be any JSON. Unknown keys are allowed.
"""


def _is(key: str, kind: str) -> str:
    return f'@.{key}.type() == "{kind}"'


def _may_be(key: str, kind: str) -> str:
    """Return a condition that also accepts null and a missing key (`unknown` in jsonpath)."""
    return f"({_is(key, kind)} || @.{key} == null || (@.{key} == null) is unknown)"


_TIMED = (_is("startMs", "number"), _is("endMs", "number"))
_IN_TIME = (*_TIMED, "@.startMs >= 0", "@.startMs <= @.endMs")
# Conditions on each element, for a strict jsonpath, which does not unwrap arrays.
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
        _may_be("sound", "string"),
    ),
    "recommendations": ('@.type() == "string"',),
    "practice_words": ('@.type() == "string"',),
    "analysis_warnings": ('@.type() == "string"',),
}
_OBJECTS = ("raw_alignment", "raw_features")


def _wrong_list(column: str, conditions: tuple[str, ...]) -> str:
    # A condition on a missing key is unknown; `exists` turns that into false.
    wrong = f"strict $[*] ? (!exists(@ ? ({' && '.join(conditions)})))"
    return f"""CASE jsonb_typeof(a.{column}) WHEN 'null' THEN NULL
            WHEN 'array' THEN CASE WHEN jsonb_path_exists(a.{column}, '{wrong}')
                THEN '{column} has a malformed element' END
            ELSE '{column} is not a list but ' || jsonb_typeof(a.{column}) END"""


def _wrong_object(column: str) -> str:
    return f"""CASE WHEN jsonb_typeof(a.{column}) NOT IN ('object', 'null')
            THEN '{column} is not an object but ' || jsonb_typeof(a.{column}) END"""


# NULL if all documents have their shape, otherwise what is wrong; the list of words comes first.
_WRONG = [
    *(_wrong_list(column, conditions) for column, conditions in _ELEMENTS.items()),
    *map(_wrong_object, _OBJECTS),
]
WRONG_DOCUMENTS = f"NULLIF(concat_ws('; ', {', '.join(_WRONG)}), '')"

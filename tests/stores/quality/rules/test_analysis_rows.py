"""Rules across the columns of an analysis, inside its documents, and against its message."""

import pytest

from tests.support.quality import PHONEME, left_alone, observed, words

KEPT = {
    "an emoji counts twice": ({"content": "👋 hello"}, words((2, {"charEnd": 8}))),
    "rounded means": ({}, {"pause_count": 3, "average_pause_duration_ms": 99}),
    "unknown keys": ({}, words((0, {"duration": 500, "speaker": "A"}))),
    "JSON nulls": ({}, words((0, {"confidence": None})) | {"practice_words": None}),
    "a trailing silence of the codec": ({}, words((2, {"endMs": 2100}))),
}  # fmt: skip
BROKEN = [
    ("document_shapes", {}, {"speech_timings": {}}, "speech_timings is not a list but object"),
    ("document_shapes", {}, {"raw_features": [1]}, "raw_features is not an object but array"),
    (
        "document_shapes",
        {},
        words((1, {"startMs": "secret"})),
        "speech_timings has a malformed element",
    ),
    (
        "timings_in_order",
        {},
        words((0, {"endMs": 0})),
        "word 1, start_ms 0, end_ms 0, next_start_ms 500, next_end_ms 800",
    ),
    (
        "timings_in_order",
        {},
        words((1, {"startMs": 900, "endMs": 950})),
        "word 2, start_ms 900, end_ms 950, next_start_ms 800, next_end_ms 1100.5",
    ),
    (
        "timings_in_order",
        {},
        words((1, {"endMs": 1200})),
        "word 2, start_ms 500, end_ms 1200, next_start_ms 800, next_end_ms 1100.5",
    ),
    (
        "timings_in_audio",
        {},
        words((2, {"endMs": 2101})),
        "word 3, start_ms 800, end_ms 2101, audio_duration_ms 2000",
    ),
    (
        "timings_in_audio",
        {},
        words((0, {"startMs": -1})),
        "word 1, start_ms -1, end_ms 500, audio_duration_ms 2000",
    ),
    ("timings_in_text", {}, words((2, {"charEnd": 12})), "word 3, char_start 6, char_end 12"),
    ("timings_in_text", {}, words((0, {"charStart": 6})), "word 1, char_start 6, char_end 5"),
    ("timings_in_text", {}, words((0, {"charStart": -1})), "word 1, char_start -1, char_end 5"),
    (
        "timings_in_text",
        {"content": "👋 hello"},
        words((2, {"charEnd": 9})),
        "word 3, char_start 6, char_end 9",
    ),
    ("confidence_range", {}, words((0, {"confidence": 1.01})), "word 1, confidence 1.01"),
    ("confidence_range", {}, words((2, {"confidence": -1e-9})), "word 3, confidence -0.000000001"),
    (
        "phoneme_score_range",
        {},
        {"phoneme_analysis": [PHONEME, PHONEME | {"accuracyScore": 101}]},
        "accuracyScore 101",
    ),
    ("phoneme_score_range", {}, {"phoneme_analysis": [PHONEME | {"accuracyScore": -1}]},
     "accuracyScore -1"),
    (
        "articulation_rate",
        {},
        {"articulation_rate_wpm": 119},
        "articulation 119 wpm, speech 120 wpm",
    ),
    ("longest_pause", {}, {"longest_pause_duration_ms": 301}, "longest 301 ms, all 300 ms"),
    ("average_pause", {}, {"average_pause_duration_ms": 298}, "1 pauses of 298 ms, all 300 ms"),
    ("average_pause", {}, {"pause_count": 2**31 - 1}, "2147483647 pauses of 300 ms, all 300 ms"),
]  # fmt: skip

test_what_keeps_all_rules_is_left_alone = left_alone(KEPT)
test_the_value_that_breaks_a_rule_is_observed = observed(BROKEN)


def test_pauses_longer_than_the_recording(add_analysed, check):
    pauses = {"pause_count": 1, "total_pause_duration_ms": 2101, "average_pause_duration_ms": 2101}
    add_analysed(pauses)
    assert check() == {"pauses_in_audio": "pauses 2101 ms, recording 2000 ms"}


@pytest.mark.parametrize("duration_ms", [0, -1, None])
def test_timings_are_not_compared_with_an_unknown_duration(add_analysed, check, duration_ms):
    add_analysed(audio_duration_ms=duration_ms)
    assert check() == {}
    add_analysed(words((0, {"startMs": -1})), audio_duration_ms=duration_ms)
    assert set(check()) == {"timings_in_audio"}


MANY = 50_000


def test_a_great_many_words_in_disorder_are_soon_checked(add_analysed, check):
    # This would take an hour if each step walked all of them again.
    backwards = [
        {"word": "w", "startMs": start, "endMs": start + 1, "charStart": 0, "charEnd": 1}
        for start in range(MANY, 0, -1)
    ]
    add_analysed({"speech_timings": backwards}, audio_duration_ms=MANY + 1)
    seen = check()
    assert seen.keys() == {"pcm_size", "timings_in_order"}
    assert seen["timings_in_order"].startswith(f"word 1, start_ms {MANY}, end_ms {MANY + 1}, next")


def test_a_great_many_words_in_a_text_as_long_are_soon_checked(add_analysed, check):
    beyond = [
        {"word": "w", "startMs": n, "endMs": n + 1, "charStart": 3 * n, "charEnd": 3 * n + 3}
        for n in range(MANY)
    ]
    text = {"content": "👋 " * MANY, "audio_duration_ms": MANY}
    add_analysed({"speech_timings": beyond}, **text)
    assert check().keys() == {"pcm_size"}
    add_analysed({"speech_timings": beyond}, **text | {"content": "é" * MANY})
    assert check()["timings_in_text"] == "word 16667, char_start 49998, char_end 50001"

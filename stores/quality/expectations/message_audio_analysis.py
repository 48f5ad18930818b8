"""What is expected of `message_audio_analysis`, asked of the table `checked_analysis`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stores.quality.expectations.expectation import AskedRule, invariant, told

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

LANGUAGE_CODE = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"  # as of BCP 47: en, pt-BR, zh-Hant-TW

_SCORES = {"accuracy_range": "overall_accuracy_score", "fluency_range": "overall_fluency_score"}
_NOT_NEGATIVE = {
    "analysis_rates_range": "speech_rate_wpm",
    "articulation_rate_range": "articulation_rate_wpm",
    "speech_duration_range": "total_speech_duration_ms",
    "pause_duration_range": "total_pause_duration_ms",
    "pause_count_range": "pause_count",
    "hesitation_count_range": "hesitation_count",
    "average_pause_range": "average_pause_duration_ms",
    "longest_pause_range": "longest_pause_duration_ms",
    "analysis_duration_range": "analysis_duration_ms",
}


def expectations(rules: Mapping[str, AskedRule]) -> "list[Expectation]":
    """Return what is expected, of rules by name: those below, and those with a column of it."""
    columns = _column_expectations(rules)
    asked = {expectation.meta["rule"] for expectation in columns if expectation.meta}
    return columns + [invariant(rule) for name, rule in rules.items() if name not in asked]


def _column_expectations(rules: Mapping[str, AskedRule]) -> "list[Expectation]":
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    return [
        gxe.ExpectColumnValuesToBeUnique(column="message_id", **told(rules["message_id_unique"])),
        *(
            gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=0, max_value=100, **told(rules[name])
            )
            for name, column in _SCORES.items()
        ),
        *(
            gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, **told(rules[name]))
            for name, column in _NOT_NEGATIVE.items()
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="analysis_language", regex=LANGUAGE_CODE, **told(rules["analysis_language"])
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="overall_accuracy_score",
            row_condition=Column("analysis_error").is_null(),
            **told(rules["scores_when_error_free"], where="analysis_error IS NULL"),
        ),
    ]

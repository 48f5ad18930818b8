"""What is expected of `messages`, asked of the table `checked_message`."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from schema.states import ProcessingState
from stores.quality.expectations.expectation import AskedRule, invariant, told

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

SAMPLE_RATES_HZ = (
    *(8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000),
    192_000,
)
FORMATS = ("pcm16", "g711_ulaw", "g711_alaw", "wav", "mp3", "flac", "ogg", "opus", "aiff", "au")
UPLOADED = (ProcessingState.UPLOADED, ProcessingState.ANALYZING, ProcessingState.ANALYZED)


def expectations(rules: Mapping[str, AskedRule], *, key_prefix: str) -> "list[Expectation]":
    """Return what is expected.

    Args:
        rules: By name: those below, and those that have a column of their name.
        key_prefix: What keys of recordings begin with.
    """
    columns = _column_expectations(rules, key_prefix)
    asked = {expectation.meta["rule"] for expectation in columns if expectation.meta}
    return columns + [invariant(rule) for name, rule in rules.items() if name not in asked]


def _column_expectations(rules: Mapping[str, AskedRule], key_prefix: str) -> "list[Expectation]":
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    state, live_key = Column("audio_processing_state"), Column("live_storage_key")
    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="audio_processing_state",
            value_set=[state.value for state in ProcessingState],
            **told(rules["processing_state"]),
        ),
        # Nothing is in no set, so a set would let it pass.
        gxe.ExpectColumnValuesToNotBeNull(
            column="audio_processing_state", **told(rules["processing_state"])
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="pronunciation_score",
            min_value=0,
            max_value=100,
            **told(rules["pronunciation_score_range"]),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="fluency_score",
            min_value=0,
            max_value=100,
            **told(rules["fluency_score_range"]),
        ),
        *(
            gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, **told(rules[name]))
            for name, column in (
                ("speech_rate_range", "speech_rate_wpm"),
                ("audio_duration_range", "audio_duration_ms"),
                ("audio_size_range", "audio_size_bytes"),
            )
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="audio_sample_rate",
            value_set=list(SAMPLE_RATES_HZ),
            **told(rules["audio_sample_rate"]),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="audio_channels", min_value=1, max_value=2, **told(rules["audio_channels"])
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="audio_format", value_set=list(FORMATS), **told(rules["audio_format"])
        ),
        # Clients and proxies resolve `.` and `..`, and XML carries no control characters.
        gxe.ExpectColumnValuesToMatchRegex(
            column="audio_storage_key",
            regex=rf"^{re.escape(key_prefix)}(?!(.*/)?\.{{1,2}}(/|$))[^[:cntrl:]]+$",
            **told(rules["storage_key"]),
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="live_storage_key", **told(rules["storage_key_unique"])
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="audio_storage_key",
            row_condition=state.is_in([state.value for state in UPLOADED])
            & (Column("deleted") == False),  # noqa: E712 - builds a condition
            **told(
                rules["key_when_uploaded"],
                where="audio_processing_state IN ('uploaded', 'analyzing', 'analyzed')"
                " AND NOT deleted",
            ),
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="pronunciation_score",
            row_condition=state == ProcessingState.ANALYZED.value,
            **told(rules["scores_when_analyzed"], where="audio_processing_state = 'analyzed'"),
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="audio_retention_expires_at",
            row_condition=live_key.is_not_null(),
            **told(rules["expiry_when_uploaded"], where="live_storage_key IS NOT NULL"),
        ),
    ]

"""Rules of one column of `messages`, checked in the table `checked_message`."""

import re

from schema.facts.quality import RuleFacts
from schema.object_keys import MAX_KEY_BYTES
from schema.states import CheckedTable, ProcessingState, Severity
from stores.quality.rules.kinds import Between, ColumnRule, Matches, NotEmpty, OneOf, Unique, Where
from stores.readable import LARGEST_OBJECT_BYTES, LONGEST_RECORDING_MS

MESSAGES, WARN, FAIL = CheckedTable.MESSAGES, Severity.WARN, Severity.FAIL

SAMPLE_RATES_HZ = (
    *(8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000),
    192_000,
)
FORMATS = ("pcm16", "g711_ulaw", "g711_alaw", "wav", "mp3", "flac", "ogg", "opus", "aiff", "au")


def _storage_key(facts: RuleFacts) -> str:
    # As in `schema.object_keys`, except for the length, which has a column of its own. Not
    # [:cntrl:], whose meaning depends on the database's locale.
    allowed = r"[^\u0001-\u001f\u007f-\u009f]+"
    return rf"^{re.escape(facts.key_prefix)}(?!(.*/)?\.{{1,2}}(/|$)){allowed}$"


REFUSED_KEY = ColumnRule(  # also used for quarantine by signing and sweeping
    "storage_key",
    MESSAGES,
    FAIL,
    "keys begin with our prefix",
    expected=(
        Between("storage_key_bytes", 0, MAX_KEY_BYTES),
        Matches(
            "audio_storage_key",
            _storage_key,
            where=Where(
                f"storage_key_bytes <= {MAX_KEY_BYTES}",
                lambda column: column("storage_key_bytes") <= MAX_KEY_BYTES,
            ),
        ),
    ),
)
RULES = (
    ColumnRule(
        "processing_state",
        MESSAGES,
        FAIL,
        "the state is one of the six",
        expected=(
            OneOf("audio_processing_state", tuple(state.value for state in ProcessingState)),
            NotEmpty("audio_processing_state"),
        ),
    ),
    ColumnRule(
        "pronunciation_score_range",
        MESSAGES,
        FAIL,
        "pronunciation scores lie in 0-100",
        reanalyze=True,
        expected=(Between("pronunciation_score", 0, 100),),
    ),
    ColumnRule(
        "fluency_score_range",
        MESSAGES,
        FAIL,
        "fluency scores lie in 0-100",
        reanalyze=True,
        expected=(Between("fluency_score", 0, 100),),
    ),
    ColumnRule(
        "speech_rate_range",
        MESSAGES,
        FAIL,
        "speech rates are not negative",
        reanalyze=True,
        expected=(Between("speech_rate_wpm", 0),),
    ),
    ColumnRule(
        "audio_duration_range",
        MESSAGES,
        FAIL,
        "durations are possible",
        expected=(Between("audio_duration_ms", 0, LONGEST_RECORDING_MS),),
    ),
    ColumnRule(
        "audio_size_range",
        MESSAGES,
        FAIL,
        "sizes are possible in S3",
        expected=(Between("audio_size_bytes", 0, LARGEST_OBJECT_BYTES),),
    ),
    ColumnRule(
        "audio_sample_rate",
        MESSAGES,
        WARN,
        "the sample rate is one that recorders use",
        expected=(OneOf("audio_sample_rate", SAMPLE_RATES_HZ),),
    ),
    ColumnRule(
        "audio_channels",
        MESSAGES,
        WARN,
        "recordings are mono or stereo",
        expected=(Between("audio_channels", 1, 2),),
    ),
    ColumnRule(
        "audio_format",
        MESSAGES,
        WARN,
        "the format is one that is decoded",
        expected=(OneOf("audio_format", FORMATS),),
    ),
    REFUSED_KEY,
    ColumnRule(
        "storage_key_unique",
        MESSAGES,
        WARN,
        "no two live messages share an object",
        expected=(Unique("live_storage_key"),),
    ),
    ColumnRule(
        "key_when_uploaded",
        MESSAGES,
        FAIL,
        "uploaded messages that are not deleted have a key",
        expected=(
            NotEmpty(
                "audio_storage_key",
                where=Where(
                    "audio_processing_state IN ('uploaded', 'analyzing', 'analyzed')"
                    " AND NOT deleted",
                    lambda column: (
                        column("audio_processing_state").is_in(
                            ["uploaded", "analyzing", "analyzed"]
                        )
                        & (column("deleted") == False)  # noqa: E712 - builds a condition
                    ),
                ),
            ),
        ),
    ),
    ColumnRule(
        "scores_when_analyzed",
        MESSAGES,
        FAIL,
        "analysed messages have a fluency score",
        reanalyze=True,
        expected=(
            NotEmpty(
                "fluency_score",  # of pronunciation there is none in some languages
                where=Where(
                    "audio_processing_state = 'analyzed'",
                    lambda column: column("audio_processing_state") == "analyzed",
                ),
            ),
        ),
    ),
    ColumnRule(
        "expiry_when_uploaded",
        MESSAGES,
        WARN,
        "live recordings have a retention expiry",
        expected=(
            NotEmpty(
                "audio_retention_expires_at",
                where=Where(
                    "live_storage_key IS NOT NULL",
                    lambda column: column("live_storage_key").is_not_null(),
                ),
            ),
        ),
    ),
)

"""Rules of one column of `message_audio_analysis`, checked in the table `checked_analysis`."""

from schema.states import AnalysisEngine, CheckedTable, Severity
from stores.quality.rules.kinds import Between, ColumnRule, Matches, NotEmpty, Unique, Where

ANALYSES, WARN, FAIL = CheckedTable.ANALYSES, Severity.WARN, Severity.FAIL

LANGUAGE_CODE = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"  # as of BCP 47: en, pt-BR, zh-Hant-TW

RULES = (
    ColumnRule(
        "message_id_unique",
        ANALYSES,
        FAIL,
        "a message has one analysis",
        reanalyze=True,
        expected=(Unique("message_id"),),
    ),
    ColumnRule(
        "accuracy_range",
        ANALYSES,
        FAIL,
        "accuracy lies in 0-100",
        reanalyze=True,
        expected=(Between("overall_accuracy_score", 0, 100),),
    ),
    ColumnRule(
        "fluency_range",
        ANALYSES,
        FAIL,
        "fluency lies in 0-100",
        reanalyze=True,
        expected=(Between("overall_fluency_score", 0, 100),),
    ),
    ColumnRule(
        "analysis_rates_range",
        ANALYSES,
        FAIL,
        "speech rates of analyses are not negative",
        reanalyze=True,
        expected=(Between("speech_rate_wpm", 0),),
    ),
    ColumnRule(
        "articulation_rate_range",
        ANALYSES,
        FAIL,
        "articulation rates are not negative",
        reanalyze=True,
        expected=(Between("articulation_rate_wpm", 0),),
    ),
    ColumnRule(
        "speech_duration_range",
        ANALYSES,
        FAIL,
        "times of speech are not negative",
        reanalyze=True,
        expected=(Between("total_speech_duration_ms", 0),),
    ),
    ColumnRule(
        "pause_duration_range",
        ANALYSES,
        FAIL,
        "times of pauses are not negative",
        reanalyze=True,
        expected=(Between("total_pause_duration_ms", 0),),
    ),
    ColumnRule(
        "pause_count_range",
        ANALYSES,
        FAIL,
        "counts of pauses are not negative",
        reanalyze=True,
        expected=(Between("pause_count", 0),),
    ),
    ColumnRule(
        "hesitation_count_range",
        ANALYSES,
        FAIL,
        "counts of hesitations are not negative",
        reanalyze=True,
        expected=(Between("hesitation_count", 0),),
    ),
    ColumnRule(
        "average_pause_range",
        ANALYSES,
        FAIL,
        "mean pauses are not negative",
        reanalyze=True,
        expected=(Between("average_pause_duration_ms", 0),),
    ),
    ColumnRule(
        "longest_pause_range",
        ANALYSES,
        FAIL,
        "longest pauses are not negative",
        reanalyze=True,
        expected=(Between("longest_pause_duration_ms", 0),),
    ),
    ColumnRule(
        "analysis_duration_range",
        ANALYSES,
        WARN,
        "times that analyses took are not negative",
        expected=(Between("analysis_duration_ms", 0),),
    ),
    ColumnRule(
        "analysis_language",
        ANALYSES,
        WARN,
        "analyses name their language by a language code",
        expected=(Matches("analysis_language", lambda _facts: LANGUAGE_CODE),),
    ),
    ColumnRule(
        "scores_when_error_free",
        ANALYSES,
        FAIL,
        "analyses without an error have an accuracy, unless their engine does not score it",
        reanalyze=True,
        expected=(
            NotEmpty(
                "overall_accuracy_score",
                where=Where(
                    f"analysis_error IS NULL AND analysis_engine <> '{AnalysisEngine.DTW}'",
                    lambda column: (
                        column("analysis_error").is_null()
                        & (column("analysis_engine") != AnalysisEngine.DTW.value)
                    ),
                ),
            ),
        ),
    ),
)

"""The rules that stored data must keep, by name; stores know how to ask the database for each."""

from dataclasses import dataclass
from datetime import datetime

from schema.errors.reporting import UnclearWindow
from schema.states import CheckScope, Severity

WARN, FAIL = Severity.WARN, Severity.FAIL

FAIL_ABOVE_PERCENT = 1.0
URL_EXPIRY_TOLERANCE_SECONDS = 60
STALE_LEASE_SECONDS = 3600  # past its end a lease is taken over within minutes
DOCUMENT_TOLERANCE_MS = 100  # codecs pad, engines round to frames
PCM_TOLERANCE_MS = 50
REFUSED_KEY_RULE = "storage_key"  # signing and sweeping quarantine by it, too


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    name: str
    severity: Severity
    says: str  # what holds, in words for a person
    reanalyze: bool = False  # another analysis may mend it; till then its scores are not believed


def _rules(*rules: Rule) -> dict[str, Rule]:
    return {rule.name: rule for rule in rules}


# Of one column each; Great Expectations asks.
MESSAGE_COLUMNS = _rules(
    Rule("processing_state", FAIL, "the state is one of the six"),
    Rule("pronunciation_score_range", FAIL, "pronunciation scores lie in 0-100", True),
    Rule("fluency_score_range", FAIL, "fluency scores lie in 0-100", True),
    Rule("speech_rate_range", FAIL, "speech rates are not negative", True),
    Rule("audio_duration_range", FAIL, "durations are not negative"),
    Rule("audio_size_range", FAIL, "sizes are not negative"),
    Rule("audio_sample_rate", WARN, "the sample rate is one that recorders use"),
    Rule("audio_channels", WARN, "recordings are mono or stereo"),
    Rule("audio_format", WARN, "the format is one that is decoded"),
    Rule(REFUSED_KEY_RULE, FAIL, "keys lie under our prefix"),
    Rule("storage_key_unique", WARN, "no two live messages share an object"),
    Rule("key_when_uploaded", FAIL, "what was uploaded and not deleted has a key"),
    Rule("scores_when_analyzed", FAIL, "analysed messages have a pronunciation score", True),
    Rule("expiry_when_uploaded", WARN, "live recordings have a retention expiry"),
)
ANALYSIS_COLUMNS = _rules(
    Rule("message_id_unique", FAIL, "a message has one analysis", True),
    Rule("accuracy_range", FAIL, "accuracy lies in 0-100", True),
    Rule("fluency_range", FAIL, "fluency lies in 0-100", True),
    Rule("analysis_rates_range", FAIL, "speech rates of analyses are not negative", True),
    Rule("articulation_rate_range", FAIL, "articulation rates are not negative", True),
    Rule("speech_duration_range", FAIL, "times of speech are not negative", True),
    Rule("pause_duration_range", FAIL, "times of pauses are not negative", True),
    Rule("pause_count_range", FAIL, "counts of pauses are not negative", True),
    Rule("hesitation_count_range", FAIL, "counts of hesitations are not negative", True),
    Rule("average_pause_range", FAIL, "mean pauses are not negative", True),
    Rule("longest_pause_range", FAIL, "longest pauses are not negative", True),
    Rule("analysis_duration_range", WARN, "times that analyses took are not negative"),
    Rule("analysis_language", WARN, "analyses name their language by a language code"),
    Rule("scores_when_error_free", FAIL, "analyses without an error have an accuracy", True),
)

# Across columns and tables; our SQL asks.
MESSAGE_INVARIANTS = _rules(
    Rule("analyzed_has_analysis", FAIL, "analysed messages have an analysis without error", True),
    Rule("analysis_means_analyzed", WARN, "messages with such an analysis are analysed, or queued"),
    Rule("quick_scores", FAIL, "a message's three scores equal its analysis'", True),
    Rule("failed_has_error", FAIL, "failed messages say why"),
    Rule("deleted_has_no_url", FAIL, "deleted recordings have no URL"),
    Rule("url_expiry", WARN, "a URL ends when its row says so, within 60 s"),
    Rule("url_is_ours", FAIL, "a URL leads to the row's own object in our bucket"),
    Rule("retention_period", WARN, "the expiry is the tier's period after creation, or later"),
    Rule("analyzing_beyond_lease", WARN, "nothing stays in `analyzing` after its lease"),
    Rule("pcm_size", WARN, "bytes of raw PCM fit its duration, rate and channels"),
    Rule("language_code", WARN, "conversations name their language by a language code"),
)
ANALYSIS_INVARIANTS = _rules(
    Rule("document_shapes", FAIL, "the JSON documents have their shapes", True),
    Rule("timings_in_order", FAIL, "words start before they end, and in order", True),
    Rule("timings_in_audio", FAIL, "words lie inside the recording (as its row states it)"),
    Rule("timings_in_text", FAIL, "words lie inside the message's text", True),
    Rule("confidence_range", FAIL, "confidences lie in 0-1", True),
    Rule("phoneme_score_range", FAIL, "scores of phonemes lie in 0-100", True),
    Rule("pauses_in_audio", FAIL, "pauses fit into the recording (as its row states it)"),
    Rule("longest_pause", FAIL, "the longest pause is not longer than all of them", True),
    Rule("average_pause", WARN, "mean pause times count makes all pauses", True),
    Rule("articulation_rate", FAIL, "the articulation rate is not below the speech rate", True),
)

# Of a sample of rows; the bucket is asked.
BUCKET_SAMPLE = _rules(
    Rule("object_in_bucket", FAIL, "the recording is in the bucket (sample)"),
    Rule("object_size", WARN, "it has the size that its row says (sample)"),
)

RULES = (
    MESSAGE_COLUMNS | ANALYSIS_COLUMNS | MESSAGE_INVARIANTS | ANALYSIS_INVARIANTS | BUCKET_SAMPLE
)

# Whose open cases keep a message out of statistics, and offer it to another analysis.
DISTRUSTED = frozenset(rule.name for rule in RULES.values() if rule.reanalyze)


def too_many_failing(failing: int, checked: int, fail_above_percent: float) -> bool:
    """Decide whether so many messages break a failing rule that the check must not end green."""
    return 100 * failing > fail_above_percent * checked


def check_window(
    scope: CheckScope, since: datetime | None, until: datetime | None, *, as_of: datetime
) -> None:
    """Refuse a window that contradicts the check's scope or itself.

    Raises:
        UnclearWindow: If so; it says what to change.
    """
    problem = _window_problem(scope, since, until, as_of)
    if problem is not None:
        raise UnclearWindow(problem)


def _window_problem(
    scope: CheckScope, since: datetime | None, until: datetime | None, as_of: datetime
) -> str | None:
    if any(instant is not None and instant.tzinfo is None for instant in (since, until)):
        return "`since` and `until` need a time zone; write them like 2026-01-31T00:00:00Z."
    if scope is CheckScope.EVERYTHING and (since or until):
        return "`since` and `until` do not go with the scope `everything`."
    if scope is CheckScope.CHANGED and until:
        return "`until` goes with the scope `window` only."
    if scope is CheckScope.WINDOW and since is None:
        return "A window needs its beginning, `since`."
    if since is not None and since >= (until or as_of):
        return "`since` must be before `until`, and in the past."
    return None

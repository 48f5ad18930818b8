"""Closed sets of names: where a message is, whose it is, why something failed or was deleted."""

from enum import StrEnum


class ProcessingState(StrEnum):
    """`messages.audio_processing_state`: pending → uploading → uploaded → analyzing → done."""

    PENDING = "pending"  # the column's default, text-only messages included
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    ANALYZING = "analyzing"
    ANALYZED = "analyzed"
    FAILED = "failed"


class UserTier(StrEnum):
    """Whose audio it is; decides how long it is kept."""

    FREE = "free"
    PLUS = "plus"
    PREMIUM = "premium"
    GUEST = "guest"  # conversation without a user
    SYSTEM = "system"  # demo and system messages


class FailureCause(StrEnum):
    """Why one message could not be analysed; counted in summaries and kept in the database."""

    # The recording or its text: another try would end the same way.
    UNDECODABLE = "undecodable"
    TOO_LONG = "too_long"
    NO_SPEECH = "no_speech"
    EMPTY_TEXT = "empty_text"
    UNSUPPORTED_LANGUAGE = "unsupported_language"
    TEXT_MISMATCH = "text_mismatch"
    OBJECT_MISSING = "object_missing"
    # The world around it: another try may succeed.
    STORAGE_UNAVAILABLE = "storage_unavailable"
    STORAGE_DENIED = "storage_denied"  # this object alone; the bucket itself answers
    TIMED_OUT = "timed_out"
    ENGINE_ERROR = "engine_error"
    # The analysis killed its worker process; counted apart, quarantined at the third.
    CRASHED = "crashed"


class HoldScope(StrEnum):
    """What a legal hold protects."""

    MESSAGE = "message"
    CONVERSATION = "conversation"
    USER = "user"


class DeletionReason(StrEnum):
    """Why an object is deleted."""

    RETENTION = "retention"  # its retention and grace periods are over
    ORPHAN = "orphan"  # no message refers to it any more
    ERASURE = "erasure"  # the learner asked for it


class DeletionState(StrEnum):
    """Where an entry of the deletion ledger is; all but `intended` are final."""

    INTENDED = "intended"
    DELETED = "deleted"  # the bucket confirmed it
    WITHDRAWN = "withdrawn"  # no longer due when it was looked at again


class FindingKind(StrEnum):
    """How bucket and messages disagree."""

    ROW_WITHOUT_OBJECT = "row_without_object"
    OBJECT_WITHOUT_ROW = "object_without_row"
    OBJECT_OF_DELETED_ROW = "object_of_deleted_row"  # every message that names it is marked deleted
    SIZE_DIFFERENCE = "size_difference"


class StorageMeasure(StrEnum):
    """What `audio_ops.storage_metric` holds for each day and tier; all are whole numbers."""

    # The stock at the end of the day.
    OBJECTS = "objects"
    BYTES = "bytes"
    AUDIO_MS = "audio_ms"
    GRACE_BYTES = "grace_bytes"  # their retention is over, the grace period is not
    UNSIZED_OBJECTS = "unsized_objects"  # their size is not known, or not to be believed
    # In the 24 hours before the end of the day.
    ADDED_OBJECTS = "added_objects"
    ADDED_BYTES = "added_bytes"
    DELETED_OBJECTS = "deleted_objects"
    DELETED_BYTES = "deleted_bytes"
    # Since the beginning.
    AVOIDED_BYTES = "avoided_bytes"  # deleted by retention, so no longer paid for


class ThresholdMeasure(StrEnum):
    """What has a threshold that alerts."""

    STORED = "stored"
    TRANSFERRED = "transferred"  # in 30 days


class TransferSource(StrEnum):
    """Where a figure of transferred bytes comes from; `messages` cannot tell it."""

    STATED = "stated"  # by whoever started the run, such as from the provider's bill
    ACCESS_LOG = "access_log"  # `audio_ops.bucket_traffic`
    ESTIMATE = "estimate"  # from what was uploaded


class CheckedTable(StrEnum):
    """Whose rows a rule of data quality is about."""

    MESSAGES = "messages"
    ANALYSES = "message_audio_analysis"


class Severity(StrEnum):
    """What a broken rule of data quality does to the check."""

    WARN = "warn"  # only reported
    FAIL = "fail"  # the check fails, if too many messages break it


class CheckScope(StrEnum):
    """Which messages a check of data quality looks at."""

    CHANGED = "changed"  # whose rows were written since the last check, and those in quarantine
    EVERYTHING = "everything"
    WINDOW = "window"  # said in `[since, until)`


class AnalysisEngine(StrEnum):
    """Which engine analyses."""

    KAIWA = "kaiwa"


class BackfillSelection(StrEnum):
    """Which messages a backfill analyses again; only such as the live pipeline is done with."""

    MISSING = "missing"  # without any analysis
    FAILED = "failed"  # whose analysis failed
    OUTDATED = "outdated"  # analysed by another engine, an older version or other models
    QUARANTINED = "quarantined"  # with an open case of quarantine
    ALL = "all"


class BackfillOutcome(StrEnum):
    """What became of one message of a backfill."""

    ANALYZED = "analyzed"
    FAILED = "failed"  # for good; an analysis that had worked stays
    QUARANTINED = "quarantined"  # killed its worker process too often
    GONE = "gone"  # its audio was deleted meanwhile
    LIVE = "live"  # uploaded or analysed anew meanwhile: the live pipeline has it
    NEWER = "newer"  # a newer version analysed it meanwhile
    UNDONE = "undone"  # what the backfill wrote was taken back

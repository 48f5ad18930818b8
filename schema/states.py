"""Enumerations: states, tiers, causes, reasons and measures."""

from enum import StrEnum


class ProcessingState(StrEnum):
    """`messages.audio_processing_state`: pending → uploading → uploaded → analyzing → end state."""

    PENDING = "pending"  # the column's default, also of text-only messages
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    ANALYZING = "analyzing"
    ANALYZED = "analyzed"
    FAILED = "failed"


class UserTier(StrEnum):
    """Tier of the audio's owner; determines how long it is kept."""

    FREE = "free"
    PLUS = "plus"
    PREMIUM = "premium"
    GUEST = "guest"  # conversation without a user
    SYSTEM = "system"  # demo and system messages


class FailureCause(StrEnum):
    """Why a message could not be analysed; counted in summaries and stored in the database."""

    # Permanent: caused by the recording or its text; a retry would fail again.
    UNDECODABLE = "undecodable"
    TOO_LONG = "too_long"
    NO_SPEECH = "no_speech"
    EMPTY_TEXT = "empty_text"
    UNSUPPORTED_LANGUAGE = "unsupported_language"
    TEXT_MISMATCH = "text_mismatch"
    OBJECT_MISSING = "object_missing"
    NOT_STORABLE = "not_storable"  # the database refuses the analysis
    # Transient: a retry may succeed.
    STORAGE_UNAVAILABLE = "storage_unavailable"
    STORAGE_DENIED = "storage_denied"  # for this object only; the bucket itself answers
    TIMED_OUT = "timed_out"
    ENGINE_ERROR = "engine_error"
    # The machine gave the analysis too little processor time; counted against no message.
    STARVED = "starved"
    # The worker lacks the extra that decodes the format; the message waits until it is installed.
    DECODER_MISSING = "decoder_missing"
    # The analysis killed its worker process; counted separately, quarantined at the third.
    CRASHED = "crashed"


class HoldScope(StrEnum):
    """What a legal hold protects."""

    MESSAGE = "message"
    CONVERSATION = "conversation"
    USER = "user"


class DeletionReason(StrEnum):
    """Why an object is deleted."""

    RETENTION = "retention"  # its retention and grace periods are over
    ORPHAN = "orphan"  # no message refers to it
    ERASURE = "erasure"  # requested by the learner


class DeletionState(StrEnum):
    """State of an entry of the deletion ledger; all but `intended` are final."""

    INTENDED = "intended"
    DELETED = "deleted"  # the bucket confirmed it
    WITHDRAWN = "withdrawn"  # no longer due when judged again


class FindingKind(StrEnum):
    """How bucket and messages differ."""

    ROW_WITHOUT_OBJECT = "row_without_object"
    OBJECT_WITHOUT_ROW = "object_without_row"
    OBJECT_OF_DELETED_ROW = "object_of_deleted_row"  # all its messages are marked as deleted
    SIZE_DIFFERENCE = "size_difference"


class StorageMeasure(StrEnum):
    """What `audio_ops.storage_metric` holds for each day and tier; all are whole numbers."""

    # Stored at the end of the day.
    OBJECTS = "objects"
    BYTES = "bytes"
    AUDIO_MS = "audio_ms"
    GRACE_BYTES = "grace_bytes"  # in the grace period
    UNSIZED_OBJECTS = "unsized_objects"  # of unknown or implausible size
    # In the 24 hours before the end of the day.
    ADDED_OBJECTS = "added_objects"
    ADDED_BYTES = "added_bytes"
    DELETED_OBJECTS = "deleted_objects"
    DELETED_BYTES = "deleted_bytes"
    # Since the beginning.
    AVOIDED_BYTES = "avoided_bytes"  # deleted by retention


class ThresholdMeasure(StrEnum):
    """Measures with an alert threshold."""

    STORED = "stored"
    TRANSFERRED = "transferred"  # in 30 days


class TransferSource(StrEnum):
    """Source of the transferred bytes, which cannot be derived from `messages`."""

    STATED = "stated"  # as a parameter of the run, such as from the provider's bill
    ACCESS_LOG = "access_log"  # `audio_ops.bucket_traffic`
    ESTIMATE = "estimate"  # from what was uploaded


class CheckedTable(StrEnum):
    """The table whose rows a rule of data quality checks."""

    MESSAGES = "messages"
    ANALYSES = "message_audio_analysis"


class Severity(StrEnum):
    """Effect of a broken rule of data quality on the check."""

    WARN = "warn"  # only reported
    FAIL = "fail"  # the check fails if too many messages break the rule


class CheckScope(StrEnum):
    """Which messages a check of data quality covers."""

    CHANGED = "changed"  # written since the last check, or in quarantine
    EVERYTHING = "everything"
    WINDOW = "window"  # sent in `[since, until)`


class AnalysisEngine(StrEnum):
    """Analysis engines; `speech` knows all but `auto` by the same names."""

    AUTO = "auto"  # for each language the one that tells most about it
    KAIWA_LARGE = "kaiwa-large"  # English; scores best
    KAIWA = "kaiwa"  # English; faster
    DTW = "dtw"  # every language; pace and pauses, no pronunciation


class BackfillSelection(StrEnum):
    """Which messages a backfill re-analyses; never those still in the live pipeline."""

    MISSING = "missing"  # without an analysis
    FAILED = "failed"  # whose analysis failed
    OUTDATED = "outdated"  # analysed by another engine, an older version or other models
    QUARANTINED = "quarantined"  # with an open case of quarantine
    ALL = "all"


class BackfillOutcome(StrEnum):
    """Outcome of one message of a backfill."""

    ANALYZED = "analyzed"
    FAILED = "failed"  # permanently; an earlier successful analysis is kept
    QUARANTINED = "quarantined"  # killed its worker process too often
    GONE = "gone"  # its audio was deleted in the meantime
    LIVE = "live"  # uploaded or analysed again in the meantime: left to the live pipeline
    NEWER = "newer"  # analysed by a newer version in the meantime
    UNDONE = "undone"  # the backfill's analysis was undone

"""Decisions about failed analyses, and the limits of one analysis."""

from dataclasses import dataclass
from datetime import timedelta

from schema.states import FailureCause
from schema.wording import counted

# Long enough for a chunk of the slowest clips, short enough that the messages of a killed worker
# are soon retried.
LEASE_DURATION = timedelta(minutes=15)
MAX_CRASHES = 3
# A message in `analyzing` without a lease was put there by another system, perhaps just now.
UNLEASED_AGE = timedelta(days=1)

# Five attempts then take more than half an hour on average.
BACKOFF_BASE = timedelta(minutes=5)
BACKOFF_CAP = timedelta(hours=1)

# Processor time of one analysis. A recording is charged for what it uses, not for what it waits.
CLIP_CPU_LIMIT_BASE = timedelta(seconds=10)
CLIP_CPU_LIMIT_PER_AUDIO_SECOND = 3.0  # the engine needs a sixtieth; this stops hangs
CLIP_CPU_LIMIT_CAP = timedelta(minutes=5)
# 32 kbit/s, low for speech; gives the longest audio that an object can hold.
MIN_BYTES_PER_AUDIO_SECOND = 4_000
# Of an analysis process's life; it is replaced before.
PROCESS_CPU_LIMIT = timedelta(hours=1)

# The recording or its text is at fault, so a retry would fail again.
PERMANENT_CAUSES = frozenset(
    {
        FailureCause.UNDECODABLE,
        FailureCause.TOO_LONG,
        FailureCause.NO_SPEECH,
        FailureCause.EMPTY_TEXT,
        FailureCause.UNSUPPORTED_LANGUAGE,
        FailureCause.TEXT_MISMATCH,
        FailureCause.OBJECT_MISSING,
        FailureCause.NOT_STORABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Retry:
    """Return the message to the queue with new counters; it can be claimed after `delay`."""

    delay: timedelta
    attempts: int
    crashes: int


@dataclass(frozen=True, slots=True)
class Fail:
    """Set the message to `failed`; `error` is shown to people."""

    error: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Set the message to `failed` and never retry it automatically; `error` is shown to people."""

    error: str


FailureDecision = Retry | Fail | Quarantine


def failure_decision(
    cause: FailureCause,
    reason: str,
    *,
    attempts: int,
    crashes: int,
    max_attempts: int,
    jitter: float,
    may_wait: bool = True,
) -> FailureDecision:
    """Decide whether to retry, fail or quarantine a message after a failed analysis.

    Args:
        cause: Why this analysis failed.
        reason: The cause in a sentence or two, for people.
        attempts: Earlier failed attempts, without crashes.
        crashes: Earlier attempts that killed their worker process.
        max_attempts: Maximum number of attempts for a transient cause, at least 1.
        jitter: Drawn uniformly from [0, 1).
        may_wait: Whether there will be later runs, as for the live queue.

    Returns:
        For a permanent cause, Fail; for a transient one Retry, and Fail at attempt
        `max_attempts`; for a crash Retry, and Quarantine at the third. For a missing decoder,
        Retry without counting an attempt, or Fail if the message may not wait. For a machine
        without processor time, always Retry without counting an attempt.
    """
    if cause in PERMANENT_CAUSES:
        return Fail(reason)
    if cause is FailureCause.DECODER_MISSING:
        return Retry(BACKOFF_CAP, attempts, crashes) if may_wait else Fail(reason)
    if cause is FailureCause.STARVED:
        return Retry(backoff(attempts, jitter=jitter), attempts, crashes)
    if cause is FailureCause.CRASHED:
        crashes += 1
        if crashes < MAX_CRASHES:
            return Retry(backoff(crashes - 1, jitter=jitter), attempts, crashes)
        return Quarantine(
            f"Quarantined: the analysis killed its worker process {counted(crashes, 'time')}. "
            f"{reason} Analyse the recording by hand to find the defect, or upload it again."
        )
    attempts += 1
    if attempts < max_attempts:
        return Retry(backoff(attempts - 1, jitter=jitter), attempts, crashes)
    return Fail(
        f"Gave up after {counted(attempts, 'attempt')}. The last failure: {reason} "
        "Once the cause is fixed, set the state back to 'uploaded'."
    )


def backoff(failures: int, *, jitter: float) -> timedelta:
    """Return the delay after `failures` earlier failures: exponential backoff with full jitter.

    The delay is `jitter` · min(1 h, 5 min · 2^failures), so retries after an outage are spread out
    (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

    Raises:
        ValueError: If `jitter` lies outside [0, 1).
    """
    if not 0 <= jitter < 1:
        msg = f"jitter is {jitter}; draw it from [0, 1), for example with random.random()."
        raise ValueError(msg)
    doublings = min(failures, 16)  # far beyond the cap, without overflow
    ceiling: timedelta = BACKOFF_BASE * 2**doublings
    return jitter * min(BACKOFF_CAP, ceiling)


def clip_cpu_limit(size_bytes: int) -> timedelta:
    """Return how much processor time the analysis of an object of `size_bytes` may take.

    10 s plus three times the longest audio that the object can hold, at most 5 minutes.
    """
    longest_audio = timedelta(seconds=size_bytes / MIN_BYTES_PER_AUDIO_SECOND)
    return min(
        CLIP_CPU_LIMIT_CAP, CLIP_CPU_LIMIT_BASE + CLIP_CPU_LIMIT_PER_AUDIO_SECOND * longest_audio
    )

"""What becomes of a message whose analysis failed, and the limits of one analysis."""

from dataclasses import dataclass
from datetime import timedelta

from schema.states import FailureCause

# Long enough for a chunk of the slowest clips, short enough that a killed worker's messages
# are analysed again soon.
LEASE_DURATION = timedelta(minutes=15)
MAX_CRASHES = 3
# A message in `analyzing` that nobody leased was put there by another system, maybe just now.
UNLEASED_AGE = timedelta(days=1)

# Five tries then span over half an hour in the mean.
BACKOFF_BASE = timedelta(minutes=5)
BACKOFF_CAP = timedelta(hours=1)

CLIP_DEADLINE_BASE = timedelta(seconds=10)  # loading the model included
CLIP_DEADLINE_PER_AUDIO_SECOND = 3.0  # the aligner runs at 40 times real time; this is for hangs
CLIP_DEADLINE_CAP = LEASE_DURATION / 3  # leases are renewed at a third: no clip outlives its own
# 32 kbit/s, lean for speech: an object's bytes over this are the longest audio it can hold.
MIN_BYTES_PER_AUDIO_SECOND = 4_000
# Address space of one worker process; a clip that wants more takes only its own worker down.
WORKER_MEMORY_LIMIT_BYTES = 2 * 1024**3

# The recording or its text is at fault, so another try would end the same way.
PERMANENT_CAUSES = frozenset(
    {
        FailureCause.UNDECODABLE,
        FailureCause.TOO_LONG,
        FailureCause.NO_SPEECH,
        FailureCause.EMPTY_TEXT,
        FailureCause.UNSUPPORTED_LANGUAGE,
        FailureCause.TEXT_MISMATCH,
        FailureCause.OBJECT_MISSING,
    }
)


@dataclass(frozen=True, slots=True)
class Retry:
    """Put the message back with its new counters; nobody claims it before `delay` is over."""

    delay: timedelta
    attempts: int
    crashes: int


@dataclass(frozen=True, slots=True)
class Fail:
    """End in `failed`; `error` is for a person."""

    error: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """End in `failed` and never claim it again by itself; `error` is for a person."""

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
) -> FailureDecision:
    """Decide what becomes of a message after one more failed analysis.

    Args:
        cause: Why this analysis failed.
        reason: The same in a sentence or two for a person.
        attempts: Failed tries before this one, crashes not counted.
        crashes: Tries before this one that killed their worker process.
        max_attempts: Tries in all for a transient cause, at least 1.
        jitter: Drawn evenly from [0, 1).

    Returns:
        Fail at once for a cause that lies in the recording or its text; for a cause in the world
        around it Retry, and Fail at try number `max_attempts`; for a crash Retry, and
        Quarantine at the third.
    """
    if cause in PERMANENT_CAUSES:
        return Fail(reason)
    if cause is FailureCause.CRASHED:
        crashes += 1
        if crashes < MAX_CRASHES:
            return Retry(backoff(crashes - 1, jitter=jitter), attempts, crashes)
        return Quarantine(
            f"Quarantined: the analysis killed its worker process {crashes} times. {reason} "
            "Analyse the recording by hand to find the defect, or upload it again."
        )
    attempts += 1
    if attempts < max_attempts:
        return Retry(backoff(attempts - 1, jitter=jitter), attempts, crashes)
    return Fail(
        f"Given up after {attempts} tries. The last one: {reason} "
        "When that is mended, set the state back to 'uploaded'."
    )


def backoff(failures: int, *, jitter: float) -> timedelta:
    """Return the delay after `failures` earlier ones: exponential, with full jitter.

    `jitter` of min(1 h, 5 min · 2^failures): after an outage the tries come spread out, not all
    at once (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

    Raises:
        ValueError: If `jitter` lies outside [0, 1).
    """
    if not 0 <= jitter < 1:
        msg = f"jitter is {jitter}; draw it from [0, 1), for example with random.random()."
        raise ValueError(msg)
    doublings = min(failures, 16)  # far beyond the cap already, and no overflow
    ceiling: timedelta = BACKOFF_BASE * 2**doublings
    return jitter * min(BACKOFF_CAP, ceiling)


def clip_deadline(size_bytes: int) -> timedelta:
    """Return how long the analysis of an object of `size_bytes` may take.

    10 s plus three times the longest audio that fits into so many bytes, at most 5 minutes.
    """
    longest_audio = timedelta(seconds=size_bytes / MIN_BYTES_PER_AUDIO_SECOND)
    return min(
        CLIP_DEADLINE_CAP, CLIP_DEADLINE_BASE + CLIP_DEADLINE_PER_AUDIO_SECOND * longest_audio
    )

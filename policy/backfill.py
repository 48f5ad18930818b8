"""Cost of a backfill, whether it needs approval, and what its run does next."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from policy.costs import BYTES_PER_GB, PriceBook
from policy.instants import fits_utc, to_utc
from policy.languages import check_languages, primary_language
from policy.leases import LEASE_DURATION
from policy.score_changes import Comparison
from schema.errors.base import ParametersRefused
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillPlan, BackfillProgress, BackfillRequest
from schema.states import AnalysisEngine, BackfillOutcome, BackfillSelection
from schema.wording import agreeing, counted
from schema.written_text import required

# The engines' guaranteed minima, used if no recent analysis was measured.
PROMISED_TIMES_REAL_TIME: Final = {
    AnalysisEngine.AUTO: 40.0,
    AnalysisEngine.KAIWA_LARGE: 40.0,
    AnalysisEngine.KAIWA: 60.0,
    AnalysisEngine.DTW: 60.0,
}
# Approximate on-demand price of one core of a general-purpose machine in a large cloud.
CPU_USD_PER_HOUR: Final = 0.05
# Share of failures in the first sample above which approval is needed.
MOST_FAILED_PERCENT: Final = 10.0
MOST_CHANGED_SHOWN: Final = 10
APPROVED_BY_POLICY: Final = "policy: the first sample changed little"
# A child killed together with its worker stays Running in Prefect, but its leases expire.
STUCK_AFTER: Final = 2 * LEASE_DURATION
MOST_STARTED_IN_VAIN: Final = 3  # children per place without one finished message


@dataclass(frozen=True, slots=True)
class BackfillEstimate:
    """Estimated cost of a backfill; `is_measured` is False if it assumes the minimum pace."""

    messages: int
    audio_hours: float
    cpu_hours: float
    wall_hours: float
    cpu_usd: float
    reading_usd: float  # from the bucket: requests and transfer
    times_real_time: float  # of one core
    is_measured: bool


@dataclass(frozen=True, slots=True)
class BackfillState:
    """State of a backfill and its children, as seen by the parent run.

    Attributes:
        open: Messages that are not finished.
        places: Number of concurrent children; their places are 0, 1, ...
        free: Places without a running child.
        idle: Time since a message was finished or a child was started.
        started_in_vain: Children started since a message was last finished.
        stopped: Whether the backfill was stopped or undone.
    """

    open: int
    places: int
    free: tuple[int, ...]
    idle: timedelta = timedelta(0)
    started_in_vain: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """Return, because nothing is open or the backfill was stopped."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Check again later."""


@dataclass(frozen=True, slots=True)
class StartChildren:
    """Start a child in each of these places, replacing earlier ones."""

    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail, because children keep ending without finishing any message."""


NextStep = Finish | Wait | StartChildren | GiveUp


def next_step(state: BackfillState) -> NextStep:
    """Decide what the parent run of a backfill does next.

    If no message was finished for `STUCK_AFTER`, the children of all places are replaced.

    Args:
        state: Read `free` before `open` and `stopped`, so that a child that ended because of
            them is not replaced.
    """
    if not state.open:
        return Finish()
    places = tuple(range(state.places)) if state.idle > STUCK_AFTER else state.free
    if not places:
        return Wait()
    if state.stopped:
        return Finish()
    if state.started_in_vain >= MOST_STARTED_IN_VAIN * state.places:
        return GiveUp()
    return StartChildren(places)


def normalised(request: BackfillRequest) -> BackfillRequest:
    """Return the request in canonical form: times in UTC, names sorted, `en-US` as `en`.

    Raises:
        ParametersRefused: If a time does not exist in UTC.
    """
    primary = {primary_language(language) for language in request.languages}
    return replace(
        request,
        start=request.start and _in_utc("start", request.start),
        end=request.end and _in_utc("end", request.end),
        languages=tuple(sorted(primary)),
        conversation_ids=tuple(sorted(set(request.conversation_ids))),
    )


def _in_utc(name: str, moment: datetime) -> datetime:
    if not fits_utc(moment):
        problem = (
            f"`{name}` is {moment.isoformat()}, which is outside the years 1 to 9999 in UTC. "
            "Enter another time, or leave it empty."
        )
        raise ParametersRefused(problem)
    return to_utc(moment)


def check_request(request: BackfillRequest, *, as_of: datetime, languages: Collection[str]) -> None:
    """Check that a backfill with this request could select anything.

    Args:
        request: As returned by `normalised`.
        as_of: The current time, UTC.
        languages: Languages that the engine supports.

    Raises:
        ParametersRefused: If not; the error says what to change.
    """
    check_languages(request.languages)
    for conversation_id in request.conversation_ids:
        required(conversation_id, "One of `conversation_ids`")
    problem = _problem(request, as_of, languages)
    if problem is not None:
        raise ParametersRefused(problem)


def _problem(request: BackfillRequest, as_of: datetime, languages: Collection[str]) -> str | None:
    start, end = request.start, request.end
    if start is not None and end is not None and start >= end:
        return (
            "`start` must be before `end`: the window holds messages sent at or after `start` and "
            "before `end`."
        )
    if start is not None and start >= as_of:
        return "`start` is in the future, where no message has been sent yet."
    if request.languages and not set(request.languages) & set(languages):
        return (
            f"No engine analyses {', '.join(request.languages)}. Choose from "
            f"{', '.join(languages)}, or leave `languages` empty."
        )
    return None


def contradicts(stated: BackfillRequest, stored: BackfillRequest) -> bool:
    """Return whether a run that resumes a backfill states another selection than the backfill's.

    A run that states none, because all parameters have their defaults, does not.

    Args:
        stated: The run's request, as returned by `normalised`.
        stored: The backfill's.
    """
    selection = replace(stated, newest_first=stored.newest_first, canary_size=stored.canary_size)
    none = replace(
        BackfillRequest(BackfillSelection.OUTDATED),
        newest_first=stored.newest_first,
        canary_size=stored.canary_size,
    )
    return selection not in (none, stored)


def fingerprint(request: BackfillRequest, releases: Sequence[EngineRelease], reason: str) -> str:
    """Return a SHA-256 in hexadecimal that identifies a backfill.

    Args:
        request: As returned by `normalised`.
        releases: Those whose analyses are current: of the engine asked for, or of all engines.
        reason: The reason given for the backfill.
    """
    facts = {
        "request": asdict(request),
        "releases": [asdict(release) for release in releases],
        "reason": reason,
    }
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()


def estimate(
    plan: BackfillPlan,
    *,
    engine: AnalysisEngine,
    limit: int | None,
    cores: int,
    times_real_time: float | None,
    prices: PriceBook,
) -> BackfillEstimate:
    """Estimate the time and cost of a backfill.

    Args:
        plan: What would be analysed.
        engine: The engine that would analyse it.
        limit: Maximum number of messages; None: all.
        cores: Cores that analyse in parallel.
        times_real_time: Recent pace of one core, in seconds of audio per second; None if unknown.
        prices: Prices of the bucket.
    """
    messages = plan.messages if limit is None else min(limit, plan.messages)
    share = messages / plan.messages if plan.messages else 0.0
    pace = times_real_time or PROMISED_TIMES_REAL_TIME[engine]
    audio_hours = share * plan.audio_seconds / 3600
    cpu_hours = audio_hours / pace
    return BackfillEstimate(
        messages=messages,
        audio_hours=audio_hours,
        cpu_hours=cpu_hours,
        wall_hours=cpu_hours / cores,
        cpu_usd=cpu_hours * CPU_USD_PER_HOUR,
        reading_usd=messages / 1000 * prices.read_usd_per_1000
        + share * plan.bytes / BYTES_PER_GB * prices.transfer_usd_per_gb,
        times_real_time=pace,
        is_measured=times_real_time is not None,
    )


def objection(
    comparison: Comparison | None,
    sample: BackfillProgress,
    broken: int,
    lost_accuracies: int = 0,
    *,
    max_mean_shift: float,
) -> str | None:
    """Return why the rest of a backfill needs approval after the first sample; None if it does not.

    Args:
        comparison: How the sample's scores changed; None if there was nothing to compare with.
        sample: Outcomes of the sample.
        broken: Number of the sample's analyses that break rules of data quality.
        lost_accuracies: Number of the sample's messages whose accuracy the engine does not score.
        max_mean_shift: Points by which a mean score may change, up or down.
    """
    analysed = sample.outcomes[BackfillOutcome.ANALYZED]
    attempted = sample.failed + analysed
    if 100 * sample.failed > MOST_FAILED_PERCENT * attempted:
        messages = counted(attempted, "message")
        return f"{sample.failed} of the first sample's {messages} could not be analysed"
    if broken:
        return (
            f"{broken} of the first sample's {counted(analysed, 'analysis', 'analyses')} "
            f"{agreeing(broken, 'breaks', 'break')} rules of data quality"
        )
    if lost_accuracies:
        return (
            f"{lost_accuracies} of the first sample's {counted(analysed, 'message')} "
            f"{agreeing(lost_accuracies, 'loses its', 'lose their')} accuracy, which this engine "
            "does not score"
        )
    if comparison is None:
        return None
    for name, change in (("accuracy", comparison.accuracy), ("fluency", comparison.fluency)):
        if abs(change.mean_shift) > max_mean_shift:
            return (
                f"mean {name} moved by {change.mean_shift:+.1f} points over the "
                f"first sample's {counted(change.messages, 'message')}, more than "
                f"{max_mean_shift:g}"
            )
    return None

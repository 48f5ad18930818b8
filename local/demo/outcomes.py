"""The outcomes of the demo's messages, compared with the expected ones."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, select

from local.demo.recordings import Recording
from schema.states import ProcessingState
from schema.tables.app import Message
from schema.wording import counted

SETTLED = frozenset({ProcessingState.ANALYZED, ProcessingState.FAILED})
# Which real learners can be analysed is not known beforehand; nearly all can.
MIN_ANALYZED_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message as the app sees it."""

    state: ProcessingState
    error: str | None
    accuracy: int | None
    fluency: int | None
    words_per_minute: int | None


def read_outcomes(engine: Engine, message_ids: Collection[str]) -> dict[str, Outcome]:
    """Return every message's outcome so far, by message id."""
    query = select(
        Message.id,
        Message.audio_processing_state,
        Message.audio_processing_error,
        Message.pronunciation_score,
        Message.fluency_score,
        Message.speech_rate_wpm,
    ).where(Message.id.in_(message_ids))
    with engine.connect() as connection:
        return {
            message_id: Outcome(ProcessingState(state), *facts)
            for message_id, state, *facts in connection.execute(query)
        }


def count_states(outcomes: Mapping[str, Outcome]) -> Counter[ProcessingState]:
    """Count the messages in each state."""
    return Counter(outcome.state for outcome in outcomes.values())


def surprise(recording: Recording, outcome: Outcome) -> str | None:
    """Return how the outcome differs from the expected one; None if it does not."""
    expected = recording.expected
    if expected is not None and outcome.state is not expected.state:
        return f"should be {expected.state}"
    if expected is not None and expected.error not in (outcome.error or ""):
        return f"should say {expected.error!r}"
    if expected is None and outcome.state not in SETTLED:
        return "should be analyzed or failed"
    if outcome.state is ProcessingState.FAILED and not outcome.error:
        return "should say why"
    if outcome.state is not ProcessingState.ANALYZED:
        return None
    if None in (outcome.fluency, outcome.words_per_minute):
        return "should have a fluency and a rate"
    if (outcome.accuracy is None) == (recording.language == "en"):
        return "should have an accuracy in English, and only there"
    return None


def surprises(
    recordings: Mapping[str, Recording], outcomes: Mapping[str, Outcome]
) -> dict[str, str]:
    """Return how outcomes differ from the expected ones, by message id; missing messages too."""
    found = dict.fromkeys(recordings.keys() - outcomes, "has vanished from the database")
    for message_id, outcome in outcomes.items():
        reason = surprise(recordings[message_id], outcome)
        if reason is not None:
            found[message_id] = reason
    return found


def complaint(
    recordings: Mapping[str, Recording],
    outcomes: Mapping[str, Outcome],
    unexpected: Mapping[str, str],
) -> str | None:
    """Return what is wrong with the outcomes altogether; None if nothing is."""
    if unexpected:
        return (
            f"{len(unexpected)} of {counted(len(recordings), 'recording')} did not end as "
            "expected; "
            "the table marks them with ✗"
        )
    real = {key: outcomes[key] for key, recording in recordings.items() if recording.experts}
    analyzed = count_states(real)[ProcessingState.ANALYZED]
    if analyzed < MIN_ANALYZED_SHARE * len(real):
        return f"only {analyzed} of {len(real)} real learners were analysed; the table says why"
    return None

"""What a flow's process and an analysis process say to each other: bytes with a schema.

A frame is its length in four bytes, most significant first, and so many bytes. A request is two
frames, JSON and the recording; the answer is one, JSON. Before it answers, an analysis process may
ask for a text to be read aloud, which it cannot do itself: a frame that begins with `ASK`, answered
by two, JSON and PCM16. The side that decodes recordings is not trusted: its questions and its
answer are bounded and checked, and what it need not say it cannot say, such as which message it
analysed.
"""

import struct
from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schema.documents import Analysis, Count, Text
from schema.states import FailureCause
from speech.feedback.texts import DEFAULT_LANGUAGE
from speech.synthetic_voice import FASTEST_WPM, SLOWEST_WPM
from speech.waveform import MAX_CHANNELS, MAX_RATE_HZ, MAX_SECONDS

A = TypeVar("A", "AnalysedAnswer", "DescribedAnswer")

# Orders to the server, one byte each, answered by a line of JSON.
START: Final = b"+"  # with a socket: fork a process that listens to it; answered by its id
END: Final = b"-"  # kill it; answered by its exit code

ASK: Final = b"?"  # no document in JSON begins with it
MOST_QUESTIONS: Final = 2  # of one analysis
VOICE_RATE_HZ: Final = 22_050  # of all voices of espeak-ng
MOST_VOICE_BYTES: Final = 2**28
MOST_MARKS_BYTES: Final = 2**26

MAX_REASON_CHARACTERS: Final = 500
# An analysis takes up to 350 bytes for each character of the text; parsed, some twenty times that.
_LEAST_ANSWER_BYTES: Final = 2**16
_ANSWER_BYTES_PER_CHARACTER: Final = 2**10
_MOST_ANSWER_BYTES: Final = 2**24
_SPOKEN_PER_WRITTEN: Final = 20  # a digit may be several words
_LENGTH: Final = struct.Struct("!I")


class _Message(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # the input is what the learner said
    )


class Request(_Message):
    """Analyse a recording of a text; without one, only describe the recording."""

    text: str | None
    language: str = ""
    engine: str = ""
    feedback_language: str = DEFAULT_LANGUAGE
    audio_format: str | None = None  # as declared by the app, like the next two
    sample_rate_hz: int | None = None
    channels: int | None = None


class Reading(_Message):
    """Read a text aloud."""

    text: str
    voice: Annotated[str, Field(pattern=r"^[a-z0-9+-]{1,20}$")]
    words_per_minute: Annotated[int, Field(ge=SLOWEST_WPM, le=FASTEST_WPM)]
    pitch: Annotated[int, Field(ge=0, le=99)] = 50


class ReadAloud(_Message):
    """What was read: words by their first code point, phones in IPA, and when each began, ms."""

    words: list[tuple[int, Count]]
    phones: list[tuple[str, Count]]


class AnalysedAnswer(_Message):
    """The analysis."""

    kind: Literal["analysed"] = "analysed"
    audio_seconds: Annotated[float, Field(ge=0, le=MAX_SECONDS + 1)]
    analysis: Analysis


class FailedAnswer(_Message):
    """Why there is no analysis."""

    kind: Literal["failed"] = "failed"
    cause: Literal[
        FailureCause.UNDECODABLE,
        FailureCause.TOO_LONG,
        FailureCause.NO_SPEECH,
        FailureCause.EMPTY_TEXT,
        FailureCause.UNSUPPORTED_LANGUAGE,
        FailureCause.TEXT_MISMATCH,
        FailureCause.ENGINE_ERROR,
        FailureCause.DECODER_MISSING,
        FailureCause.CRASHED,
    ]
    reason: Annotated[Text, Field(max_length=MAX_REASON_CHARACTERS)]


class DescribedAnswer(_Message):
    """Properties of a recording; None if unknown."""

    kind: Literal["described"] = "described"
    format: Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$")] | None
    sample_rate_hz: Annotated[int, Field(ge=1, le=MAX_RATE_HZ)] | None
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)] | None
    duration_ms: Count | None


Answer = AnalysedAnswer | FailedAnswer | DescribedAnswer
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


def read_answer(answer: bytes, expected: type[A]) -> A | FailedAnswer:
    """Check an answer.

    Raises:
        ValueError: If it is invalid, or neither of the expected kind nor a failure.
    """
    checked = _ANSWER.validate_json(answer, strict=True)
    if isinstance(checked, expected | FailedAnswer):
        return checked
    message = f"an answer of the kind {checked.kind}"
    raise ValueError(message)


def question(frame: bytes, request: Request) -> Reading | None:
    """Return what an analysis process asks for; None if the frame is its answer.

    Raises:
        ValueError: If it asks for more than the request's text can need.
    """
    if not frame.startswith(ASK):
        return None
    asked = Reading.model_validate_json(frame.removeprefix(ASK), strict=True)
    if len(asked.text) > _SPOKEN_PER_WRITTEN * (len(request.text or "") + 1):
        message = f"{len(asked.text)} characters to read for a text of {len(request.text or '')}"
        raise ValueError(message)
    return asked


def most_answer_bytes(request: Request) -> int:
    """Return how long the answer to a request may be."""
    of_text = _LEAST_ANSWER_BYTES + _ANSWER_BYTES_PER_CHARACTER * len(request.text or "")
    return min(_MOST_ANSWER_BYTES, of_text)


def head(data: bytes) -> bytes:
    """Return the head of the frame that holds `data`."""
    return _LENGTH.pack(len(data))


def read_frame(read: Callable[[int], bytes], most_bytes: int) -> bytes:
    """Read a frame.

    Args:
        read: Returns exactly so many bytes, fewer only at the end of the stream.
        most_bytes: Length that is still accepted.

    Raises:
        EOFError: If the stream ended before or inside the frame.
        ValueError: If the frame is longer.
    """
    (length,) = _LENGTH.unpack(_exactly(read, _LENGTH.size))
    if length > most_bytes:
        message = f"a frame of {length} bytes; at most {most_bytes} are accepted"
        raise ValueError(message)
    return _exactly(read, length)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise EOFError
    return data

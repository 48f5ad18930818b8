"""Synthetic learners for the demo: the same in every run, some with deliberate faults."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from local.demo import recordings as encodings
from local.demo.recordings import (
    ANALYZED,
    UNTOUCHED,
    Encoding,
    Expected,
    Learner,
    Recording,
    encode,
)
from local.demo.synthesis import SAMPLE_RATE_HZ, Voice, speak
from schema.states import ProcessingState, UserTier

_SEED = 20251013
_MARGIN_SECONDS = 0.3  # silence before and after the speech


class Fault(Enum):
    """What is wrong with a recording, deliberately."""

    SILENT = auto()
    TRUNCATED = auto()
    MISSING = auto()
    TYPED = auto()  # a typed message without a recording, which is no error


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One spoken turn.

    Attributes:
        text: The message; `|` marks a pause in speaking.
        spoken: What is spoken; by default the text.
        noise_db: Level of white noise relative to the speech.
    """

    text: str
    encoding: Encoding = encodings.RAW_PCM16
    pause_seconds: float = 0.6
    noise_db: float | None = None
    spoken: str | None = None
    fault: Fault | None = None
    expected: Expected = ANALYZED


def _failed(error: str) -> Expected:
    return Expected(ProcessingState.FAILED, error)


@dataclass(frozen=True, slots=True)
class Part:
    """A learner's conversation."""

    learner: Learner
    voice: Voice
    turns: tuple[Turn, ...]
    language: str = "en"


PARTS = (
    Part(
        Learner("Maya", UserTier.FREE),
        Voice("en-us+f4", 145, 55),
        (
            Turn(text="Good morning, how are you today?"),
            Turn(text="I would like a cup of coffee | and a piece of cake, please."),
            Turn(text="Does this bus stop at the museum?", encoding=encodings.WAV_16K),
        ),
    ),
    Part(
        Learner("Callum", UserTier.PLUS),
        Voice("en-gb-scotland+m3", 145, 45),
        (
            Turn(text="This soup is too salty for me."),
            Turn(text="We went to the beach | but it rained all day.", pause_seconds=1.2),
            Turn(text="I have lived in this town for three years.", encoding=encodings.WAV_44K),
        ),
    ),
    Part(
        Learner("Shanice", UserTier.PREMIUM),
        Voice("en-029+f4", 120, 60),
        (
            Turn(text="We are planning a trip to the lake.", encoding=encodings.FLAC),
            Turn(text="My train arrives on Sunday evening."),
            Turn(text="They are building a new school in our street.", encoding=encodings.OGG),
        ),
    ),
    Part(
        Learner("Oliver", None),
        Voice("en+m4", 120, 40),
        (
            Turn(text="Do you sell fresh fish?"),
            Turn(text="I was born in a small village.", encoding=encodings.G711_ULAW),
            Turn(
                text="I am learning English | because | I want to study abroad.",
                encoding=encodings.G711_ALAW,
            ),
        ),
    ),
    Part(
        Learner("Guest", UserTier.GUEST),
        Voice("en-us-nyc+m1", 150, 50),
        (
            Turn(text="Let's meet in front of the cinema.", encoding=encodings.MP3),
            Turn(text="It is 25 degrees today.", noise_db=-25.0),
        ),
    ),
    Part(
        Learner("Claire", UserTier.FREE),
        Voice("fr+f4", 130, 55),
        (
            Turn(text="She bought a red dress for the party.", encoding=encodings.WAV_48K_STEREO),
            Turn(text="The weather is better today.", noise_db=-30.0),
        ),
    ),
    Part(
        Learner("Priya", UserTier.PLUS),
        Voice("hi+f1", 140, 55),
        (
            Turn(text="My father is a teacher and my mother is a nurse.", encoding=encodings.MP3),
            Turn(text="Um, my favourite season is, uh, the summer."),
        ),
    ),
    Part(
        Learner("Tomás", None),
        Voice("en-us+m7", 150, 50),
        (
            Turn(
                text="I forgot to switch my microphone on.",
                fault=Fault.SILENT,
                expected=_failed("No speech"),
            ),
            Turn(
                text="My phone is broken, so I cannot call you.",
                spoken="Could you tell me where the station is?",
                expected=_failed("does not match"),
            ),
            Turn(
                text="The connection broke while I was speaking.",
                encoding=encodings.FLAC,
                fault=Fault.TRUNCATED,
                expected=_failed("cannot be decoded"),
            ),
            Turn(
                text="Somebody deleted this recording.",
                fault=Fault.MISSING,
                expected=_failed("not in the bucket"),
            ),
            Turn(text="I only typed this one.", fault=Fault.TYPED, expected=UNTOUCHED),
        ),
    ),
    Part(
        Learner("Hana", UserTier.PREMIUM),
        Voice("ja+f4", 130, 55),
        (
            Turn(
                text="昨日 友達と 映画を 見ました。", spoken="キノー トモダチト エイガオ ミマシタ。"
            ),
            Turn(
                text="駅は どこですか。 | 切符を 二枚 ください。",
                spoken="エキワ ドコデスカ。 | キップオ ニマイ クダサイ。",
                pause_seconds=1.2,
            ),
        ),
        language="ja",
    ),
    Part(
        Learner("Lucía", UserTier.FREE),
        Voice("es-419+f4", 130, 50),
        (Turn(text="Hoy hace mucho calor, pero mañana va a llover."),),
        language="es",
    ),
    Part(
        Learner("Jonas", None),
        Voice("de+m3", 140, 45),
        (Turn(text="Wo ist der nächste Bahnhof?", encoding=encodings.FLAC),),
        language="de",
    ),
    Part(
        Learner("Wei", UserTier.PLUS),
        Voice("cmn+f4", 140, 50),
        (Turn(text="我想预订一张四个人的桌子。", encoding=encodings.OGG),),
        language="zh",
    ),
    Part(
        Learner("Minjun", UserTier.FREE),
        Voice("ko+m3", 140, 45),
        (Turn(text="가장 가까운 기차역이 어디에 있어요?", encoding=encodings.MP3),),
        language="ko",
    ),
)


def record_all() -> Iterator[Recording]:
    """Record every turn; each takes about a tenth of a second."""
    rng = np.random.default_rng(_SEED)
    for part in PARTS:
        for turn in part.turns:
            yield _record(part, turn, rng)


def _record(part: Part, turn: Turn, rng: np.random.Generator) -> Recording:
    samples = _perform(turn, part.voice, rng)
    audio = encode(samples, SAMPLE_RATE_HZ, turn.encoding)
    if turn.fault is Fault.TRUNCATED:
        audio = audio[: len(audio) // 5]
    return Recording(
        learner=part.learner,
        text=turn.text.replace(" | ", " "),
        language=part.language,
        audio=None if turn.fault is Fault.TYPED else audio,
        encoding=turn.encoding,
        duration_seconds=len(samples) / SAMPLE_RATE_HZ,
        is_missing=turn.fault is Fault.MISSING,
        expected=turn.expected,
    )


def _perform(turn: Turn, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """Speak a turn with its pauses, silence and noise; mono at `SAMPLE_RATE_HZ`."""
    margin = _silence(_MARGIN_SECONDS)
    parts = [margin]
    for phrase in (turn.spoken or turn.text).split("|"):
        parts += [speak(phrase.strip(), voice), _silence(turn.pause_seconds)]
    samples = np.concatenate([*parts[:-1], margin])
    if turn.fault is Fault.SILENT:
        return np.zeros_like(samples)
    if turn.noise_db is not None:
        level = np.sqrt(np.mean(samples**2)) * 10 ** (turn.noise_db / 20)
        samples += rng.normal(0.0, level, len(samples)).astype(np.float32)
    return samples


def _silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)

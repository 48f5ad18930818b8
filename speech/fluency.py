"""Pauses, hesitations and rates of one utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# Published cut-offs run from 0.1 to 1.0 s; De Jong & Bosker (2013), "Choosing a threshold for
# silent pauses to measure second language fluency", find that 0.25 s separates speakers best.
PAUSE_SECONDS: Final = 0.25
# Word edges are multiples of 10 ms as floats; rounding can put a pause of 0.25 s just below it.
_ROUNDING_SECONDS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One written word as spoken; times in seconds.

    Attributes:
        start: When it begins.
        end: When it ends; not before `start`.
        count: Number of spoken words: "1999" is one written word and three spoken.
        is_hesitation: Whether it is a filler, or a repeat that the text does not contain.
    """

    start: float
    end: float
    count: int = 1
    is_hesitation: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence of at least `PAUSE_SECONDS` between two written words; times in seconds."""

    after: int  # index of the word before it
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Fluency:
    """Measures over the span from the first word's start to the last word's end.

    Silence before and after depends on the recorder, not on the speaker.

    Attributes:
        speech_rate_wpm: Words per minute over the whole span.
        articulation_rate_wpm: Words per minute over the span without pauses; never below
            `speech_rate_wpm`.
        speech_seconds: The span without its pauses.
        pauses: In order.
        hesitations: Number of hesitations; they take time but do not count as words
            ("pruned" rates, Lennon 1990).
    """

    speech_rate_wpm: float
    articulation_rate_wpm: float
    speech_seconds: float
    pauses: tuple[Pause, ...]
    hesitations: int

    @property
    def pause_seconds(self) -> float:
        """Length of all pauses together."""
        return sum(pause.seconds for pause in self.pauses)

    @property
    def longest_pause_seconds(self) -> float:
        """Length of the longest pause; 0 without one."""
        return max((pause.seconds for pause in self.pauses), default=0.0)

    @property
    def average_pause_seconds(self) -> float:
        """Mean length of a pause; 0 without one."""
        return self.pause_seconds / len(self.pauses) if self.pauses else 0.0


def fluency(words: Sequence[SpokenWord]) -> Fluency:
    """Measure one utterance.

    Args:
        words: At least one, in order, not overlapping.

    Raises:
        ValueError: If the words take no time.
    """
    pauses = tuple(
        Pause(index, word.end, following.start)
        for index, (word, following) in enumerate(pairwise(words))
        if following.start - word.end >= PAUSE_SECONDS - _ROUNDING_SECONDS
    )
    span = words[-1].end - words[0].start
    speech_seconds = span - sum(pause.seconds for pause in pauses)
    if speech_seconds <= 0:
        msg = f"{len(words)} words take {speech_seconds:.2f} s; they must take some time."
        raise ValueError(msg)
    count = sum(word.count for word in words if not word.is_hesitation)
    return Fluency(
        speech_rate_wpm=60 * count / span,
        articulation_rate_wpm=60 * count / speech_seconds,
        speech_seconds=speech_seconds,
        pauses=pauses,
        hesitations=sum(word.is_hesitation for word in words),
    )

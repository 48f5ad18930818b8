"""Combine written words, the spoken words they were aligned as, hesitations and pauses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from speech.alignment.forced import AlignedWord, Alignment
from speech.analysis import SpeechTiming
from speech.fluency import Pause, SpokenWord
from speech.text.transcript import Word


@dataclass(frozen=True, slots=True)
class Utterance:
    """A written word as spoken, or a hesitation that is not in the text.

    Anything between the parts of a written word, silence included, belongs to that word: it adds
    to its duration and is not a separate pause or hesitation.

    Attributes:
        word: As written; None for a filler or a false start that is not in the text.
        count: Number of spoken words: "1999" has three; 1 for a hesitation.
        start: Seconds from the beginning of the recording.
        end: Likewise.
    """

    word: Word | None
    count: int
    start: float
    end: float

    @property
    def is_hesitation(self) -> bool:
        """Whether it is a filler, or a repeat that is not in the text."""
        return self.word is None or self.word.is_hesitation


def by_written_word(
    words: Sequence[Word], alignment: Alignment
) -> list[tuple[Word, tuple[AlignedWord, ...]]]:
    """Pair each written word with the spoken words it was aligned as."""
    spoken = iter(alignment.words)
    return [(word, tuple(islice(spoken, len(word.spoken)))) for word in words]


def utterances(words: Sequence[Word], alignment: Alignment) -> list[Utterance]:
    """Return words and hesitations in order of time, without overlap."""
    said = [
        Utterance(word, len(parts), parts[0].start, parts[-1].end)
        for word, parts in by_written_word(words, alignment)
    ]
    several = [one for one in said if one.count > 1]
    heard = [
        Utterance(None, 1, extra.start, extra.end)
        for extra in alignment.extras
        if extra.kind in {"filler", "repeat"}
        and not any(one.start < extra.start < one.end for one in several)
    ]
    return sorted(said + heard, key=lambda utterance: utterance.start)


def spoken_words(said: Sequence[Utterance]) -> list[SpokenWord]:
    """Convert to the input of `speech.fluency.fluency`."""
    return [SpokenWord(one.start, one.end, one.count, one.is_hesitation) for one in said]


def timings(
    said: Sequence[Utterance], pauses: Iterable[Pause], confidences: Sequence[float | None]
) -> list[SpeechTiming]:
    """Return words, hesitations and pauses in order of time.

    Args:
        said: Words and hesitations in order.
        pauses: The pauses between them.
        confidences: One for each word; hesitations that are not in the text have none.
    """
    by_place = {pause.after: pause for pause in pauses}
    sure = iter(confidences)
    found: list[SpeechTiming] = []
    place = 0  # in the text, where the previous word ends
    for index, one in enumerate(said):
        if one.word is None:
            found.append(_nothing_written(one, place, is_pause=False))
        else:
            found.append(_written(one.word, one, next(sure)))
            place = one.word.char_end
        if pause := by_place.get(index):
            found.append(_nothing_written(pause, place, is_pause=True))
    return found


def _written(word: Word, one: Utterance, confidence: float | None) -> SpeechTiming:
    return SpeechTiming(
        word=word.text,
        start_ms=milliseconds(one.start),
        end_ms=milliseconds(one.end),
        char_start=word.char_start,
        char_end=word.char_end,
        confidence=confidence,
        is_pause=False,
        is_hesitation=word.is_hesitation,
    )


def _nothing_written(one: Utterance | Pause, place: int, *, is_pause: bool) -> SpeechTiming:
    start, end = milliseconds(one.start), milliseconds(one.end)
    return SpeechTiming("", start, end, place, place, None, is_pause, not is_pause)


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds, as columns and documents hold."""
    return round(1000 * seconds)

"""Combine written words, the spoken words they were aligned as, and hesitations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from speech.alignment.forced import AlignedWord, Alignment
from speech.fluency import SpokenWord
from speech.text.transcript import Word


@dataclass(frozen=True, slots=True)
class Utterance:
    """A written word as spoken, or a hesitation that is not in the text.

    Anything between the parts of a written word, silence included, belongs to that word: it adds
    to its duration and is not a separate pause or hesitation.

    Attributes:
        word: As written; None for a filler or a false start that is not in the text.
        parts: The spoken words of a written one: "1999" has three.
        start: Seconds from the beginning of the recording.
        end: Likewise.
    """

    word: Word | None
    parts: tuple[AlignedWord, ...]
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
        Utterance(word, parts, parts[0].start, parts[-1].end)
        for word, parts in by_written_word(words, alignment)
    ]
    several = [one for one in said if len(one.parts) > 1]
    heard = [
        Utterance(None, (), extra.start, extra.end)
        for extra in alignment.extras
        if extra.kind in {"filler", "repeat"}
        and not any(one.start < extra.start < one.end for one in several)
    ]
    return sorted(said + heard, key=lambda utterance: utterance.start)


def spoken_words(said: Sequence[Utterance]) -> list[SpokenWord]:
    """Convert to the input of `speech.fluency.fluency`."""
    return [
        SpokenWord(one.start, one.end, max(len(one.parts), 1), one.is_hesitation) for one in said
    ]

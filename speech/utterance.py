"""Written words and the spoken words they were aligned as, put together."""

from collections.abc import Sequence
from itertools import islice

from speech.alignment.interim import AlignedWord, Alignment
from speech.fluency import SpokenWord
from speech.text.transcript import Word


def by_written_word(
    words: Sequence[Word], alignment: Alignment
) -> list[tuple[Word, tuple[AlignedWord, ...]]]:
    """Pair each written word with the spoken words that it was said in: "1999" has three."""
    spoken = iter(alignment.words)
    return [(word, tuple(islice(spoken, len(word.spoken)))) for word in words]


def spoken_words(words: Sequence[Word], alignment: Alignment) -> list[SpokenWord]:
    """What fluency is measured on."""
    return [
        SpokenWord(parts[0].start, parts[-1].end, len(parts), word.is_hesitation)
        for word, parts in by_written_word(words, alignment)
    ]

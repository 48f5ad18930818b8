"""A synthetic voice as engines see it that compare a recording with one.

`speech` starts no programs: whoever calls such an engine lends it the voice.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from speech.waveform import SAMPLE_RATE_HZ

_VOWELS: Final = frozenset("aeiouyæøœɐɑɒɔəɘɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏᵻ")  # noqa: RUF001 - IPA
_SYLLABIC: Final = "\u0329"  # the mark of a consonant that is a syllable

# espeak-ng's slowest and fastest.
SLOWEST_WPM: Final = 80
FASTEST_WPM: Final = 450


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticSpeech:
    """A text as the voice read it; times in seconds from the first sample.

    Attributes:
        waveform: Shape (n,), float32, mono at 16 kHz.
        words: For each word that the voice told apart: its first code point in the text, and when
            it begins. Ascending; words that run together, such as "of the", may be one.
        phones: Each phone in IPA, and when it begins; "" is a pause.
    """

    waveform: NDArray[np.float32]
    words: tuple[tuple[int, float], ...]
    phones: tuple[tuple[str, float], ...]

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.waveform) / SAMPLE_RATE_HZ


class Speak(Protocol):
    """Reads a text aloud."""

    def __call__(self, text: str, *, voice: str, words_per_minute: int) -> SyntheticSpeech:
        """Read a text.

        Args:
            text: Without markup.
            voice: A voice of espeak-ng, such as `ja`.
            words_per_minute: Between `SLOWEST_WPM` and `FASTEST_WPM`.
        """


def is_vowel(phone: str) -> bool:
    """Return whether a phone in IPA is the nucleus of a syllable; a diphthong is one phone."""
    return not _VOWELS.isdisjoint(phone) or _SYLLABIC in phone

"""How fast native speakers speak, by language: what a learner's rate is compared with.

Rates leave out pauses (articulation rates) unless `includes_pauses` says otherwise. A speech rate
with pauses is lower than an articulation rate, and reading differs from conversation, so compare
only like with like.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Final, Literal

# Coupé, Oh, Dediu & Pellegrino 2019, "Different languages, similar encoding efficiency", Science
# Advances 5 (doi 10.1126/sciadv.aaw2594). Computed from the table of their supplement,
# InfoRateData.csv: the syllables of all texts that a speaker read aloud by their duration, in which
# pauses longer than 150 ms are left out; mean and standard deviation over ten speakers. Japanese is
# in syllables too, not morae: the paper finds 643 different ones.
_COUPE: Final = "Coupé, Oh, Dediu & Pellegrino 2019"
# Verhoeven, De Pauw & Kloots 2004, "Speech rate in a pluricentric language", Language and Speech 47
# (doi 10.1177/00238309040470030401): speakers in the Netherlands. In Belgium it is 4.23.
_VERHOEVEN: Final = "Verhoeven, De Pauw & Kloots 2004"
# Santos et al. 2019, "Velocidade da fala de adultos pessoenses sem transtornos da fluência",
# Revista Brasileira de Ciências da Saúde 23 (doi 10.22478/ufpb.2317-6032.2019v23n2.48420).
_SANTOS: Final = "Santos et al. 2019"


@dataclass(frozen=True, slots=True)
class NativeRate:
    """The rate of native speakers, in syllables per second.

    Attributes:
        mean: Over speakers.
        deviation: Standard deviation over speakers; None where the source states none.
        style: Kind of speech.
        source: Authors and year; the module cites the works.
        speakers: Number of speakers.
        includes_pauses: Whether pauses count: a speech rate, not an articulation rate.
    """

    mean: float
    deviation: float | None
    style: Literal["read", "spontaneous"]
    source: str
    speakers: int
    includes_pauses: bool = False


# None: no published figure was found.
NATIVE_RATES: Final[Mapping[str, NativeRate | None]] = {
    "en": NativeRate(6.37, 0.52, "read", _COUPE, 10),
    "ja": NativeRate(8.02, 0.46, "read", _COUPE, 10),
    "zh": NativeRate(5.83, 0.55, "read", _COUPE, 10),
    "ko": NativeRate(7.10, 0.76, "read", _COUPE, 10),
    "vi": NativeRate(5.29, 0.68, "read", _COUPE, 10),
    "tr": NativeRate(7.03, 0.74, "read", _COUPE, 10),
    "es": NativeRate(7.71, 0.29, "read", _COUPE, 10),
    "fr": NativeRate(6.86, 0.57, "read", _COUPE, 10),
    "de": NativeRate(6.08, 0.93, "read", _COUPE, 10),
    "it": NativeRate(7.06, 1.03, "read", _COUPE, 10),
    "nl": NativeRate(5.05, None, "spontaneous", _VERHOEVEN, 80),
    "pt": NativeRate(4.20, None, "spontaneous", _SANTOS, 139, includes_pauses=True),
    "hi": None,
    "ru": None,
    "id": None,
    "fil": None,
}

# For languages without a figure of this kind, and for Portuguese, whose includes pauses: the mean
# over the languages that Coupé et al. measured and that are listed here.
MEAN_RATE: Final = mean(
    rate.mean for rate in NATIVE_RATES.values() if rate and rate.source == _COUPE
)

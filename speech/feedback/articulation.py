"""Words in which each sound of American English is heard: to name it, and to practise it.

How the sounds are made is explained in the messages `how` of `speech/feedback/languages`, after
Ladefoged & Johnson (2014), A Course in Phonetics, ch. 3 and 4; Roach (2009), English Phonetics and
Phonology, ch. 2 to 7; Celce-Murcia, Brinton & Goodwin (2010), Teaching Pronunciation, ch. 3 and 4.
Practice words are common ones, with the sound in several places.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Articulation:
    """One sound.

    Attributes:
        examples: Two well-known words that contain it, to identify the sound.
        practice: Common words that contain it.
    """

    examples: tuple[str, str]
    practice: tuple[str, ...]


def _sound(examples: str, practice: str) -> Articulation:
    first, second = examples.split()
    return Articulation((first, second), tuple(practice.split()))


# By ARPAbet. cmudict here has no stress marks: AH is the vowel of "cup" and the schwa of "about".
ARTICULATIONS: Final = {
    "AA": _sound("father hot", "stop job watch problem doctor"),
    "AE": _sound("cat man", "bad happy family apple black"),
    "AH": _sound("cup about", "cup love money mother another"),
    "AO": _sound("saw law", "talk small story morning saw"),
    "AW": _sound("now house", "now house down mouth about"),
    "AY": _sound("my time", "my time like night buy"),
    "EH": _sound("bed red", "bed ten friend help ready"),
    "ER": _sound("bird her", "her girl work first learn"),
    "EY": _sound("day make", "day name rain late paper"),
    "HH": _sound("he house", "house hand help happy behind"),
    "IH": _sound("sit big", "sit big fish milk give"),
    "IY": _sound("see eat", "see eat need green people"),
    "OW": _sound("go home", "go home road open know"),
    "OY": _sound("boy voice", "boy voice point noise enjoy"),
    "UH": _sound("good book", "good book look put foot"),
    "UW": _sound("too food", "too food school blue moon"),
    "B": _sound("big job", "big back table number job"),
    "CH": _sound("chair much", "chair teacher kitchen watch much"),
    "D": _sound("day red", "day door ready good red"),
    "DH": _sound("this mother", "this they mother weather together"),
    "F": _sound("fish life", "fish food coffee life enough"),
    "G": _sound("go big", "go good again begin big"),
    "JH": _sound("job page", "job just enjoy large page"),
    "K": _sound("key make", "key cat school make work"),
    "L": _sound("light all", "light like yellow help school"),
    "M": _sound("man home", "man make summer time home"),
    "N": _sound("no sun", "no name dinner rain sun"),
    "NG": _sound("sing long", "sing long young song morning"),
    "P": _sound("pen map", "pen people happy stop map"),
    "R": _sound("red sorry", "red right road sorry story"),
    "S": _sound("see class", "sun city lesson class house"),
    "SH": _sound("she fish", "she shop shoe fish wash"),
    "T": _sound("tea late", "tea time hotel late sit"),
    "TH": _sound("think month", "think three birthday month mouth"),
    "V": _sound("very love", "very visit seven give love"),
    "W": _sound("we away", "we water week window always"),
    "Y": _sound("yes you", "yes you young year music"),
    "Z": _sound("zoo easy", "zero easy music please nose"),
    "ZH": _sound("pleasure usually", "usually pleasure television measure decision"),
}

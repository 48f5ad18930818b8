# ruff: noqa: RUF001 - IPA letters look like other characters
"""The 39 phones of American English: ARPAbet as in cmudict, their IPA symbols and kinds.

IPA after the usual broad transcription of General American (Ladefoged & Johnson 2014, ch. 4).
cmudict in the pocketsphinx wheel has no stress marks, so `AH` stands for both ʌ and ə; it is
written as ʌ, the symbol of learners' dictionaries for the stressed vowel.
"""

from typing import Final

VOWELS: Final = {
    "AA": "ɑ",
    "AE": "æ",
    "AH": "ʌ",
    "AO": "ɔ",
    "AW": "aʊ",
    "AY": "aɪ",
    "EH": "ɛ",
    "ER": "ɝ",
    "EY": "eɪ",
    "IH": "ɪ",
    "IY": "i",
    "OW": "oʊ",
    "OY": "ɔɪ",
    "UH": "ʊ",
    "UW": "u",
}

CONSONANTS: Final = {
    "B": "b",
    "CH": "tʃ",
    "D": "d",
    "DH": "ð",
    "F": "f",
    "G": "ɡ",
    "HH": "h",
    "JH": "dʒ",
    "K": "k",
    "L": "l",
    "M": "m",
    "N": "n",
    "NG": "ŋ",
    "P": "p",
    "R": "ɹ",
    "S": "s",
    "SH": "ʃ",
    "T": "t",
    "TH": "θ",
    "V": "v",
    "W": "w",
    "Y": "j",
    "Z": "z",
    "ZH": "ʒ",
}

IPA: Final = VOWELS | CONSONANTS

# Their order in arrays.
PHONES: Final = tuple(sorted(IPA))

# Groups by manner of articulation; affricates belong to two. Phones of one group sound alike.
ALIKE: Final = (
    frozenset(VOWELS),
    frozenset({"P", "T", "K", "B", "D", "G", "CH", "JH"}),
    frozenset({"F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH", "CH", "JH"}),
    frozenset({"M", "N", "NG", "L", "R", "W", "Y"}),
)

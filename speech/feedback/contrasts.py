"""Explain how two sounds differ that learners confuse.

The pairs are those that contrastive studies of many first languages list most often (Swan & Smith
2001, Learner English; Celce-Murcia, Brinton & Goodwin 2010). A message holds for both directions.
"""

from typing import Final

from speech.feedback.texts import Texts
from speech.text.phones import IPA

# Consonants made alike but for the voice, the voiced one first.
_VOICED: Final = {
    "B": "P", "D": "T", "DH": "TH", "G": "K", "JH": "CH", "V": "F", "Z": "S", "ZH": "SH",
}  # fmt: skip
# By pair, the name of the message; pairs that differ alike share one.
_CONTRASTS: Final = {
    ("TH", "S"): "TH-S",
    ("TH", "T"): "TH-T",
    ("TH", "F"): "TH-F",
    ("DH", "D"): "TH-T",
    ("DH", "Z"): "TH-S",
    ("DH", "V"): "TH-F",
    ("DH", "L"): "DH-L",
    ("V", "W"): "V-W",
    ("V", "B"): "V-B",
    ("F", "P"): "V-B",
    ("F", "HH"): "F-HH",
    ("L", "R"): "L-R",
    ("L", "N"): "L-N",
    ("L", "W"): "L-W",
    ("R", "W"): "R-W",
    ("S", "SH"): "S-SH",
    ("CH", "SH"): "CH-SH",
    ("JH", "ZH"): "CH-SH",
    ("CH", "T"): "CH-T",
    ("JH", "D"): "CH-T",
    ("JH", "Z"): "JH-Z",
    ("JH", "Y"): "JH-Y",
    ("N", "NG"): "N-NG",
    ("N", "M"): "N-M",
    ("M", "NG"): "M-NG",
    ("NG", "G"): "NG-G",
    ("IH", "IY"): "IH-IY",
    ("UH", "UW"): "UH-UW",
    ("AE", "EH"): "AE-EH",
    ("AE", "AH"): "AE-AH",
    ("AE", "AA"): "AE-AA",
    ("AH", "AA"): "AH-AA",
    ("AH", "AO"): "AH-AO",
    ("AH", "UH"): "AH-UH",
    ("EH", "EY"): "EH-EY",
    ("EH", "IH"): "EH-IH",
    ("IY", "EY"): "IY-EY",
    ("AY", "AE"): "AY-AE",
    ("AY", "EY"): "AY-EY",
    ("AO", "OW"): "AO-OW",
    ("AA", "OW"): "AA-OW",
    ("AA", "AO"): "AA-AO",
    ("AW", "OW"): "AW-OW",
    ("AW", "AA"): "AW-AA",
    ("ER", "AH"): "ER-AH",
    ("ER", "AO"): "ER-AO",
    ("ER", "EH"): "ER-EH",
}


def contrast(texts: Texts, expected: str, heard: str, *, ends_a_vowel: bool) -> str | None:
    """Explain how two phones (ARPAbet) differ; None for a pair that is not listed.

    Args:
        texts: The language of the explanation.
        expected: The phone of the text.
        heard: The phone heard instead.
        ends_a_vowel: Whether it is the last sound of the word, right after a vowel.
    """
    for first, second in ((expected, heard), (heard, expected)):
        if _VOICED.get(first) == second:
            # At the end of a word, the vowel's length distinguishes voiced from voiceless
            # consonants better than the voice itself (Ladefoged & Johnson 2014, ch. 3).
            name = "voice_at_the_end" if ends_a_vowel else "voice"
        elif (first, second) in _CONTRASTS:
            name = _CONTRASTS[first, second]
        else:
            continue
        return texts.say(f"contrast.{name}", first=IPA[first], second=IPA[second])
    return None

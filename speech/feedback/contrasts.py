"""Explain how two sounds differ that learners confuse.

The pairs are those that contrastive studies of many first languages list most often (Swan & Smith
2001, Learner English; Celce-Murcia, Brinton & Goodwin 2010). A sentence holds for both directions.
"""

from typing import Final

from speech.text.phones import IPA

# Consonants made alike but for the voice, the voiced one first.
_VOICED: Final = {
    "B": "P", "D": "T", "DH": "TH", "G": "K", "JH": "CH", "V": "F", "Z": "S", "ZH": "SH",
}  # fmt: skip
_VOICE: Final = "The mouth makes both alike: with /{0}/ the voice sounds, with /{1}/ it does not."
# At the end of a word, the vowel's length distinguishes voiced from voiceless consonants better
# than the voice itself (Ladefoged & Johnson 2014, ch. 3).
_VOICE_AT_THE_END: Final = (
    "At the end of a word the vowel before /{0}/ is long, before /{1}/ it is cut short."
)

_CONTRASTS: Final = {
    ("TH", "S"): "For /{0}/ the tip of the tongue comes between the teeth; for /{1}/ it stays "
    "behind them.",
    ("TH", "T"): "For /{0}/ the air flows on between tongue and teeth; for /{1}/ it is stopped.",
    ("TH", "F"): "For /{0}/ the tongue touches the teeth; for /{1}/ the lower lip does.",
    ("DH", "D"): "For /{0}/ the air flows on between tongue and teeth; for /{1}/ it is stopped.",
    ("DH", "Z"): "For /{0}/ the tip of the tongue comes between the teeth; for /{1}/ it stays "
    "behind them.",
    ("DH", "V"): "For /{0}/ the tongue touches the teeth; for /{1}/ the lower lip does.",
    ("DH", "L"): "For /{0}/ the tip of the tongue comes between the teeth; for /{1}/ it presses "
    "behind them.",
    ("V", "W"): "For /{0}/ the upper teeth touch the lower lip; for /{1}/ the lips are round and "
    "touch no teeth.",
    ("V", "B"): "For /{0}/ teeth and lip leave a gap for the air; for /{1}/ the lips close.",
    ("F", "P"): "For /{0}/ teeth and lip leave a gap for the air; for /{1}/ the lips close.",
    ("F", "HH"): "For /{0}/ the upper teeth touch the lower lip; for /{1}/ nothing touches.",
    ("L", "R"): "For /{0}/ the tip of the tongue touches behind the teeth; for /{1}/ it touches "
    "nothing.",
    ("L", "N"): "Pinch your nose: /{0}/ sounds on through the mouth, /{1}/ stops, because it "
    "goes through the nose.",
    ("L", "W"): "For /{0}/ the tip of the tongue touches behind the teeth; for /{1}/ only the "
    "lips are rounded.",
    ("R", "W"): "For /{0}/ the tongue is drawn back and the lips hardly move; for /{1}/ the lips "
    "make a small circle.",
    ("S", "SH"): "For /{0}/ the tongue is close behind the teeth, the lips spread; for /{1}/ it is "
    "further back, the lips rounded.",
    ("CH", "SH"): "/{0}/ begins with the air stopped; /{1}/ flows from the beginning.",
    ("JH", "ZH"): "/{0}/ begins with the air stopped; /{1}/ flows from the beginning.",
    ("CH", "T"): "After the air is stopped, /{0}/ goes on with the noise of “sh”; /{1}/ ends at "
    "once.",
    ("JH", "D"): "After the air is stopped, /{0}/ goes on with the noise of “sh”; /{1}/ ends at "
    "once.",
    ("JH", "Z"): "/{0}/ begins with the air stopped; /{1}/ buzzes from the beginning.",
    ("JH", "Y"): "For /{0}/ the tongue stops the air first; for /{1}/ it touches nothing.",
    ("N", "NG"): "For /{0}/ the tip of the tongue is up, behind the teeth; for /{1}/ the tip stays "
    "down and the back is up.",
    ("N", "M"): "For /{0}/ the tongue closes the mouth and the lips are open; for /{1}/ the lips "
    "close it.",
    ("M", "NG"): "For /{0}/ the lips close; for /{1}/ they are open and the back of the tongue "
    "is up.",
    ("NG", "G"): "/{0}/ flows on through the nose; /{1}/ stops the air.",
    ("IH", "IY"): "/{0}/ is short and relaxed; for /{1}/ the lips smile, the tongue is higher, and "
    "it lasts longer.",
    ("UH", "UW"): "/{0}/ is short and relaxed; for /{1}/ the lips make a small circle, and it "
    "lasts longer.",
    ("AE", "EH"): "For /{0}/ the mouth opens wide; for /{1}/ only half-way.",
    ("AE", "AH"): "For /{0}/ the tongue is pushed to the front; for /{1}/ it rests in the middle.",
    ("AE", "AA"): "For /{0}/ the tongue is pushed to the front; for /{1}/ it lies further back.",
    ("AH", "AA"): "For /{0}/ the jaw is only a little open; for /{1}/ it drops wide.",
    ("AH", "AO"): "For /{0}/ the lips are relaxed; for /{1}/ they are rounded.",
    ("AH", "UH"): "For /{0}/ the lips are relaxed; for /{1}/ they are a little rounded, the tongue "
    "higher.",
    ("EH", "EY"): "/{0}/ stays as it begins; /{1}/ glides up towards the vowel of “see”.",
    ("EH", "IH"): "For /{0}/ the mouth opens half-way; for /{1}/ it is almost closed.",
    ("IY", "EY"): "/{0}/ stays high; /{1}/ begins lower and glides up.",
    ("AY", "AE"): "/{0}/ glides up towards the vowel of “see”; /{1}/ stays as it begins.",
    ("AY", "EY"): "/{0}/ begins with the mouth wide open; /{1}/ with the mouth half open.",
    ("AO", "OW"): "/{0}/ stays as it begins; for /{1}/ the lips close to a small circle.",
    ("AA", "OW"): "/{0}/ stays open, without rounded lips; for /{1}/ the lips close to a small "
    "circle.",
    ("AA", "AO"): "For /{0}/ the lips are not rounded; for /{1}/ they are, a little.",
    ("AW", "OW"): "/{0}/ begins with the mouth wide open; /{1}/ with the lips half rounded.",
    ("AW", "AA"): "/{0}/ closes to rounded lips; /{1}/ stays open.",
    ("ER", "AH"): "For /{0}/ the tongue is drawn back or curled up; for /{1}/ it rests.",
    ("ER", "AO"): "For /{0}/ the tongue is drawn back or curled up; for /{1}/ the lips are "
    "rounded.",
    ("ER", "EH"): "For /{0}/ the tongue is drawn back or curled up; for /{1}/ it lies at the "
    "front.",
}  # fmt: skip


def contrast(expected: str, heard: str, *, ends_a_vowel: bool) -> str | None:
    """Explain how two phones (ARPAbet) differ; None for a pair that is not listed.

    Args:
        expected: The phone of the text.
        heard: The phone heard instead.
        ends_a_vowel: Whether it is the last sound of the word, right after a vowel.
    """
    for first, second in ((expected, heard), (heard, expected)):
        if _VOICED.get(first) == second:
            sentence = _VOICE_AT_THE_END if ends_a_vowel else _VOICE
        elif (first, second) in _CONTRASTS:
            sentence = _CONTRASTS[first, second]
        else:
            continue
        return sentence.format(IPA[first], IPA[second])
    return None

"""How each sound of American English is made, in words a learner can follow.

Facts after Ladefoged & Johnson (2014), A Course in Phonetics, ch. 3 and 4; Roach (2009), English
Phonetics and Phonology, ch. 2 to 7; Celce-Murcia, Brinton & Goodwin (2010), Teaching
Pronunciation, ch. 3 and 4. Practice words are common ones, with the sound in several places.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Articulation:
    """One sound.

    Attributes:
        examples: Two well-known words that contain it, to identify the sound.
        how: Instruction for tongue, lips, voice and breath.
        practice: Common words that contain it.
    """

    examples: tuple[str, str]
    how: str
    practice: tuple[str, ...]


def _sound(examples: str, how: str, practice: str) -> Articulation:
    first, second = examples.split()
    return Articulation((first, second), how, tuple(practice.split()))


# By ARPAbet. cmudict here has no stress marks: AH is the vowel of "cup" and the schwa of "about".
ARTICULATIONS: Final = {
    "AA": _sound(
        "father hot",
        "Open the mouth wide, keep the tongue low and flat, and leave the lips unrounded.",
        "stop job watch problem doctor",
    ),
    "AE": _sound(
        "cat man",
        "Open the mouth wide, with the tongue low and pushed to the front.",
        "bad happy family apple black",
    ),
    "AH": _sound(
        "cup about",
        "Keep tongue and lips relaxed in the middle of the mouth, the jaw a little open. "
        "In syllables without stress it is very short.",
        "cup love money mother another",
    ),
    "AO": _sound(
        "saw law",
        "Keep the tongue low and drawn back, and round the lips a little.",
        "talk small story morning saw",
    ),
    "AW": _sound(
        "now house",
        "Begin with the mouth wide open and close it to rounded lips, in one glide.",
        "now house down mouth about",
    ),
    "AY": _sound(
        "my time",
        "Begin with the mouth wide open and glide up towards the vowel of “see”.",
        "my time like night buy",
    ),
    "EH": _sound(
        "bed red",
        "Open the mouth half-way, with the tongue at the front and the lips relaxed.",
        "bed ten friend help ready",
    ),
    "ER": _sound(
        "bird her",
        "Draw the tongue back, or curl its tip up, so that it touches nothing, and hold one "
        "steady sound.",
        "her girl work first learn",
    ),
    "EY": _sound(
        "day make",
        "Begin with the tongue at the front, half-way up, and glide up towards the vowel of “see”.",
        "day name rain late paper",
    ),
    "HH": _sound(
        "he house",
        "Only breathe out, with the mouth ready for the next vowel.",
        "house hand help happy behind",
    ),
    "IH": _sound(
        "sit big",
        "Keep it short and relaxed: the tongue a little lower than for “see”, the lips not "
        "spread.",
        "sit big fish milk give",
    ),
    "IY": _sound(
        "see eat",
        "Push the tongue high to the front, spread the lips as in a smile, and hold it.",
        "see eat need green people",
    ),
    "OW": _sound(
        "go home",
        "Begin with the lips half rounded and close them to a small circle.",
        "go home road open know",
    ),
    "OY": _sound(
        "boy voice",
        "Begin with rounded lips and glide to the spread lips of “see”.",
        "boy voice point noise enjoy",
    ),
    "UH": _sound(
        "good book",
        "Keep it short and relaxed: the tongue a little lower than for “too”, the lips only "
        "slightly rounded.",
        "good book look put foot",
    ),
    "UW": _sound(
        "too food",
        "Draw the tongue high to the back, round the lips to a small circle, and hold it.",
        "too food school blue moon",
    ),
    "B": _sound(
        "big job",
        "Close the lips, let the voice sound, and open them without a puff of air.",
        "big back table number job",
    ),
    "CH": _sound(
        "chair much",
        "Stop the air with the tongue as for “t”, then let it out with the noise of “sh”, "
        "without voice.",
        "chair teacher kitchen watch much",
    ),
    "D": _sound(
        "day red",
        "Touch the ridge behind the upper teeth with the tip of the tongue, let the voice sound, "
        "and let go.",
        "day door ready good red",
    ),
    "DH": _sound(
        "this mother",
        "Put the tip of the tongue lightly between the teeth and let the voice sound while the "
        "air flows.",
        "this they mother weather together",
    ),
    "F": _sound(
        "fish life",
        "Touch the lower lip lightly with the upper teeth and blow, without voice.",
        "fish food coffee life enough",
    ),
    "G": _sound(
        "go big",
        "Press the back of the tongue against the roof of the mouth, let the voice sound, and "
        "let go.",
        "go good again begin big",
    ),
    "JH": _sound(
        "job page",
        "Stop the air with the tongue as for “d”, then let it out with voice and the noise of "
        "“sh”.",
        "job just enjoy large page",
    ),
    "K": _sound(
        "key make",
        "Press the back of the tongue against the roof of the mouth, stop the air, and let go "
        "without voice.",
        "key cat school make work",
    ),
    "L": _sound(
        "light all",
        "Touch the ridge behind the upper teeth with the tip of the tongue and let the voice "
        "flow past its sides.",
        "light like yellow help school",
    ),
    "M": _sound(
        "man home",
        "Close the lips and let the voice flow through the nose.",
        "man make summer time home",
    ),
    "N": _sound(
        "no sun",
        "Touch the ridge behind the upper teeth with the tip of the tongue and let the voice "
        "flow through the nose.",
        "no name dinner rain sun",
    ),
    "NG": _sound(
        "sing long",
        "Raise the back of the tongue to the roof of the mouth and let the voice flow through "
        "the nose.",
        "sing long young song morning",
    ),
    "P": _sound(
        "pen map",
        "Close the lips, stop the air, and let it go without voice.",
        "pen people happy stop map",
    ),
    "R": _sound(
        "red sorry",
        "Draw the tongue back, or curl its tip up, so that it touches nothing; round the lips "
        "a little and let the voice sound.",
        "red right road sorry story",
    ),
    "S": _sound(
        "see class",
        "Hold the tip of the tongue close behind the upper teeth and hiss through the narrow "
        "gap, without voice.",
        "sun city lesson class house",
    ),
    "SH": _sound(
        "she fish",
        "Hold the tongue a little further back than for “s”, round the lips, and blow without "
        "voice.",
        "she shop shoe fish wash",
    ),
    "T": _sound(
        "tea late",
        "Touch the ridge behind the upper teeth with the tip of the tongue, stop the air, and "
        "let it go without voice.",
        "tea time hotel late sit",
    ),
    "TH": _sound(
        "think month",
        "Put the tip of the tongue lightly between the teeth and blow, without voice.",
        "think three birthday month mouth",
    ),
    "V": _sound(
        "very love",
        "Touch the lower lip lightly with the upper teeth and let the voice sound while the air "
        "flows.",
        "very visit seven give love",
    ),
    "W": _sound(
        "we away",
        "Round the lips to a small circle, away from the teeth, and open them into the next vowel.",
        "we water week window always",
    ),
    "Y": _sound(
        "yes you",
        "Raise the tongue to the front as for “see” and glide at once into the next vowel.",
        "yes you young year music",
    ),
    "Z": _sound(
        "zoo easy",
        "Hiss as for “s” and let the voice sound: you feel a buzz in the throat.",
        "zero easy music please nose",
    ),
    "ZH": _sound(
        "pleasure usually",
        "Make the noise of “sh” and let the voice sound with it.",
        "usually pleasure television measure decision",
    ),
}  # fmt: skip

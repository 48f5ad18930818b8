"""The limits beyond which feedback mentions something, and their reasons.

It is better to miss a weak word than to correct a good one: experts agree with each limit at least
three times in four. The limits for words and phones belong to the scorer and change with it; those
for rates, pauses and rhythm were set against the experts' scores of learners' recordings
(speechocean762, training half).
"""

from typing import Final

from speech.analysis import Severity

MAX_PROBLEMATIC_WORDS: Final = 5
MAX_SOUNDS_A_WORD: Final = 2  # as many as a learner can work on at once
MAX_WEAK_SOUNDS: Final = 2
MAX_PRACTICE_WORDS: Final = 12

# Exclusive upper bound of the confidence for each severity; a word at or above the last is not
# reported. Experts find fault with 77 % of reported words (`training/feedback_limits.py`).
SEVERITIES: Final[tuple[tuple[float, Severity], ...]] = (
    (0.20, "high"),
    (0.27, "medium"),
    (0.35, "low"),
)

# Only sounds of reported words are called unclear, if they score below this. Experts give a sound
# 0 to 2 points, here times fifty; they find fault (below 1.5) with three of four such sounds.
UNCLEAR_PHONE_SCORE: Final = 30.0

# A sound gets its own advice if it fails in several words, and in at least half of those that
# contain it: a single failure may be due to the word.
MIN_WEAK_WORDS: Final = 2
MIN_WEAK_SHARE: Final = 0.5

# Rates and pauses mean little for fewer words.
MIN_WORDS: Final = 5
# Conversation runs at 190 to 230 words a minute, lectures for learners at 125 to 160
# (Tauroza & Allison 1990). Speed is mentioned only well outside both ranges.
SLOW_WPM: Final = 90.0
FAST_WPM: Final = 260.0
MANY_PAUSES: Final = 0.3  # of the time from the first word to the last
MANY_HESITATIONS: Final = 0.1  # of the words
MOSTLY_OTHER_SPEECH: Final = 0.5  # of the words; more than any speaker hesitates
# Words from pause to pause: below this, experts consider 97 of 100 recordings halting.
SHORT_RUN_WORDS: Final = 2.5
# Mean duration of a sound in small words, relative to that in other words: from 1.5 on, experts
# mark down the rhythm of nine recordings in ten.
LONG_SMALL_WORDS: Final = 1.5

GOOD_SCORE: Final = 80.0

"""From where on something is said to a learner, and why from there.

Better to stay silent about a weak word than to correct a good one: each limit lies where experts
agree at least two times in three. Those of words and phones belong to the scorer, and change with
it; rates, pauses and rhythm were looked up against the experts' scores of learners' recordings
(speechocean762, training half).
"""

from typing import Final

from speech.analysis import Severity

MAX_PROBLEMATIC_WORDS: Final = 5
MAX_SOUNDS_A_WORD: Final = 2  # nobody mends more at once
MAX_WEAK_SOUNDS: Final = 2
MAX_PRACTICE_WORDS: Final = 12

# Upper ends of the confidence of each severity, not included; from the last on a word is not named.
# Of what is named, experts find fault with four words in five.
SEVERITIES: Final[tuple[tuple[float, Severity], ...]] = (
    (0.20, "high"),
    (0.27, "medium"),
    (0.35, "low"),
)

# Experts give a sound 0 to 2 points, here times fifty, and find fault below 1.5: with two in three
# of the sounds below this in words that are named, and only there a sound is called unclear.
UNCLEAR_PHONE_SCORE: Final = 55.0

# A sound is worth a remark of its own if it fails in several words and in most of those that have
# it; once may be the word, and half well said is no habit.
MIN_WEAK_WORDS: Final = 2
MIN_WEAK_SHARE: Final = 0.5

# Rates and pauses say something about a speaker only over a few words.
MIN_WORDS: Final = 5
# Conversation runs at 190 to 230 words a minute, lectures for learners at 125 to 160
# (Tauroza & Allison 1990); well outside of both, speed is worth a remark.
SLOW_WPM: Final = 90.0
FAST_WPM: Final = 260.0
MANY_PAUSES: Final = 0.3  # of the time from the first word to the last
MANY_HESITATIONS: Final = 0.1  # of the words
MOSTLY_OTHER_SPEECH: Final = 0.5  # of the words; nobody hesitates that often
# Words from pause to pause: below this, experts hold 97 of 100 recordings for halting.
SHORT_RUN_WORDS: Final = 2.5
# Time a sound of small words gets, in shares of what it gets in other words: at 1.5 and more,
# experts mark down the rhythm of nine recordings in ten.
LONG_SMALL_WORDS: Final = 1.5

GOOD_SCORE: Final = 80.0

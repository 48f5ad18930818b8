"""Pronunciations that cmudict lacks: weak forms of function words, and newer words.

Weak forms after Roach (2009), English Phonetics and Phonology, chapter 12, and Ladefoged &
Johnson (2014), chapter 4, as in General American. Forms that sound like a mistake are left out:
pronouns without their h, and words without their final consonant, except "and".
Newer words after Merriam-Webster's online dictionary.
"""

from typing import Final

_PRONUNCIATIONS: Final = """
am AH M
and AH N
as AH Z
at AH T
could K AH D
do D AH
for F ER
had HH AH D
have HH AH V
must M AH S T
or ER
shall SH AH L
should SH AH D
some S AH M
there DH ER
us AH S
would W AH D
you Y AH
you're Y AO R
you're Y ER
your Y ER
maths M AE TH S
airbnb EH R B IY AH N B IY
anime AE N AH M EY
bestie B EH S T IY
covid K OW V IH D
cuz K AH Z
edamame EH D AH M AA M EY
emoji IH M OW JH IY
fomo F OW M OW
gif G IH F
gif JH IH F
gyoza G Y OW Z AH
haha HH AA HH AA
hoodie HH UH D IY
ielts AY EH L T S
influencer IH N F L UW AH N S ER
jpeg JH EY P EH G
kaiwa K AY W AH
matcha M AA CH AH
miso M IY S OW
mochi M OW CH IY
ramen R AA M AH N
roomie R UW M IY
sashimi S AA SH IY M IY
shinkansen SH IH N K AA N S EH N
smoothie S M UW DH IY
tempura T EH M P UH R AH
tiktok T IH K T AA K
toefl T OW F AH L
toeic T OW IH K
udon UW D AA N
vlog V L AA G
wasabi W AH S AA B IY
wechat W IY CH AE T
yuki Y UW K IY
zumba Z UH M B AH
"""

# Errors of the dictionary, some of them letters' names instead of the word.
_REMOVED: Final = """
am EY EH M
for F R ER
fyi F AO R Y AO R IH N F ER M EY SH AH N
gdp G IY D IY P IY
goin G OY N
gps G IY P IY EH S
jfk JH IY EH F K EY
ngo EH NG G OW
sos EH OW EH S
tv T EH L AH V IH ZH AH N
us Y UW EH S
"""

# Said letter by letter although they contain vowels.
INITIALISMS: Final = frozenset({
    "aka", "bff", "diy", "faq", "gpa", "gpu", "imo", "ngo", "omg", "ootd", "sos", "ucla", "usb",
    "ymca",
})  # fmt: skip


def _by_word(table: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    pronunciations: dict[str, tuple[tuple[str, ...], ...]] = {}
    for line in table.split("\n")[1:-1]:
        word, *phones = line.split()
        pronunciations[word] = (*pronunciations.get(word, ()), tuple(phones))
    return pronunciations


ADDED: Final = _by_word(_PRONUNCIATIONS)
REMOVED: Final = _by_word(_REMOVED)

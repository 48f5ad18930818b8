import re
import time
from re import _parser  # the only access to a pattern's parts

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.text.plain import plain
from speech.text.tokens import TOKEN, tokens

# Beside them only parts of words, links and addresses are said or left out.
ORNAMENTS = (
    r"</?[a-zA-Z]{1,9} ?/?>|&#?\w{2,9};|[:;=xX]['-]?[DPpOoSs30]{1,9}|</?3{1,9}|T_T"
    r"|[(\[*][\w ]+[)\]*]"
)

MOST_REPEATS = 4096  # in a link or a word, which are matched once they begin


def spoken(text):
    return " ".join(part for token in tokens(text) for part in token.spoken)


def sentences(table):
    return pytest.mark.parametrize(("text", "said"), [tuple(row) for row in table])


@sentences([
    ("Mr. Smith and Dr Jones", "mister smith and doctor jones"),
    ("St. Mary on Main St.", "st mary on main st"),
    ("cats vs. dogs, etc.", "cats versus dogs etc"),
    ("fruit, e.g. apples, i.e. food", "fruit for example apples that is food"),
    ("a Ph.D. at 9 a.m. in the U.S.", "a p h d at nine a. m in the u s"),
    ("w/ milk, w/o sugar b/c of you", "with milk without sugar because of you"),
    ("thx, pls come btw", "thanks please come by the way"),
    ("Is it no. 5? no. Yes", "is it number five no yes"),
])  # fmt: skip
def test_abbreviations_are_said_in_full(text, said):
    assert spoken(text) == said


@sentences([
    ("I watch the BBC", "i watch the b b c"),
    ("NASA is in the USA", "nasa is in the u s a."),
    ("Tell us about the US.", "tell us about the u s"),
    ("I work in IT", "i work in i t"),
    ("Tell us about the US\u200b and YouTube", "tell us about the u s and youtube"),
    ("I LOVE IT so much", "i love it so much"),
    ("IT IS GOOD", "it is good"),
    ("my CDs and the DVD's box", "my c d's and the d v d's box"),
    ("Then UNESCO and ESPN came", "then unesco and e s p n came"),
    ("World War II and Henry VIII", "world war two and henry the eighth"),
    ("Chapter \u2163 on Henry \u2167", "chapter four on henry the eighth"),
    ("vitamin C and plan B", "vitamin c and plan b"),
    ("I got an A+, a B- and C++", "i got an a. plus a b minus and c plus plus"),
    ("ChatGPT by OpenAI on YouTube", "chat g p t by open a. i on youtube"),
])  # fmt: skip
def test_capitals_determine_how_a_word_is_said(text, said):
    assert spoken(text) == said


@sentences([
    ("at 3:30, 10am", "at three thirty ten a. m"),
    ("3:00 or 3:00 pm or 3:05", "three o'clock or three p m or three oh five"),
    ("14:00 and 1:02:03", "fourteen hundred and one oh two oh three"),
    ("12/25 or 12/25/2024", "december twenty fifth or december twenty fifth twenty twenty four"),
    ("2024-12-25 or 25/12/2024",
     "december twenty fifth twenty twenty four or the twenty fifth of december twenty twenty four"),
    ("May 5, may 5, the 1st, Jan. 3rd", "may fifth may five the first january third"),
    ("In May, 5 came. In May. 5 left", "in may five came in may five left"),
    ("1/2, 3/4, 2/3, 9/10, 24/7, 120/80",
     "one half three quarters two thirds nine out of ten twenty four seven "
     "one hundred twenty over eighty"),
    ("5-10, 1990-2000, 10am-5pm",
     "five to ten nineteen ninety to two thousand ten a. m to five p m"),
    ("$5-$10, 5 - 3 = 2", "five dollars to ten dollars five minus three equals two"),
    ("1:1 lessons, 3:1", "one on one lessons three to one"),
    ("call 555-123-4567", "call five five five one two three four five six seven"),
    ("or (555) 010-4567", "or five five five zero one zero four five six seven"),
    ("or +1 555 010 4567", "or plus one five five five zero one zero four five six seven"),
    ("45/45/2024", "forty five forty five two thousand twenty four"),
])  # fmt: skip
def test_composed_numbers_are_said_by_their_kind(text, said):
    assert spoken(text) == said


@sentences([
    ("5kg, 1 kg, 2.5 km", "five kilograms one kilogram two point five kilometers"),
    ("60mph or 100 km/h", "sixty miles per hour or one hundred kilometers per hour"),
    ("5 g of 5G in 5 GB", "five grams of five g in five gigabytes"),
    ("20m², 5M followers", "twenty square meters five million followers"),
    ("20°C, -5 °C, 98.6°F, 1°", "twenty degrees celsius minus five degrees celsius "
     "ninety eight point six degrees fahrenheit one degree"),
    ("½ cup, 1½ cups", "a half cup one and a half cups"),
    ("add ½ cup, 2 ⅛ cups, x⅜", "add a half cup two and an eighth cups x three eighths"),
    ("E = mc², (a+b)³", "e equals mc squared a. plus b cubed"),
    ("footnote⑫ of ⑩", "footnote of"),
    ("#1 & 2 + 2 = 4, 3\u00d74", "number one and two plus two equals four three times four"),
    ("@ 5, @john, a+b", "at five at john a. plus b"),
    ("and/or he/she", "and or he she"),
    ("18+ and 50% off, 5 %", "eighteen plus and fifty percent off five percent"),
    ("2x4 and MP3", "two by four and m p three"),
])  # fmt: skip
def test_units_and_symbols_are_said_after_what_they_belong_to(text, said):
    assert spoken(text) == said


@sentences([
    ("a@b.com or john.smith@gmail.com", "a at b dot com or john dot smith at gmail dot com"),
    ("www.google.com/maps", "www dot google dot com slash maps"),
    ("see https://example.com/a?b=c now", "see now"),
    ("[here](https://x.org/y) too", "here too"),
])  # fmt: skip
def test_addresses_are_said_and_pasted_links_are_not(text, said):
    assert spoken(text) == said


@sentences([
    ("nice :D really XD <3 :3", "nice really"),
    ("**so** _very_ ~~un~~ `done`", "so very un done"),
    ("good \U0001f600\U0001f44d\U0001f3fd job", "good job"),
    ("wait\u2026 what\u2014no -- yes", "wait what no yes"),
    ("<b>bold</b> &lt;", "bold"),
    ("so\u00adft", "soft"),
    ("\uff28\uff49 \uff11\uff12\uff1a\uff13\uff10\u3000\uff04\uff15",
     "hi twelve thirty five dollars"),
    ("\U0001d407\U0001d422 \ufb01ne", "hi fine"),
])  # fmt: skip
def test_ornaments_are_not_said(text, said):
    assert spoken(text) == said


@sentences([
    ("'cause y'all don\u2019t", "'cause y'all don't"),
    ("goin' to Berlin's 'best' bar", "goin' to berlin's best bar"),
    ("rock 'n' roll at ten o'clock", "rock and roll at ten o'clock"),
    ("'90s, the 1990s, 1990's", "nineties the nineteen nineties nineteen nineties"),
    ("I'd've gone to YouTube's", "i'd've gone to youtube's"),
    ("the students' books", "the students books"),
])  # fmt: skip
def test_apostrophes_stay_where_letters_are_missing(text, said):
    assert spoken(text) == said


@sentences([
    ("sooo goood", "so good"),
    ("pleeease hmmm ummm", "please hmmm um"),
    ("nooo wayyy", "no way"),
    ("www", "www"),
])  # fmt: skip
def test_drawling_is_undone(text, said):
    assert spoken(text) == said


@sentences([
    ("Łódź", "lodz"),
    ("Đà Nẵng", "da nang"),
    ("Øresund, Œuvre, Ŋ", "oresund oeuvre ng"),
    ("Æsop and Þór met ÆSIR in ŁÓDŹ", "aesop and thor met aesir in lodz"),
    ("Ǿystein", "oystein"),
    ("STRAẞE", "strasse"),
])  # fmt: skip
def test_latin_letters_without_accents_to_take_off_are_read_in_either_case(text, said):
    assert spoken(text) == spoken(text.lower()) == said


@pytest.mark.parametrize("text", ["5 m\u0131n", "5 M\u0130N", "\u0130dk", "$5 m\u0131ll\u0131on"])
def test_dotless_and_dotted_i_are_the_letter_i(text):
    assert spoken(text) == spoken(text.replace("\u0131", "i").replace("\u0130", "I"))


@given(st.text() | st.text("a5$\u00ad\u200b\ufb01\u338f\u2163\u2103 ") | st.text("a&#39;x"))
def test_every_plain_character_comes_from_a_place_in_the_text(text):
    simple = plain(text)
    assert len(simple.places) == len(simple.text)
    assert list(simple.places) == sorted(simple.places)
    assert all(0 <= place < len(text) for place in simple.places)


@pytest.mark.parametrize("word", ["don&rsquo;t", "caf&eacute;", "&#233;t&#xe9;"])
def test_a_word_with_entities_reaches_from_its_first_to_its_last_character(word):
    assert [token[:2] for token in tokens(f"a {word} b")][1] == (2, 2 + len(word))


@settings(deadline=None)  # the first word reads the dictionary
@given(st.text() | st.text("aAbZ1.,$€½²#@+-=/: '\u00ad\u200b\ufb01\u338f\u2163\u2103"))
def test_tokens_are_in_order_and_contain_every_letter_and_digit(text):
    found = list(tokens(text))
    places = [place for token in found for place in (token.start, token.end)]
    assert places == sorted(places)
    assert all(0 <= token.start < token.end <= len(text) for token in found)
    covered = {place for token in found for place in range(token.start, token.end)}
    left_out = {place for place, char in enumerate(text) if char.isascii() and char.isalnum()}
    for ornament in re.finditer(ORNAMENTS, text):
        left_out -= set(range(*ornament.span()))
    assert left_out <= covered


def repeats(parts):
    """Return the largest number of repetitions anywhere in a parsed pattern."""
    for operator, argument in parts:
        if operator in {_parser.MAX_REPEAT, _parser.MIN_REPEAT, _parser.POSSESSIVE_REPEAT}:
            yield int(argument[1])
        yield from (most for part in inner(argument) for most in repeats(part))


def inner(argument):
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from inner(part)


@pytest.mark.parametrize(
    "piece", ["1h", "1,00,", "$ 1-", "a+", " A B", "\u00ad\ufb01", "Mon-", "(laugh"]
)
def test_100_kb_of_anything_are_read_in_seconds(piece):
    text = (piece * 100_000)[:100_000]
    began = time.process_time()
    list(tokens(text))
    assert time.process_time() - began < 20


def test_the_pattern_repeats_nothing_without_bound_so_that_reading_takes_linear_time():
    most = list(repeats(_parser.parse(TOKEN.pattern, re.VERBOSE)))
    assert len(most) > 50
    assert max(most) <= MOST_REPEATS
    unbounded = _parser.parse("(?P<first>a)(?:b|(?=c+)d)")
    assert max(repeats(unbounded)) > MOST_REPEATS

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.text.numbers import NUMBER, spoken_number


def said(text):
    match = NUMBER.fullmatch(text)
    assert match, text
    return " ".join(spoken_number(match, "", is_day=False))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("0", "zero"),
        ("7", "seven"),
        ("21", "twenty one"),
        ("1999", "nineteen ninety nine"),
        ("1990s", "nineteen nineties"),
        ("2,024", "two thousand twenty four"),
        ("1,234", "one thousand two hundred thirty four"),
        ("3rd", "third"),
        ("21st", "twenty first"),
        ("50%", "fifty percent"),
        ("3.14", "three point one four"),
        ("2.5%", "two point five percent"),
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("$5.50", "five dollars fifty cents"),
        ("€20", "twenty euros"),
        ("£3.05", "three pounds five pence"),
        ("¥800", "eight hundred yen"),
        ("$2.5", "two point five dollars"),
        ("$7.00", "seven dollars"),
        ("$0.99", "ninety nine cents"),
        ("$.99", "ninety nine cents"),
        ("$0.01", "one cent"),
        ("$1.01", "one dollar one cent"),
        ("£0.50", "fifty pence"),
        ("£2.01", "two pounds one penny"),
        ("$0.00", "zero dollars"),
        ("$0", "zero dollars"),
        ("192", "one hundred ninety two"),
        ("2005", "two thousand five"),
        ("101st", "one hundred first"),
        ("1.2.3", "one point two point three"),
        (".3.4", "point three point four"),
        ("£.5.5", "point five point five"),
        ("0.5", "zero point five"),
        ("007", "zero zero seven"),
        ("5551234567890", "five five five one two three four five six seven eight nine zero"),
    ],
)
def test_numbers_are_said_as_people_say_them(written, spoken):
    assert said(written) == spoken


@given(
    currency=st.sampled_from(["", "$", "€", "£", "¥"]),
    whole=st.from_regex(r"[0-9]{1,40}", fullmatch=True),
    fraction=st.from_regex(r"(\.[0-9]{1,30})?", fullmatch=True),
    suffix=st.sampled_from(["", "%", "th", "s"]),
)
def test_every_number_is_some_plain_words(currency, whole, fraction, suffix):
    words = said(currency + whole + fraction + suffix).split()
    assert words
    assert all(word.isascii() and word.isalpha() for word in words)


@given(st.from_regex(r"\d{1,10}", fullmatch=True))
def test_digits_of_other_scripts_are_digits(digits):
    assert said(digits)

"""Read amounts of money: "$5", "10,50 €", "CHF 20", "$2.5bn"."""

import re
from typing import Final, NamedTuple

from speech.text.abbreviations import any_of
from speech.text.numerals import cardinal, decimal, said_whole, words_of


class Names(NamedTuple):
    """A currency's names; its hundredth has none where people say "point"."""

    one: str
    several: str
    hundredth: str = ""
    hundredths: str = ""


def _dollars(which: str = "") -> Names:
    return Names(f"{which} dollar".strip(), f"{which} dollars".strip(), "cent", "cents")


_EURO: Final = Names("euro", "euros", "cent", "cents")
_POUND: Final = Names("pound", "pounds", "penny", "pence")
_YEN: Final = Names("yen", "yen")
_YUAN: Final = Names("yuan", "yuan")
_WON: Final = Names("won", "won")
_RUPEE: Final = Names("rupee", "rupees", "paisa", "paise")
_RUBLE: Final = Names("ruble", "rubles", "kopeck", "kopecks")
_LIRA: Final = Names("lira", "lira")
_DONG: Final = Names("dong", "dong")
_PESO: Final = Names("peso", "pesos", "centavo", "centavos")
_BAHT: Final = Names("baht", "baht")
_SHEKEL: Final = Names("shekel", "shekels")
_REAL: Final = Names("real", "reais", "centavo", "centavos")
_ZLOTY: Final = Names("zloty", "zlotys", "grosz", "groszy")
_KRONE: Final = Names("krone", "kroner")
_RUPIAH: Final = Names("rupiah", "rupiah")

_SIGNS: Final = {
    "$": _dollars(), "€": _EURO, "£": _POUND, "¥": _YEN, "₩": _WON, "₹": _RUPEE, "₽": _RUBLE,
    "₺": _LIRA, "₫": _DONG, "₱": _PESO, "฿": _BAHT, "₪": _SHEKEL,
    "₴": Names("hryvnia", "hryvnias"), "₦": Names("naira", "naira"),
    "₿": Names("bitcoin", "bitcoins"),
}  # fmt: skip
_BEFORE: Final = {
    "US$": _dollars("u s"), "A$": _dollars("australian"), "AU$": _dollars("australian"),
    "C$": _dollars("canadian"), "CA$": _dollars("canadian"), "NZ$": _dollars("new zealand"),
    "HK$": _dollars("hong kong"), "S$": _dollars("singapore"), "NT$": _dollars("taiwan"),
    "MX$": Names("mexican peso", "mexican pesos"), "R$": _REAL, "Rs": _RUPEE, "Rs.": _RUPEE,
    "Rp": _RUPIAH, "kr": _KRONE,
}  # fmt: skip
_AFTER: Final = {
    "¢": Names("cent", "cents"), "円": _YEN, "元": _YUAN, "원": _WON, "zł": _ZLOTY, "kr": _KRONE,
    "rs": _RUPEE, "TL": _LIRA,
}  # fmt: skip
# ISO 4217, except codes that are words.
_CODES: Final = {
    "USD": _dollars("u s"), "EUR": _EURO, "GBP": _POUND, "JPY": _YEN, "CNY": _YUAN, "RMB": _YUAN,
    "KRW": _WON, "INR": _RUPEE, "RUB": _RUBLE, "BRL": _REAL, "THB": _BAHT, "VND": _DONG,
    "IDR": _RUPIAH, "ILS": _SHEKEL, "PLN": _ZLOTY, "AUD": _dollars("australian"),
    "CAD": _dollars("canadian"), "NZD": _dollars("new zealand"), "HKD": _dollars("hong kong"),
    "SGD": _dollars("singapore"), "TWD": _dollars("taiwan"),
    "CHF": Names("swiss franc", "swiss francs", "centime", "centimes"),
    "MXN": Names("mexican peso", "mexican pesos", "centavo", "centavos"),
    "ZAR": Names("rand", "rand", "cent", "cents"), "BTC": Names("bitcoin", "bitcoins"),
    "AED": Names("dirham", "dirhams"), "SAR": Names("riyal", "riyals"),
    "SEK": Names("swedish krona", "swedish kronor"),
    "NOK": Names("norwegian krone", "norwegian kroner"),
    "DKK": Names("danish krone", "danish kroner"), "CZK": Names("czech crown", "czech crowns"),
    "HUF": Names("forint", "forints"),
}  # fmt: skip
# Dollars that people write as "$5 CAD" and "CAD $5".
_DOLLAR_CODES: Final = ("USD", "AUD", "CAD", "NZD", "HKD", "SGD")
# Codes that people type in lower case.
_LOWER: Final = {
    code.lower(): _CODES[code]
    for code in ("USD", "EUR", "GBP", "JPY", "KRW", "CHF", "INR", "CNY", "RMB", "CAD", "AUD")
}
_CODED: Final = any_of(_CODES | _LOWER)
_CODED_SIGNS: Final = {f"{code}$": _CODES[code] for code in _DOLLAR_CODES}
_NAMES: Final = _SIGNS | _BEFORE | _AFTER | _CODES | _LOWER | _CODED_SIGNS
# "$2.345" is a price per gallon; elsewhere three digits after a dot are thousands.
_WITH_DECIMALS: Final = frozenset({"$", "£", "US$", "USD", "GBP"})
_SCALES: Final = {
    "k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion",
    "tn": "trillion", "trn": "trillion", "lakhs": "lakh", "crores": "crore",
}  # fmt: skip
_SEVERAL: Final = frozenset({
    *_SCALES, *_SCALES.values(), "hundred", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "twenty", "fifty", "few", "in", "many", "of", "several",
})  # fmt: skip

SIGNS: Final = "".join(_SIGNS)
BEFORE: Final = rf"""
    (?:[{SIGNS}]|(?<![\w$])(?:(?:US|{any_of(_DOLLAR_CODES)})\ ?\$|{any_of(_BEFORE)}|{_CODED})
        |(?<![\w¢])¢(?=\d))\ ?(?=\.?\d|(?<=[{SIGNS}])-\d)
"""
AFTER: Final = rf"""
    (?:[.,]-{{1,2}})?\ ?
    (?:[{SIGNS}¢円元원]|(?:US|AU|CA|NZ|HK)\$|(?:zł|kr|rs|TL|{_CODED})\b)(?!\ ?\d)
"""
SCALE: Final = r"""
    (?i:[\ -](?:thousand|million|billion|trillion|lakhs?|crores?)\b|\ (?:mn|bn|trn|tn)\b
        |(?:k|mn?|bn?|trn|tn)\b)
"""
# After an amount that has a sign before it.
CODE: Final = rf"\ ?(?:{any_of(_DOLLAR_CODES)})\b"
# "5€50"
SPLIT: Final = r"(?<![\w.,])(?P<euros>\d{1,4})€(?P<cents>\d{2})(?!\d|[.,]\d)"
# A sign that belongs to no number.
ALONE: Final = rf"(?<![\w{SIGNS}])[{SIGNS}](?![\w{SIGNS}])"


def is_currency(written: str) -> bool:
    """Return whether this is a sign or code of a currency."""
    return written in _NAMES


def has_thousands(currency: str) -> bool:
    """Return whether three digits after a dot are thousands: "€1.000"."""
    return currency not in _WITH_DECIMALS


def say_money(
    currency: str, digits: str, fraction: str | None, scale: str | None, *, is_one: bool
) -> str:
    """Say an amount.

    Args:
        currency: As written before or after the number.
        digits: Of the whole part; may be empty.
        fraction: Digits after the decimal sign.
        scale: As written: "k", " million".
        is_one: Whether the singular is right in any case: "a five dollar bill".
    """
    names = _NAMES[currency]
    several = names.one if is_one else names.several
    if scale:
        written = scale.strip(" -").lower()
        return f"{decimal(digits, fraction)} {_SCALES.get(written, written)} {several}"
    if fraction and len(fraction) == 2 and names.hundredth:
        return _with_hundredths(names, digits, int(fraction), is_one=is_one)
    return f"{decimal(digits, fraction)} {names.one if digits == '1' and not fraction else several}"


def _with_hundredths(names: Names, digits: str, hundredths: int, *, is_one: bool) -> str:
    said = []
    if digits.strip("0") or not hundredths:
        name = names.one if is_one or digits == "1" else names.several
        said.append(f"{said_whole(digits)} {name}")
    if hundredths:
        is_single = is_one or hundredths == 1
        name = names.hundredth if is_single else names.hundredths
        said.append(f"{cardinal(hundredths)} {name}")
    return " ".join(said)


def spoken_split(match: re.Match[str]) -> tuple[str, ...]:
    """Say "five euros fifty"."""
    euros = say_money("€", match["euros"], None, None, is_one=False)
    return words_of(f"{euros} {cardinal(int(match['cents']))}")


def say_alone(currency: str, before: str) -> str:
    """Say the name of a sign; in the plural after "5 million" and "ten"."""
    names = _NAMES[currency]
    return names.several if before.lower() in _SEVERAL else names.one

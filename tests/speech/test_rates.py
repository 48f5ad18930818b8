import pytest

from speech.rates import MEAN_RATE, NATIVE_RATES
from speech.text.transcript import available


def test_every_language_has_a_native_rate_or_says_that_none_was_found():
    assert set(NATIVE_RATES) == available() | {"ja", "zh"}
    assert [language for language, rate in NATIVE_RATES.items() if rate is None] == [
        "hi", "ru", "id", "fil",
    ]  # fmt: skip


def test_the_mean_for_other_languages_is_over_articulation_rates_of_one_study():
    assert pytest.approx(6.735, abs=0.001) == MEAN_RATE
    kinds = {rate.includes_pauses for rate in NATIVE_RATES.values() if rate and rate.speakers == 10}
    assert kinds == {False}

import pytest

from policy.languages import check_languages, primary_language
from schema.errors.base import ParametersRefused
from speech import engine


@pytest.mark.parametrize("tag", ["en", "en-GB", "EN_us", " ja ", "fil", "zh-Hant"])
def test_a_language_of_the_app_is_accepted_in_any_form(tag):
    check_languages([tag])
    assert primary_language(tag) == engine.primary_language(tag)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en-GB", "en"),
        ("zh-Hans-CN", "zh"),
        ("cmn", "zh"),
        ("pt-BR", "pt"),
        ("tl", "fil"),
        ("EN_us", "en"),
        ("yue", "yue"),  # not what zh is in the app
    ],
)
def test_tags_of_the_same_language_are_one(tag, language):
    assert primary_language(tag) == engine.primary_language(tag) == language


@pytest.mark.parametrize("tag", ["english", "jp", "", "e n", "xx"])
def test_a_mistyped_language_is_refused_by_its_name(tag):
    with pytest.raises(ParametersRefused, match=f"unknown codes: {tag!r}. The app teaches de, en"):
        check_languages(["en", tag])


def test_every_language_with_an_engine_is_one_of_the_app():
    for languages in engine.LANGUAGES.values():
        check_languages(languages)

# ruff: noqa: RUF001 - IPA letters and quotation marks look like other characters
import ast
import itertools
import re
from pathlib import Path
from string import Formatter

import pytest

import cli
import speech
from speech import engine
from speech.feedback.contrasts import _CONTRASTS
from speech.feedback.texts import languages, texts_in
from speech.feedback.words import explain
from speech.text.phones import IPA
from tests.speech.conftest import read_clip
from tests.speech.data.make_golden_analyses import TEXTS
from tests.speech.feedback.making import think, three, word
from tests.speech.test_assembly import analysed

LANGUAGES = languages()
ENGLISH = texts_in("en").messages
WITHOUT_PLURAL = ("ja", "ko", "zh")
QUOTED = re.compile("“[^”]*”|„[^“]*“|«[^»]*»|「[^」]*」|‘[^’]*’")
PHONES = re.compile(r"/[^/]*/")
ENGLISH_WORDS = {"the", "your", "you", "with", "words", "heard", "say", "sounds", "sounded"}


def placeholders(message):
    return {name for _, name, _, _ in Formatter().parse(message) if name is not None}


def said_in_code():
    """Return patterns of the names that code asks for; what is computed matches anything."""
    patterns = []
    folders = (Path(package.__file__).parent for package in (speech, cli))
    for path in itertools.chain.from_iterable(folder.rglob("*.py") for folder in folders):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.args[0] if node.func.attr in {"say", "count"} and node.args else None
            elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
                name = node.slice if node.value.attr == "messages" else None
            else:
                continue
            parts = name.values if isinstance(name, ast.JoinedStr) else [name]
            if all(isinstance(part, ast.Constant | ast.FormattedValue) for part in parts):
                patterns.append(
                    "".join(
                        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+"
                        for part in parts
                    )
                )
    return patterns + said_on_the_page()


def said_on_the_page():
    template = (Path(cli.__file__).parent / "templates" / "analysis.html.j2").read_text("utf-8")
    said = re.findall(r'say\("([a-z_.0-9]+)"( ~)?', template)
    return [re.escape(name) + (".+" if is_computed else "") for name, is_computed in said]


def learners_texts(analysis):
    for problem in analysis.problematic_words:
        yield from (problem.issue, problem.suggestion)
    yield from analysis.recommendations
    yield from analysis.analysis_warnings
    for phone in analysis.phoneme_analysis:
        yield from phone.issues


def assert_in(language, text, *words):
    """Check that nothing in a text is English but what it quotes."""
    own = PHONES.sub("", QUOTED.sub("", text))
    for quoted in words:
        own = own.replace(quoted, "")
    found = {one.lower() for one in re.findall("[A-Za-z]{2,}", own)}
    foreign = found if language in WITHOUT_PLURAL else found & ENGLISH_WORDS
    assert not foreign, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_message_with_the_same_placeholders(language):
    messages = texts_in(language).messages
    missing = {name for name in ENGLISH if name.endswith(".one")}
    assert set(messages) == set(ENGLISH) - (missing if language in WITHOUT_PLURAL else set())
    for name, message in messages.items():
        assert message or name == "sentence_separator"  # Japanese and Chinese have no spaces
        assert placeholders(message) == placeholders(ENGLISH[name]), name


def test_placeholders_are_plain_names():
    for language in LANGUAGES:
        for message in texts_in(language).messages.values():
            for _, name, specification, conversion in Formatter().parse(message):
                assert name is None or name.isidentifier(), message
                assert not specification, message
                assert not conversion, message


def test_code_asks_for_every_message_and_for_no_other():
    patterns = [re.compile(pattern) for pattern in said_in_code()]
    names = {name.removesuffix(".one").removesuffix(".other") for name in ENGLISH}
    assert not {name for name in names if not any(pattern.fullmatch(name) for pattern in patterns)}
    asked_for = [pattern for pattern in said_in_code() if re.match(r"[a-z]+\\\.", pattern)]
    assert len(asked_for) > 30
    for pattern in asked_for:
        assert any(re.fullmatch(pattern, name) for name in names), pattern


def test_every_sound_and_every_contrast_is_explained():
    assert {name for name in ENGLISH if name.startswith("how.")} == {f"how.{it}" for it in IPA}
    explained = {name for name in ENGLISH if name.startswith("contrast.")}
    assert explained == {
        f"contrast.{name}" for name in [*_CONTRASTS.values(), "voice", "voice_at_the_end"]
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_a_sound_is_made_takes_one_or_two_sentences(language):
    for phone in IPA:
        how = texts_in(language).say(f"how.{phone}")
        assert how.endswith((".", "。"))
        assert 1 <= len(re.findall(r"\. |\.$|。", how)) <= 2


@pytest.mark.parametrize(
    ("tag", "language"),
    [("ja", "ja"), ("ja-JP", "ja"), ("ZH_Hans", "zh"), ("hi", "en"), ("", "en")],
)
def test_a_learner_reads_his_language_or_english(tag, language):
    assert texts_in(tag).language == language


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_one_and_several_are_told_apart(language):
    texts = texts_in(language)
    assert texts.count("warning.skipped", 1) != texts.count("warning.skipped", 2).replace("2", "1")


@pytest.mark.parametrize("language", WITHOUT_PLURAL)
def test_languages_without_plural_have_one_form(language):
    texts = texts_in(language)
    assert texts.count("warning.skipped", 1) == texts.count("warning.skipped", 2).replace("2", "1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sound_at_fault_is_the_same_in_every_language(language):
    explained = explain(texts_in(language), think(TH="S", IH=20.0))
    assert explained.sound == "θ"
    assert explained.issue.index("/θ/") < explained.issue.index("/ɪ/")
    assert explain(texts_in(language), think()).sound is None


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
@pytest.mark.parametrize("clip", TEXTS)
def test_the_feedback_on_a_recording_is_in_the_learners_language(language, clip):
    text = TEXTS[clip]
    arguments = (read_clip(clip), text, "en")
    analysis = engine.analyze(*arguments, engine="kaiwa", feedback_language=language)
    english = engine.analyze(*arguments, engine="kaiwa")
    assert list(learners_texts(analysis))
    assert not set(learners_texts(analysis)) & set(learners_texts(english))
    for said in learners_texts(analysis):
        assert_in(language, said)
    assert analysis.practice_words == english.practice_words


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
@pytest.mark.parametrize("heard", ["S", "", None], ids=["another", "none", "unclear"])
def test_the_feedback_on_weak_words_is_in_the_learners_language(language, heard):
    text = "We think that three things are here"
    analysis = analysed(
        text, heard=heard, unsaid=("here",), inserted_before=("are",), language=language
    )
    assert analysis.problematic_words
    for said in learners_texts(analysis):
        assert_in(language, said)
    found = 20.0 if heard is None else heard
    for weak in (think(TH=found), three(TH=found, IY=20.0), word("lazy", 0.1)):
        explained = explain(texts_in(language), weak)
        assert_in(language, explained.issue)
        assert_in(language, explained.suggestion)


def test_french_signs_do_not_begin_a_line():
    for message in texts_in("fr").messages.values():
        assert not re.search(r"« | [»:;!?%]|\w[»;!?]", message), message


@pytest.mark.parametrize("language", LANGUAGES)
def test_quotation_marks_are_those_of_the_language(language):
    opening, closing = texts_in(language).quoted("").replace("\u00a0", "")
    for message in texts_in(language).messages.values():
        marks = re.findall('["“”„«»「」‘]', message)
        assert set(marks) <= {opening, closing}, message

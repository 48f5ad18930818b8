import pickle

import pytest

from speech import errors

ALL = [
    errors.UndecodableAudio("the file is empty"),
    errors.DecoderMissing("a WebM or Matroska file"),
    errors.AudioTooLong("10 minutes"),
    errors.NoSpeech("the recording is digital silence"),
    errors.EmptyTranscript(),
    errors.UnsupportedLanguage("ja", ("en",)),
    errors.UnsupportedScript("en"),
    errors.TextMismatch("its sounds differ from those of the words"),
    errors.EngineFailure("3 words went in, 2 came out"),
]
CAUSES = {
    "undecodable",
    "decoder_missing",
    "too_long",
    "no_speech",
    "empty_text",
    "unsupported_language",
    "text_mismatch",
    "engine_error",
}


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_an_error_says_what_happened_in_a_sentence(error):
    assert isinstance(error, errors.SpeechError)
    assert str(error)[0].isupper()
    assert str(error).endswith(".")


def test_every_cause_has_an_error():
    assert {error.cause for error in ALL} == CAUSES


def test_an_absurd_language_does_not_flood_the_message():
    assert len(str(errors.UnsupportedLanguage("x" * 10_000, ("en",)))) < 200

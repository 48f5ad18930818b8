"""Why one recording cannot be analysed. All but EngineFailure end the same way on another try.

SpeechError
├── UndecodableAudio        the bytes are no audio that we can read
├── AudioTooLong            longer or larger than is analysed
├── NoSpeech                silence, noise, or nothing voiced
├── EmptyTranscript         no word to align
├── UnsupportedLanguage     no model for it
│   └── UnsupportedScript   the transcript is written in letters of another language
├── TextMismatch            the recording says something else
└── EngineFailure           the aligner broke; worth another try
    └── DamagedModel        a file of a model is not what it should be

Messages name no word of the transcript: they are logged and shown to operators.
"""

from typing import ClassVar


class SpeechError(ValueError):
    """Base of all errors of this package; `facts` are the constructor's arguments.

    Attributes:
        cause: A stable name for counting, the same for every instance of a class.
    """

    cause: ClassVar[str]

    def __init__(self, message: str, *facts: object) -> None:
        self.facts = facts
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive pickling: rebuild from the facts, not from the message."""
        return type(self), self.facts


class UndecodableAudio(SpeechError):
    """The bytes are no audio that we can read."""

    cause = "undecodable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The recording cannot be decoded: {reason}. Record it again.", reason)


class AudioTooLong(SpeechError):
    """The recording is longer, or larger, than is analysed."""

    cause = "too_long"

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            f"The recording exceeds the limit of {limit}. Split it and upload the parts.", limit
        )


class NoSpeech(SpeechError):
    """Nobody speaks in the recording."""

    cause = "no_speech"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"No speech was found: {reason}. Check the microphone and record again.", reason
        )


class EmptyTranscript(SpeechError):
    """The transcript holds no word to align."""

    cause = "empty_text"

    def __init__(self) -> None:
        super().__init__("The message's text holds no word, so there is nothing to align.")


class UnsupportedLanguage(SpeechError):
    """There is no model for this language."""

    cause = "unsupported_language"

    def __init__(self, language: str, supported: tuple[str, ...]) -> None:
        self.language, self.supported = language, supported
        super().__init__(
            f"Language {language[:20]!r} is not supported yet; supported: {', '.join(supported)}.",
            language,
            supported,
        )


class UnsupportedScript(UnsupportedLanguage):
    """The transcript is written in letters that the language does not use."""

    def __init__(self, language: str) -> None:
        self.language = language
        SpeechError.__init__(
            self,
            f"The message's text is not written in the letters of {language[:20]!r}. "
            "Check the conversation's language.",
            language,
        )


class TextMismatch(SpeechError):
    """The recording does not say what the transcript says."""

    cause = "text_mismatch"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The recording does not match the message's text: {reason}. "
            "It gets no score. Check that the two belong together.",
            reason,
        )


class EngineFailure(SpeechError):
    """The aligner broke down although recording and text looked sound."""

    cause = "engine_error"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The aligner failed: {reason}.", reason)


class DamagedModel(EngineFailure):
    """A file of a model is not whole, or not what it should be."""

    def __init__(self, name: str, what: object) -> None:
        self.name, self.what = name, str(what)
        SpeechError.__init__(
            self,
            f"A model cannot be used: {name}: {self.what}. Install the package again.",
            name,
            self.what,
        )

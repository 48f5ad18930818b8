"""Why a recording cannot be analysed.

All but DecoderMissing and EngineFailure are permanent: a retry fails again.

SpeechError
├── UndecodableAudio        the bytes are not audio that can be decoded
├── DecoderMissing          the extra that decodes it is not installed
├── AudioTooLong            over the limit on duration or size
├── NoSpeech                silence, noise, or nothing voiced
├── EmptyTranscript         no word to align
├── UnsupportedLanguage     no model for the language
│   └── UnsupportedScript   the transcript is in another script
├── TextMismatch            the recording does not match the transcript
└── EngineFailure           the aligner failed; worth a retry
    └── DamagedModel        a model file is damaged or invalid

Messages never quote the transcript: they are logged and shown to operators.
"""

from typing import ClassVar


class SpeechError(ValueError):
    """Base of all errors of this package; `facts` are the constructor's arguments.

    Attributes:
        cause: Stable name of the class, for counting.
    """

    cause: ClassVar[str]

    def __init__(self, message: str, *facts: object) -> None:
        self.facts = facts
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive pickling: rebuild from the facts, not from the message."""
        return type(self), self.facts


class UndecodableAudio(SpeechError):
    """The bytes are not audio that can be decoded."""

    cause = "undecodable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The recording cannot be decoded: {reason}. Record it again.", reason)


class DecoderMissing(SpeechError):
    """The format needs FFmpeg, which is not installed; the recording is not at fault."""

    cause = "decoder_missing"

    def __init__(self, title: str) -> None:
        self.title = title
        super().__init__(
            f"The recording is {title}, which needs the extra `codecs` to be decoded. "
            "Install it: pip install 'kaiwa-audio[codecs]'.",
            title,
        )


class AudioTooLong(SpeechError):
    """The recording exceeds the limit on duration or size."""

    cause = "too_long"

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(
            f"The recording exceeds the limit of {limit}. Split it and upload the parts.", limit
        )


class NoSpeech(SpeechError):
    """The recording contains no speech."""

    cause = "no_speech"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"No speech was found: {reason}. Check the microphone and record again.", reason
        )


class EmptyTranscript(SpeechError):
    """The transcript contains no word to align."""

    cause = "empty_text"

    def __init__(self) -> None:
        super().__init__("The message's text contains no word, so there is nothing to align.")


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
    """The transcript is written in a script that the language does not use."""

    def __init__(self, language: str) -> None:
        self.language = language
        SpeechError.__init__(
            self,
            f"The message's text is not written in the script of {language[:20]!r}. "
            "Check the conversation's language.",
            language,
        )


class TextMismatch(SpeechError):
    """The recording does not match the transcript."""

    cause = "text_mismatch"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The recording does not match the message's text: {reason}. It gets no score. "
            "Listen to it. If you said the text, say it once more, all of it and closer to the "
            "microphone; if you said something else, correct the text.",
            reason,
        )


class EngineFailure(SpeechError):
    """The aligner failed although recording and text looked valid."""

    cause = "engine_error"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The aligner failed: {reason}.", reason)


class DamagedModel(EngineFailure):
    """A model file is incomplete or invalid."""

    def __init__(self, name: str, what: object) -> None:
        self.name, self.what = name, str(what)
        SpeechError.__init__(
            self,
            f"A model cannot be used: {name}: {self.what}. Install the package again.",
            name,
            self.what,
        )

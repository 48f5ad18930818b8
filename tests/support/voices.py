"""Fixtures: a synthetic voice, and sentences in every language that it speaks."""

import numpy as np
import pytest

from speech.alignment.by_voice import word_edges
from speech.engines.dtw import VOICES
from speech.text import transcript
from speech.waveform import SAMPLE_RATE_HZ
from tasks.analysis.voice import Voice

SENTENCES = {
    "de": "Heute ist es sehr warm, aber morgen wird es regnen.",
    "en": "It is very hot today, but tomorrow it will rain.",
    "es": "Hoy hace mucho calor, pero mañana va a llover.",
    "fil": "Mainit ngayon, pero uulan bukas.",
    "fr": "Aujourd'hui il fait très beau, mais demain il va pleuvoir.",
    "hi": "आज बहुत गर्मी है, लेकिन कल बारिश होगी।",
    "id": "Hari ini cuacanya panas sekali, tetapi besok akan hujan.",
    "it": "Oggi fa molto caldo, ma domani pioverà.",
    "ja": "今日はとても暑いですが、明日は雨が降るでしょう。",
    "ko": "오늘은 아주 덥지만, 내일은 비가 올 거예요.",
    "nl": "Vandaag is het erg warm, maar morgen gaat het regenen.",
    "pt": "Hoje está muito calor, mas amanhã vai chover.",
    "ru": "Сегодня очень жарко, но завтра будет дождь.",
    "tr": "Bugün hava çok sıcak, ama yarın yağmur yağacak.",  # noqa: RUF001 - its own letters and marks
    "vi": "Hôm nay trời rất nóng, nhưng ngày mai sẽ mưa.",
    "zh": "今天很热，但是明天会下雨。",  # noqa: RUF001 - its own letters and marks
}


@pytest.fixture(scope="session")
def espeak():
    """espeak-ng."""
    with Voice() as speak:
        yield speak


@pytest.fixture(scope="session")
def another_voice(espeak):
    """Say a sentence as somebody else would: another voice, tempo, and a quiet room.

    Returns the recording, and the true edges of its words in seconds.
    """

    def _another_voice(text, language, *, variant="+f4", words_per_minute=130, pause_seconds=0.0):
        words = transcript.read(text, language).words
        spoken = [" ".join(word.spoken) + "," * bool(word.boundary) for word in words]
        starts = np.cumsum([0, *(len(word) + 1 for word in spoken)])[:-1].tolist()
        reading = espeak(
            " ".join(spoken), voice=VOICES[language] + variant, words_per_minute=words_per_minute
        )
        edges = word_edges(reading, starts, [len(word.text) for word in words])
        cut = round(edges[len(edges) // 2, 0] * SAMPLE_RATE_HZ)
        edges[len(edges) // 2 :] += pause_seconds
        pause = np.zeros(round(pause_seconds * SAMPLE_RATE_HZ), np.float32)
        margin = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
        waveform = np.concatenate(
            [margin, reading.waveform[:cut], pause, reading.waveform[cut:], margin]
        )
        noise = np.random.default_rng(0).standard_normal(len(waveform), np.float32)
        return waveform / 2 + noise / 1000, edges + 0.5

    return _another_voice

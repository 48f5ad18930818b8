# ruff: noqa: RUF001 - IPA letters look like other characters
"""`kaiwa-audio analyze`: one recording, analysed locally."""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import soxr
import sqlalchemy as sa
from pydantic.alias_generators import to_camel
from typer.testing import CliRunner

from cli import analysis_page
from cli.main import app
from schema.facts.analysis import ClaimedMessage
from schema.states import AnalysisEngine
from speech import engine
from speech.feedback.texts import languages
from speech.feedback.words import explain
from stores.analysis import analyses
from tasks.analysis.engines import installed_release
from tasks.analysis.records import analysis_of, analysis_record
from tests.speech.conftest import DATA, read_clip
from tests.speech.feedback.making import ENGLISH, word
from tests.support.media import media

FOX = DATA / "fox.flac"
FOX_TEXT = "The quick brown fox jumps over the lazy dog."
PAUSES = DATA / "pauses.flac"
PAUSES_TEXT = "I would like a glass of water, please!"
HOSTILE = "\"'><script>alert(1)</script>{{ 7 * 7 }}<img src=x onerror=alert(1)>&amp; "


def run(*arguments):
    return CliRunner().invoke(app, ["analyze", *map(str, arguments)], env={"COLUMNS": "120"})


class Page(HTMLParser):
    """Elements and texts of a page."""

    def __init__(self, source):
        super().__init__()
        self.elements = []  # tag and attributes
        self.text = {}  # by the tag or class it is in
        self._inside = []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._inside.append((tag, dict(attributes).get("class") or tag))
        if tag in {"meta", "line", "rect"}:
            self._inside.pop()

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._inside.pop()[0] == tag

    def handle_data(self, data):
        for _, name in self._inside:
            self.text[name] = self.text.get(name, "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def bytes_of_sound(self):
        media_type, _, encoded = self.all("audio")[0]["src"].partition(";base64,")
        return media_type, base64.b64decode(encoded)


def rendered(analysis, text, title="fox.flac"):
    sound = "data:audio/wav;base64,"
    return Page(
        analysis_page.render(ENGLISH, analysis, text, title=title, sound=sound, sound_seconds=9.5)
    )


def not_judged(analysis, number):
    """The analysis without a verdict on one word."""
    timings = list(analysis.speech_timings)
    timings[number] = replace(timings[number], confidence=None)
    return replace(analysis, speech_timings=tuple(timings))


@pytest.fixture(scope="module")
def fox():
    return engine.analyze(read_clip("fox"), FOX_TEXT, "en")


@pytest.fixture(scope="module")
def pauses():
    return engine.analyze(read_clip("pauses"), PAUSES_TEXT, "en")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Write the page of a recording in an empty folder, and read it."""
    monkeypatch.chdir(tmp_path)

    def _page(file, text, *options):
        done = run(file, "--text", text, "--html", *options)
        assert done.exit_code == 0, done.output
        return Page((tmp_path / done.stdout.strip()).read_text(encoding="utf-8"))

    return _page


def test_a_person_sees_scores_words_and_pauses(pauses):
    shown = run(PAUSES, "--text", PAUSES_TEXT)
    assert shown.exit_code == 0
    assert f"Accuracy {pauses.overall_accuracy_score} of 100; experts would" in shown.output
    for timing in pauses.speech_timings:
        said = "pause of 0." if timing.is_pause else timing.word
        (row,) = [
            line
            for line in shown.output.splitlines()
            if re.match(rf" *{timing.start_ms / 1000:.2f} s ", line)
        ]
        assert said in row
    assert all(advice[:40] in shown.output for advice in pauses.recommendations)


def test_the_feedback_is_in_the_language_that_was_asked_for():
    shown = run(PAUSES, "--text", PAUSES_TEXT, "--feedback-language", "ja", "--json")
    analysis = json.loads(shown.stdout)
    assert re.match("良かったところ|減点の理由", analysis["recommendations"][-1])
    refused = run(PAUSES, "--text", PAUSES_TEXT, "--feedback-language", "xx")
    assert refused.exit_code == 2
    assert "no feedback in this" in refused.output
    assert all(language in refused.output for language in languages())


def test_words_to_practise_and_warnings_are_shown(fox, monkeypatch):
    weak = explain(ENGLISH, word("lazy", 0.1, phones="L EY Z IY", L="R"))
    faulty = replace(
        fox,
        problematic_words=(weak,),
        practice_words=("lazy",),
        analysis_warnings=("Loud [b]!",),
    )
    monkeypatch.setattr(engine, "analyze", lambda *_, **__: faulty)
    shown = " ".join(run(FOX, "--text", FOX_TEXT).output.split())
    for text in (
        weak.issue,
        weak.suggestion,
        "Note: Loud [b]!",
        "Say these aloud: lazy.",
    ):
        assert " ".join(text.split()) in shown


def test_a_program_gets_the_whole_analysis_as_the_app_reads_it_and_nothing_else(fox):
    found = json.loads(run(FOX, "--text", FOX_TEXT, "--json").stdout)
    assert set(found) == {to_camel(name) for name in asdict(fox)}
    assert found["overallAccuracyScore"] == fox.overall_accuracy_score
    first = fox.speech_timings[0]
    assert found["speechTimings"][0] == {
        "word": "The",
        "startMs": first.start_ms,
        "endMs": first.end_ms,
        "charStart": 0,
        "charEnd": 3,
        "confidence": first.confidence,
        "isPause": False,
        "isHesitation": False,
    }
    documents = ("speechTimings", "phonemeAnalysis", "problematicWords")
    keys = {key for name in documents for one in found[name] for key in one}
    assert not [key for key in keys if "_" in key]
    assert None not in [
        value for name in documents for one in found[name] for value in one.values()
    ]


def test_json_equals_what_the_database_stores(fox, add_message, engine):
    message_id = add_message()
    claimed = ClaimedMessage(message_id, "", FOX_TEXT, "en", None, None, None, None, 0, 0)
    analysis = analysis_of(fox, FOX_TEXT)
    as_of = datetime(2026, 1, 1, tzinfo=UTC)
    record = analysis_record(
        claimed, analysis, installed_release(AnalysisEngine.KAIWA_LARGE), as_of=as_of, duration_ms=1
    )
    with engine.begin() as connection:
        analyses.create(connection, record)
        row = connection.execute(
            sa.text(
                "SELECT to_jsonb(a) - '{id,message_id,analyzed_at,analysis_duration_ms}'::text[]"
                " FROM message_audio_analysis AS a"
            )
        ).scalar_one()
    stored = {to_camel(name): value for name, value in row.items() if value is not None}
    assert json.loads(run(FOX, "--text", FOX_TEXT, "--json").stdout) == stored


def test_raw_samples_are_read_as_declared(tmp_path, fox):
    raw = tmp_path / "fox.raw"
    raw.write_bytes((read_clip("fox") * 32767).astype("<i2").tobytes())
    options = ("--text", FOX_TEXT, "--json", "--format", "pcm16", "--sample-rate", 16_000)
    analysed = json.loads(run(raw, *options).stdout)
    assert analysed["overallAccuracyScore"] == pytest.approx(fox.overall_accuracy_score, abs=2)
    # With the app's format names and sample rate.
    named = tmp_path / "fox.wav"
    waveform = soxr.resample(read_clip("fox"), 16_000, 24_000)
    named.write_bytes((waveform * 32767).astype("<i2").tobytes())
    assert run(named, "--text", FOX_TEXT).exit_code == 0


def test_a_page_carries_its_text_and_the_recording_itself(page, pauses):
    made = page(PAUSES, PAUSES_TEXT)
    without_pauses = re.sub(r"0\.\d s", "", made.text["text"])
    assert without_pauses == PAUSES_TEXT
    assert made.bytes_of_sound() == ("data:audio/flac", PAUSES.read_bytes())
    played = [button for button in made.all("button") if "data-number" in button]
    assert [(int(word["data-start"]), int(word["data-end"])) for word in played] == [
        (t.start_ms, t.end_ms) for t in pauses.speech_timings if not t.is_pause
    ]


def test_a_hesitation_that_the_text_leaves_out_is_shown_between_its_words(fox):
    aside = replace(fox.speech_timings[-1], word="", confidence=None, is_hesitation=True)
    first = replace(aside, start_ms=0, end_ms=1, char_start=0, char_end=0)
    last = replace(aside, start_ms=aside.end_ms, char_start=aside.char_end)
    page = rendered(replace(fox, speech_timings=(first, *fox.speech_timings, last)), FOX_TEXT)
    assert page.text["text"] == f"(…){FOX_TEXT}(…)"


def test_a_scores_range_is_drawn_and_said_in_words(fox):
    raw = fox.raw_features | {"accuracy_low": 63.4, "accuracy_high": 87.1}
    page = rendered(replace(fox, raw_features=raw), FOX_TEXT)
    assert "Experts would probably give 63 to 88." in page.text["scores"]
    likely = [one for one in page.all("rect") if one.get("class") == "likely"]
    assert (likely[0]["x"], likely[0]["width"]) == ("63%", "25%")
    assert "the mark is the score" in page.text["note"]


def test_scores_of_a_text_in_doubt_are_shown_without_a_range(fox, monkeypatch):
    raw = {
        name: value
        for name, value in fox.raw_features.items()
        if not name.endswith(("_low", "_high"))
    }
    doubtful = replace(fox, raw_features=raw)
    page = rendered(doubtful, FOX_TEXT)
    assert f"{fox.overall_accuracy_score} of 100" in page.text["scores"]
    assert not [one for one in page.all("rect") if one.get("class") == "likely"]
    assert "Experts would" not in page.text["html"]
    assert "the mark is" not in page.text["html"]
    monkeypatch.setattr(engine, "analyze", lambda *_, **__: doubtful)
    shown = run(FOX, "--text", FOX_TEXT).output
    assert f"Accuracy {fox.overall_accuracy_score} of 100.\n" in shown


@pytest.mark.parametrize(
    ("language", "said", "heading"),
    [("ja", "正確さ", "単語ごとの結果"), ("de", "Genauigkeit", "Wort für Wort")],
)
def test_the_page_is_in_the_language_of_its_feedback(page, language, said, heading):
    shown = page(PAUSES, PAUSES_TEXT, "--feedback-language", language)
    assert shown.all("html")[0]["lang"] == language
    assert said in shown.text["scores"]
    assert heading in shown.text["h2"]
    (text,) = [one for one in shown.all("p") if one.get("class") == "text"]
    assert text["lang"] == "en"


def test_every_sound_can_be_read_without_pointing_at_it(fox):
    read = rendered(fox, FOX_TEXT).text["sounds"]
    said = [f"/{sound.phoneme}/ {sound.accuracy_score}" for sound in fox.phoneme_analysis]
    assert re.findall(r"/\S+/ \d+", read) == said


def test_the_strip_is_as_long_as_the_recording_that_the_player_shows(fox, page):
    assert [svg["viewbox"] for svg in rendered(fox, FOX_TEXT).all("svg") if "viewbox" in svg] == [
        "0 0 9500 10"
    ]
    (strip,) = [svg for svg in page(FOX, FOX_TEXT).all("svg") if "viewbox" in svg]
    assert strip["viewbox"] == f"0 0 {round(len(read_clip('fox')) / 16)} 10"


def test_an_unjudged_word_is_shown_without_verdict_and_scores(fox):
    page = rendered(not_judged(fox, 1), FOX_TEXT)
    button = page.all("button")[1]
    assert button["class"] == "word not-judged"
    assert button["aria-label"] == "quick, not judged"
    row = page.text["tbody"].partition("quick")[2].partition("brown")[0].split()
    assert row[:2] == ["not", "judged"]
    assert row[-4:] == ["/k/", "/w/", "/ɪ/", "/k/"]
    assert not any(part.isdigit() for part in row)


def test_an_unjudged_word_gets_no_bar_in_the_terminal(fox, monkeypatch):
    monkeypatch.setattr(engine, "analyze", lambda *_, **__: not_judged(fox, 1))
    (row,) = [line for line in run(FOX, "--text", FOX_TEXT).output.splitlines() if "quick" in line]
    assert row.split()[-3:] == ["quick", "not", "judged"]


def test_a_verdict_is_shown_in_words_not_only_in_colour(fox):
    page = rendered(fox, FOX_TEXT)
    for button in page.all("button"):
        verdict = button["class"].split()[1].replace("-", " ")
        assert button["aria-label"].endswith(f", {verdict}")
    assert "clear" in page.text["tbody"]


def test_pauses_are_drawn_to_scale(pauses):
    first, second = (t.end_ms - t.start_ms for t in pauses.speech_timings if t.is_pause)
    drawn = [
        int(svg["width"]) for svg in rendered(pauses, PAUSES_TEXT).all("svg") if "width" in svg
    ]
    assert drawn[0] / drawn[1] == pytest.approx(first / second, rel=0.05)


def test_a_recording_that_no_browser_plays_is_carried_as_wav(page, tmp_path):
    raw = tmp_path / "fox.pcm"
    raw.write_bytes((read_clip("fox") * 32767).astype("<i2").tobytes())
    media_type, sound = page(
        raw, FOX_TEXT, "--format", "pcm16", "--sample-rate", 16_000
    ).bytes_of_sound()
    assert media_type == "data:audio/wav"
    waveform, rate_hz = soundfile.read(io.BytesIO(sound), dtype="float32")
    assert rate_hz == 16_000
    np.testing.assert_allclose(waveform, read_clip("fox"), atol=1e-4)


@pytest.mark.parametrize(
    ("container", "subtype", "media_type"),
    [
        ("WAV", "PCM_16", "data:audio/wav"),
        ("WAV", "IMA_ADPCM", None),
        ("OGG", "VORBIS", "data:audio/ogg"),
        ("MP3", "MPEG_LAYER_III", "data:audio/mpeg"),
        ("AIFF", "PCM_16", None),
    ],
)
def test_a_recording_is_carried_as_it_is_where_browsers_play_it(container, subtype, media_type):
    file = io.BytesIO()
    soundfile.write(file, read_clip("fox"), 16_000, format=container, subtype=subtype)
    carried = analysis_page.playable(file.getvalue(), read_clip("fox"))
    original = base64.b64encode(file.getvalue()).decode()
    assert (carried == f"{media_type};base64,{original}") == (media_type is not None)
    assert carried.startswith(media_type or "data:audio/wav;")


def test_a_browsers_recording_is_carried_as_it_is():
    recorded = media(read_clip("fox"), 16_000, "webm", "libopus")
    carried = analysis_page.playable(recorded, read_clip("fox"))
    assert carried == f"data:audio/webm;base64,{base64.b64encode(recorded).decode()}"


def test_a_page_allows_its_own_style_script_and_sound_alone(page):
    made = page(FOX, FOX_TEXT)
    (policy,) = [meta["content"] for meta in made.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(made.text[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "url(" not in made.text["style"]
    for _, attributes in made.elements:
        assert not {"style", "href", "srcset"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert [tag for tag, attributes in made.elements if "src" in attributes] == ["audio"]


def test_a_text_is_only_text_whatever_it_contains(fox):
    moved = [
        replace(t, char_start=t.char_start + len(HOSTILE), char_end=t.char_end + len(HOSTILE))
        for t in fox.speech_timings
    ]
    moved[0] = replace(moved[0], word=HOSTILE)
    weak = explain(ENGLISH, word(HOSTILE, 0.1))
    hostile = replace(
        fox, speech_timings=tuple(moved), problematic_words=(weak,), practice_words=(HOSTILE,),
        recommendations=(HOSTILE,), analysis_warnings=(HOSTILE,), analysis_language=HOSTILE,
    )  # fmt: skip
    tame, page = rendered(fox, FOX_TEXT), rendered(hostile, HOSTILE + FOX_TEXT, title=HOSTILE)
    assert len(page.all("script")) == len(tame.all("script")) == 1
    assert page.all("img") == []
    assert page.text["script"] == tame.text["script"]
    for place in ("h1", "text", "warnings", "title"):
        assert HOSTILE.strip() in page.text[place]


def test_a_page_is_written_here_under_the_recordings_name_or_to_output(tmp_path, page):
    page(FOX, FOX_TEXT)
    page(FOX, FOX_TEXT, "--output", tmp_path / "other.html")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fox.html", "other.html"]


@pytest.fixture
def bad(tmp_path):
    """Recordings that cannot be analysed, by their defect."""
    (tmp_path / "notes.txt").write_text("not a sound")
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "silent.wav", np.zeros(32_000), 16_000)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("nowhere.wav", (), "nowhere.wav: No such file or directory."),
        (".", (), "Is a directory."),
        ("notes.txt", (), "cannot be decoded"),
        ("empty.wav", (), "the file is empty"),
        ("silent.wav", (), "No speech was found"),
        (FOX, ("--text", 20 * FOX_TEXT), "does not match"),
        (FOX, ("--text", "…"), "contains no word"),
        (FOX, ("--language", "ja"), "not written in the script of 'ja'"),
        (FOX, ("--language", "ja", "--engine", "kaiwa"), "'ja' is not supported yet"),
        (FOX, ("--html", "--output", "nowhere/page.html"), "No such file or directory."),
    ],
)
def test_a_recording_that_cannot_be_analysed_is_reported_in_one_line(
    bad, monkeypatch, file, options, message
):
    monkeypatch.chdir(bad)
    done = run(file, "--text", FOX_TEXT, *options)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["", "--json", "--html"])
def test_a_text_that_is_not_utf_8_is_reported_in_one_line_and_leaves_no_file(
    tmp_path, monkeypatch, form
):
    monkeypatch.chdir(tmp_path)
    done = run(FOX, "--text", FOX_TEXT + "\udce9", *form.split())
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "UTF-8" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_have_a_name_that_is_not_utf_8(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "fox-\udce9.flac"
    named.write_bytes(FOX.read_bytes())
    assert run(named, "--text", FOX_TEXT).exit_code == 0
    done = run(named, "--text", FOX_TEXT, "--html")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "fox-\udce9.html").read_text(encoding="utf-8")
    assert done.stdout_bytes == b"fox-\xe9.html\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--text"),
        (("--text", "fox", "--json", "--html"), "either --json or --html"),
        (("--text", "fox", "--output", "page.html"), "--output requires --html"),
        (("--text", "fox", "--sample-rate", 8000), "requires --format"),
        (("--text", "fox", "--format", "mp3"), "--format"),
        (("--text", "fox", "--format", "pcm16", "--sample-rate", 0), "--sample-rate"),
    ],
)
def test_a_command_that_contradicts_itself_is_refused(options, message):
    done = run(FOX, *options)
    assert done.exit_code == 2
    assert message in done.output


def test_neither_environment_nor_orchestrator_is_needed():
    code = (
        "import sys; from cli.main import app; app(standalone_mode=False);"
        "sys.exit(bool({'prefect', 'psycopg'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "analyze", str(FOX), "--text", FOX_TEXT, "--json"],
        env={}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["analysisLanguage"] == "en"

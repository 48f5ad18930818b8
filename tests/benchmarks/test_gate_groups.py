import numpy as np
import pytest
import soundfile

from benchmarks import gate_groups
from benchmarks.analysed_corpus import analyse
from speech import engine
from tests.speech.conftest import read_clip
from tests.speech.test_engine import TEXTS

FOX = read_clip("fox")


@pytest.mark.parametrize("times", [0.75, 1.0, 1.3, 1.6])
def test_the_tempo_changes_and_the_words_stay(times):
    waveform = gate_groups.tempo(FOX, np.random.default_rng(0), times=times)
    assert len(waveform) == pytest.approx(len(FOX) / times, rel=0.02)
    plain = engine.analyze(FOX, TEXTS["fox"], "en")
    changed = engine.analyze(waveform, TEXTS["fox"], "en")
    assert changed.speech_rate_wpm == pytest.approx(times * plain.speech_rate_wpm, rel=0.1)
    assert changed.overall_accuracy_score >= 70


def test_clips_are_read_by_group_with_the_text_beside_them(tmp_path):
    for group, name in (("native", "fox"), ("native", "pauses"), ("children", "number")):
        (tmp_path / group).mkdir(exist_ok=True)
        soundfile.write(tmp_path / group / f"{name}.flac", read_clip(name), 16_000)
        (tmp_path / group / f"{name}.txt").write_text(TEXTS[name])
    soundfile.write(tmp_path / "native" / "textless.flac", FOX, 16_000)
    groups = gate_groups.read_clips(tmp_path)
    assert {name: [one.name for one in group] for name, group in groups.items()} == {
        "children": ["number"], "native": ["fox", "pauses"],
    }  # fmt: skip
    jobs = gate_groups.jobs_of(groups["native"])
    assert [job.text for job in jobs["other text"]] == [TEXTS["pauses"], TEXTS["fox"]]
    assert not any(analyse(job).is_rejected for job in jobs["as it is"])
    assert all(analyse(job).is_rejected for job in jobs["other text"])


def test_without_folders_there_is_nothing_to_measure():
    assert gate_groups.table(gate_groups.measure(None, None, 1, "kaiwa", 1)).startswith(
        "Nothing to measure"
    )

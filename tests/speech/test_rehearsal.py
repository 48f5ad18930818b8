"""After a rehearsal, nothing is left to load."""

import subprocess
import sys

from tests.speech.conftest import DATA

SCRIPT = """
import sys
from pathlib import Path
from speech import engine
from speech.rehearsal import rehearse
from speech.waveform import AudioEncoding, decode

engine.load("en", "kaiwa")
rehearse({"en": "kaiwa"})
audio = Path(sys.argv[1]).read_bytes()
sys.addaudithook(lambda event, arguments: event in ("open", "import") and print(event, arguments))
text = "The quick brown fox jumps over the lazy dog."
engine.analyze(decode(audio, AudioEncoding()), text, "en", engine="kaiwa")
"""


def test_a_recording_is_analysed_without_opening_or_importing_anything():
    command = [sys.executable, "-c", SCRIPT, str(DATA / "fox.flac")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == ""

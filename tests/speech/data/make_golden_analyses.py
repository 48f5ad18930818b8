"""Update `golden_analyses.json` after an intended change of the engine.

python -m tests.speech.data.make_golden_analyses
"""

import json
from dataclasses import asdict
from pathlib import Path

from speech import engine
from speech.scores.model import ENGINES
from tests.speech.conftest import read_clip

TEXTS = {
    "fox": "The quick brown fox jumps over the lazy dog.",
    "pauses": "I would like a glass of water, please!",
    "number": "She was born in 1999 in a small town.",
}
GOLDEN = Path(__file__).with_name("golden_analyses.json")


def main():
    analyses = {
        name: {
            one: asdict(engine.analyze(read_clip(one), text, "en", engine=name))
            for one, text in TEXTS.items()
        }
        for name in ENGINES
    }
    GOLDEN.write_text(json.dumps(analyses, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

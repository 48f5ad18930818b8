"""Train the shipped models from a folder of rated recordings in one command.

    python -m training.train CORPUS [--output speech/models] [--features FOLDER]

CORPUS contains `labels.jsonl`, `annotations.jsonl` and `audio/*.flac` (speechocean762). It needs
torch, from the extra `train`, 20 GB of memory and, for 2,500 recordings on two cores, three hours.
FOLDER must be empty or new; it keeps the measures, and the networks and models of the folds, for
`benchmarks/pronunciation.py --engine ENGINE --folds FOLDER/ENGINE/folds`. Without it they are
discarded. Whisper's encoder, which `kaiwa-large` uses, comes from `training.extract_encoder`.
"""

import argparse
import tempfile
from pathlib import Path

from speech.scores.model import ENGINES
from training import calibrate, measure, miscues, mismatches, substitutions, train_scorer

OUTPUT = Path(__file__).parents[1] / "speech" / "models"


def train(corpus: Path, features: Path, output: Path) -> None:
    """Measure; for each engine train, calibrate, and write its model.

    Raises:
        FileExistsError: If `features` is not empty: leftovers of another run would be trained on.
    """
    if features.exists() and any(features.iterdir()):
        msg = f"{features} is not empty. Name a new folder."
        raise FileExistsError(msg)
    measure.main([str(corpus), str(features)])
    substitutions.main([str(corpus), str(features)])
    mismatches.main([str(corpus), str(features)])
    miscues.main([str(corpus), str(features)])
    for engine, (name, *_) in ENGINES.items():
        network = features / engine / f"{name}.npz"
        network.parent.mkdir()
        train_scorer.main([str(features), "--engine", engine, "--output", str(network)])
        calibrate.main([str(features), str(network), "--output", str(output / f"{name}.npz")])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--features", type=Path)
    arguments = parser.parse_args()
    if arguments.features:
        train(arguments.corpus, arguments.features, arguments.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        train(arguments.corpus, Path(folder), arguments.output)


if __name__ == "__main__":
    main()

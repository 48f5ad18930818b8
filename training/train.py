"""Train the shipped model from a folder of rated recordings in one command.

    python -m training.train CORPUS [--output speech/models/en.npz] [--features FOLDER]

CORPUS contains `labels.jsonl` and `audio/*.flac` (speechocean762). It needs torch, from the extra
`train`, some 3 GB of memory per core and, for 2,500 recordings on two cores, an hour and a half.
FOLDER must be empty or new; it keeps the measures, and the networks and models of the folds, for
`benchmarks/pronunciation.py --folds FOLDER/folds`. Without it they are discarded.
"""

import argparse
import tempfile
from pathlib import Path

from training import calibrate, measure, miscues, mismatches, train_scorer

OUTPUT = Path(__file__).parents[1] / "speech" / "models" / "en.npz"


def train(corpus: Path, features: Path, output: Path) -> None:
    """Measure, train, calibrate, and write the model.

    Raises:
        FileExistsError: If `features` is not empty: leftovers of another run would be trained on.
    """
    if features.exists() and any(features.iterdir()):
        msg = f"{features} is not empty. Name a new folder."
        raise FileExistsError(msg)
    network = features / "networks" / "en.npz"
    network.parent.mkdir(parents=True, exist_ok=True)
    measure.main([str(corpus), str(features)])
    mismatches.main([str(corpus), str(features)])
    miscues.main([str(corpus), str(features)])
    train_scorer.main([str(features), "--output", str(network)])
    calibrate.main([str(features), str(network), "--output", str(output)])


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

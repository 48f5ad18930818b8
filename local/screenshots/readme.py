"""The pictures of the README: chosen, cropped, and reduced to a small size."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES = 200_000
_COLOURS = 128


@dataclass(frozen=True, slots=True)
class Chosen:
    """A picture in the documentation.

    Attributes:
        name: File name, without `.png`.
        of: Pattern of the file it is made from; the last match counts.
        left: Pixels cut off on the left, where the UI's menu is.
        height: Pixels kept from the top.
    """

    name: str
    of: str
    left: int
    height: int


CHOSEN = (
    Chosen("run-form", "form-backfill-analysis.png", left=256, height=870),
    Chosen("approval", "run-*-backfill-*-approval.png", left=0, height=900),
    Chosen("cost-charts", "artifact-measure-costs-charts-*[0-9].png", left=256, height=1210),
)


def renew(pictures: Path, images: Path = IMAGES) -> None:
    """Make the documentation's pictures from a folder of screenshots.

    Raises:
        FileNotFoundError: If a screenshot is missing.
    """
    images.mkdir(parents=True, exist_ok=True)
    for chosen in CHOSEN:
        found = sorted(pictures.glob(chosen.of))
        if not found:
            raise FileNotFoundError(pictures / chosen.of)
        with Image.open(found[-1]) as picture:
            box = (chosen.left, 0, picture.width, min(chosen.height, picture.height))
            cropped = picture.convert("RGB").crop(box)
        cropped.quantize(_COLOURS).save(images / f"{chosen.name}.png", optimize=True)

"""The pictures of README and docs are there, small, and made from the screenshots."""

import pytest
from PIL import Image

from local.screenshots.readme import CHOSEN, IMAGES, MOST_BYTES, renew

PROJECT = IMAGES.parents[1]
NAMES = (
    "form-backfill-analysis",
    "run-03-backfill-outdated-approval",
    "artifact-measure-costs-charts-07",
    "artifact-measure-costs-charts-08",
    "artifact-measure-costs-charts-08-dark",
)


@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda chosen: chosen.name)
def test_a_picture_of_the_repository_is_small_and_shown_with_words(chosen):
    image = IMAGES / f"{chosen.name}.png"
    assert image.stat().st_size <= MOST_BYTES
    (line,) = (
        line
        for page in (PROJECT / "README.md", *PROJECT.glob("docs/*.md"))
        for line in page.read_text().splitlines()
        if line.startswith("![") and f"images/{image.name})" in line
    )
    alternative = line.removeprefix("![").partition("]")[0]
    assert len(alternative) > 30


def test_the_last_picture_of_a_kind_is_cropped_and_kept(tmp_path):
    for number, name in enumerate(NAMES):
        Image.new("RGB", (1280, 1000), (number, 0, 0)).save(tmp_path / f"{name}.png")
    renew(tmp_path, tmp_path / "images")
    form, charts = (
        Image.open(tmp_path / "images" / f"{name}.png") for name in ("run-form", "cost-charts")
    )
    assert form.size == (1024, 870)
    assert charts.size == (1024, 1000)
    assert charts.convert("RGB").getpixel((0, 0)) == (3, 0, 0)


def test_a_picture_that_was_not_taken_is_missed(tmp_path):
    with pytest.raises(FileNotFoundError, match="form-backfill-analysis"):
        renew(tmp_path, tmp_path / "images")

"""Great Expectations' Data Docs as a static site that needs nothing from elsewhere.

Its own pages load styles, fonts, scripts and a logo from seven hosts. So only what it renders of
results is taken, and put into pages of ours: one file each, without a script.
"""

import tempfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

INDEX = "index.html"

_TEMPLATES = Path(__file__).parent / "templates"


def write(folder: Path, results: Mapping[str, Mapping[str, Any]], *, checked_at: datetime) -> Path:
    """Put a site of these results in the place of the one in `folder`, if any.

    Args:
        folder: Holds nothing else; whatever is in it goes.
        results: By table, as `Validation.results` has them.
        checked_at: When the rows were looked at, UTC.

    Returns:
        Its first page.

    Raises:
        OSError: If it cannot be written; the site before stays while the new one is made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as workshop:
        fresh, old = Path(workshop, "fresh"), Path(workshop, "old")
        fresh.mkdir()
        for name, page in _pages(results, checked_at):
            (fresh / name).write_text(page, encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    return folder / INDEX


def _pages(
    results: Mapping[str, Mapping[str, Any]], checked_at: datetime
) -> Iterator[tuple[str, str]]:
    """Yield each page's name and HTML."""
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    view = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES))
    shown = {"tables": results, "checked_at": checked_at}
    for table, result in results.items():
        loaded = expectationSuiteValidationResultSchema.load(deepcopy(dict(result)))
        document = ValidationResultsPageRenderer().render(loaded)
        failing = {
            answer["expectation_config"]["kwargs"]["column"]
            for answer in result["results"]
            if not answer["success"]
        }
        page = view.render(document, "site_table.j2", table=table, failing=failing, **shown)
        yield f"{table}.html", page
    yield INDEX, view.env.get_template("site_index.j2").render(shown)

"""Great Expectations' Data Docs as a self-contained static site.

Its own pages load styles, fonts, scripts and a logo from seven hosts. Instead, its rendered results
are put into our own templates: one file per page, without scripts.
"""

import tempfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

from stores.report_files import remove_abandoned

INDEX = "index.html"

_TEMPLATES = Path(__file__).parent / "templates"


def write(folder: Path, results: Mapping[str, Mapping[str, Any]], *, checked_at: datetime) -> Path:
    """Write a site with these results, replacing the one in `folder`, if any.

    Args:
        folder: Folder of the site alone; its contents are replaced.
        results: By table, as in `Validation.results`.
        checked_at: Time of the check, UTC.

    Returns:
        Path of the index page.

    Raises:
        OSError: If it cannot be written; the previous site is kept until the new one is complete.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}-"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as temporary:
        remove_abandoned(Path(temporary), prefix)
        fresh, old = Path(temporary, "fresh"), Path(temporary, "old")
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

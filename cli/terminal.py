"""What commands print on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typer import TyperException
from typer.core import TyperGroup

from schema.visible import visible


class Terminal(Console):
    """A console on which no text, whatever a file, a database or a bucket holds, takes control.

    Args:
        soft_wrap: Whether long lines are left to the terminal to wrap.
        markup: Whether texts may hold rich's markup; only for texts of ours.
        stderr: Whether to print to the standard error.
    """

    def __init__(
        self, *, soft_wrap: bool = True, markup: bool = False, stderr: bool = False
    ) -> None:
        super().__init__(
            soft_wrap=soft_wrap, markup=markup, stderr=stderr, highlight=False, emoji=False
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does, with what would control or deceive as escapes."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text, keep="\n"), style, control)


class Commands(TyperGroup):
    """The group of all commands; its errors show what was typed with escapes."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - Typer's
        """Parse the group's own arguments."""
        with _visible_message():
            return super().make_context(*arguments, **options)

    def invoke(self, *arguments: Any) -> Any:  # noqa: ANN401 - Typer's
        """Parse the command's arguments and run it."""
        with _visible_message():
            return super().invoke(*arguments)


@contextmanager
def _visible_message() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        error.message = visible(error.message, keep="\n")
        raise

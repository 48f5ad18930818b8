"""Descriptive names of flow runs; none identifies a learner."""

from collections.abc import Callable

from prefect.runtime import flow_run


def with_mode(template: str, flag: str) -> Callable[[], str]:
    """Return what names a run: by its parameters, and by a flag where that is on.

    Args:
        template: Of the name, with parameters in braces.
        flag: Parameter whose name, with dashes, is added where it is true, such as `dry_run`.
    """

    def run_name() -> str:
        parameters = flow_run.parameters
        name = template.format_map(parameters)
        return f"{name}-{flag.replace('_', '-')}" if parameters[flag] else name

    return run_name

"""Descriptive names of flow runs; none identifies a learner."""

from collections.abc import Callable

from prefect.runtime import flow_run


def with_mode(template: str, flag: str) -> Callable[[], str]:
    """Return a function that names a run from its parameters.

    Args:
        template: The name, with parameters in braces.
        flag: Boolean parameter, such as `dry_run`; if true, its name is appended with dashes.
    """

    def run_name() -> str:
        parameters = flow_run.parameters
        name = template.format_map(parameters)
        return f"{name}-{flag.replace('_', '-')}" if parameters[flag] else name

    return run_name

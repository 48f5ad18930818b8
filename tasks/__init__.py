"""Prefect tasks: read, decide, write; one module a flow, plus the resources they share."""

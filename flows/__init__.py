"""Prefect flows: they only order tasks, and are the only readers of the clock."""

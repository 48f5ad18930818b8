"""I/O without Prefect: query functions and the bucket; no decisions, no commits."""

"""How it runs: local stack, demo, checks of prefect.yaml, database grants."""

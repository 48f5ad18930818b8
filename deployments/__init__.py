"""How it runs: registration on a Prefect server, containers, local stack, demo, checks, grants."""

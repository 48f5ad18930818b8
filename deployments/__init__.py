"""What production needs: registration on a Prefect server, checks, containers, grants."""

"""Pictures of the Prefect UI as a user meets it: `make screenshots`."""

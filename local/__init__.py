"""The whole system on one machine: servers, demo, screenshots; not part of the wheel."""

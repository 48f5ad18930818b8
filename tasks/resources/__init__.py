"""What tasks share inside one process; each is made at its first use."""

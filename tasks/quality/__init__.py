"""Tasks that check the quality of stored data."""

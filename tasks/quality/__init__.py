"""Tasks that check what is stored."""

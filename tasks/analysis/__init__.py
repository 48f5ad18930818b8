"""Tasks that claim, analyse and store messages."""

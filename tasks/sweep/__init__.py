"""Tasks that delete due audio."""

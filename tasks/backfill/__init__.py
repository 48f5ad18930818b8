"""Tasks that analyse history again, and put it back."""

"""Rules across columns and tables as SQL, by name; each says what breaks it, or NULL."""

"""Pure decisions; may use `schema`, never its tables or I/O."""

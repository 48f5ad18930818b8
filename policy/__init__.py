"""Pure decisions; may use schema.values, schema.states and schema.errors, never tables or I/O."""

"""Great Expectations' suites in code, one module per table, built from the rules they are given."""

"""Rules of data quality, each defined once, with the SQL or expectations that check it."""

"""Rules of data quality, the queries that check them, and the quarantine."""

"""Rules of data quality, asked of the tables, and what breaks them."""

"""Rules of data quality: each stands here once, with the SQL or the expectations that check it."""

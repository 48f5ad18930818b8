"""SQLAlchemy tables: the app's (read), the analysis (written), and `audio_ops` (ours)."""

"""The app's database as its own migrations leave it, before we adopt it."""

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from migrations import run
from stores import database

MIGRATION_0023 = Path(__file__).with_name("app_migration_0023.sql")
# From when durations and scores were text, in every notation that was used.
_OLD_MESSAGES = """
INSERT INTO conversations (id, guest_id, target_language_id, started_at)
VALUES ('before-0023', 'anonymous', 'en', timestamp '2025-09-01');
INSERT INTO messages
    (id, conversation_id, role, content, timestamp, audio_duration, pronunciation_score)
SELECT 'before-0023-' || n, 'before-0023', 'user', 'Good morning.', timestamp '2025-09-01', d, s
FROM (VALUES (1, '5200', '85'), (2, '5.2s', '85%'), (3, '1:05', '0.85'), (4, '5.2', 'good'),
    (5, NULL, NULL)) AS old (n, d, s);
"""


def begin(url: str) -> bool:
    """Create the app's tables unless they exist; return whether they were created.

    They are as migration 0023 leaves them: duration and score are text.
    """
    engine = database.connect(url, statement_timeout=timedelta(0))
    try:
        with engine.begin() as connection:
            if sa.inspect(connection).has_table("messages"):
                return False
            for sql in (_read(run.APP_TABLES), _OLD_MESSAGES, _read(MIGRATION_0023)):
                connection.execute(sa.text(sql))
    finally:
        engine.dispose()
    return True


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")

-- Rights of the batch: a role that reads what it needs and writes the seed's audio columns alone.
--
-- Run it as the role that migrates, after each migration, as one transaction (psql -1 -f grants.sql);
-- it may be run again. Then give a login:
--   CREATE ROLE kaiwa_batch LOGIN PASSWORD '…' IN ROLE kaiwa_audio;
-- Migrations need the tables' owner instead. What the app may read of ours is a role of its own, for
-- the login that the app has: GRANT kaiwa_app TO …;
--
-- export-findings writes the app's list of findings. Where it is used, grant that too, once:
--   PGOPTIONS='-c kaiwa.export_findings=on' psql -1 -f grants.sql

SET LOCAL search_path = public;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaiwa_audio') THEN
        CREATE ROLE kaiwa_audio NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public, audio_ops TO kaiwa_audio;

-- A check of data quality lays what it looks at into temporary tables.
DO $$
BEGIN
    EXECUTE 'GRANT TEMPORARY ON DATABASE ' || quote_ident(current_database()) || ' TO kaiwa_audio';
END
$$;

-- The app's tables: no addresses of learners, no payment data.
GRANT SELECT (id, display_name, created_at) ON users TO kaiwa_audio;
GRANT SELECT (id, user_id, current_tier, created_at, updated_at) ON subscriptions TO kaiwa_audio;
GRANT SELECT ON conversations, messages TO kaiwa_audio;
GRANT UPDATE (
    audio_url, audio_url_expires_at, audio_storage_key, audio_duration_ms, audio_size_bytes,
    audio_format, audio_sample_rate, audio_channels, audio_processing_state,
    audio_processing_error, audio_retention_expires_at, audio_deleted_at, pronunciation_score,
    fluency_score, speech_rate_wpm
) ON messages TO kaiwa_audio;
GRANT SELECT, INSERT, UPDATE, DELETE ON message_audio_analysis TO kaiwa_audio;

-- Ours, and what later migrations by this role will add; but the version is the migrator's.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA audio_ops TO kaiwa_audio;
ALTER DEFAULT PRIVILEGES IN SCHEMA audio_ops
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kaiwa_audio;
REVOKE INSERT, UPDATE, DELETE ON audio_ops.alembic_version, audio_ops.adoption_step
    FROM kaiwa_audio;
-- What a rollback puts back is the migrator's, too; an erasure deletes the learner's part of it.
REVOKE INSERT, UPDATE ON audio_ops.parked_text, audio_ops.parked_analysis FROM kaiwa_audio;

-- What was deleted and what must not be: written, finished or released, but never taken back. The
-- owner's triggers on the ledger are not the batch's to disable.
REVOKE ALL ON audio_ops.deletion_ledger, audio_ops.legal_hold, audio_ops.erased_learner
    FROM kaiwa_audio;
GRANT SELECT,
    INSERT (message_id, storage_key, key_sha256, reason, tier, size_bytes, retention_expires_at),
    UPDATE (storage_key, state, attempts, last_error, finished_at, position, hash)
    ON audio_ops.deletion_ledger TO kaiwa_audio;
GRANT SELECT, INSERT (scope, subject_id, reason, placed_by), UPDATE (released_by, released_at)
    ON audio_ops.legal_hold TO kaiwa_audio;
GRANT SELECT, INSERT (user_id, reason), UPDATE (completed_at)
    ON audio_ops.erased_learner TO kaiwa_audio;

-- Optional: the app's list of findings, for export-findings.
DO $$
BEGIN
    IF current_setting('kaiwa.export_findings', true) = 'on' THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON analysis_findings TO kaiwa_audio;
        GRANT SELECT, INSERT ON linguistic_features TO kaiwa_audio;
    END IF;
END
$$;

-- The app reads two views and nothing else of ours; what they are made from, they read by the
-- rights of their owner.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaiwa_app') THEN
        CREATE ROLE kaiwa_app NOLOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA audio_ops TO kaiwa_app;
GRANT SELECT ON audio_ops.learner_feedback, audio_ops.learner_progress TO kaiwa_app;

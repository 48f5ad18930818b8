-- Roles with minimal rights: kaiwa_audio for the flows (reads what they need, writes only the audio
-- columns) and kaiwa_app for the app (reads two views).
--
-- `kaiwa-audio database grant` runs it. Repeat that after each migration, as the role that migrates
-- (or psql -1 -f grants.sql). Then create a login for the flows, and extend the app's own:
--   CREATE ROLE kaiwa_batch LOGIN PASSWORD '…' IN ROLE kaiwa_audio;
--   GRANT kaiwa_app TO …;
-- Migrations need the owner of the tables instead.
--
-- export-findings also writes the app's list of findings. To use it, grant these rights once:
--   kaiwa-audio database grant --export-findings

-- Functions that others put into the schema public must not run with the owner's rights.
SET LOCAL search_path = pg_catalog;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaiwa_audio') THEN
        CREATE ROLE kaiwa_audio NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public, audio_ops TO kaiwa_audio;

-- Data-quality checks use temporary tables.
DO $$
BEGIN
    EXECUTE 'GRANT TEMPORARY ON DATABASE ' || quote_ident(current_database()) || ' TO kaiwa_audio';
END
$$;

-- The app's tables: only columns that a flow reads. `xmin` shows data-quality checks what changed.
REVOKE ALL ON public.users, public.subscriptions, public.conversations, public.messages
    FROM kaiwa_audio;
GRANT SELECT (id, native_language_id) ON public.users TO kaiwa_audio;
GRANT SELECT (id, user_id, current_tier, created_at, updated_at)
    ON public.subscriptions TO kaiwa_audio;
GRANT SELECT (id, user_id, target_language_id) ON public.conversations TO kaiwa_audio;
GRANT SELECT (
    xmin, id, conversation_id, role, content, timestamp, audio_url, audio_url_expires_at,
    audio_storage_key, audio_duration_ms, audio_size_bytes, audio_format, audio_sample_rate,
    audio_channels, audio_processing_state, audio_processing_error, audio_retention_expires_at,
    audio_deleted_at, pronunciation_score, fluency_score, speech_rate_wpm
) ON public.messages TO kaiwa_audio;
GRANT UPDATE (
    audio_url, audio_url_expires_at, audio_storage_key, audio_duration_ms, audio_size_bytes,
    audio_format, audio_sample_rate, audio_channels, audio_processing_state,
    audio_processing_error, audio_retention_expires_at, audio_deleted_at, pronunciation_score,
    fluency_score, speech_rate_wpm
) ON public.messages TO kaiwa_audio;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.message_audio_analysis TO kaiwa_audio;

-- Our tables, including those of later migrations by this role; versions belong to the migrator.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA audio_ops TO kaiwa_audio;
ALTER DEFAULT PRIVILEGES IN SCHEMA audio_ops
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kaiwa_audio;
REVOKE INSERT, UPDATE, DELETE ON audio_ops.alembic_version, audio_ops.adoption_step
    FROM kaiwa_audio;
-- Rollback data belongs to the migrator; an erasure may delete the learner's part of it.
REVOKE INSERT, UPDATE ON audio_ops.parked_text, audio_ops.parked_analysis FROM kaiwa_audio;

-- Ledger, holds and tombstones can be written, but never removed. Only functions complete entries of
-- the ledger and forget released holds of erased learners. The role cannot disable the owner's
-- triggers.
REVOKE ALL ON audio_ops.deletion_ledger, audio_ops.legal_hold, audio_ops.hold_event,
    audio_ops.erased_learner FROM kaiwa_audio;
GRANT SELECT,
    INSERT (message_id, storage_key, key_sha256, reason, tier, size_bytes, retention_expires_at),
    UPDATE (attempts, last_error)
    ON audio_ops.deletion_ledger TO kaiwa_audio;
GRANT SELECT, INSERT (scope, subject_id, reason, placed_by), UPDATE (released_by)
    ON audio_ops.legal_hold TO kaiwa_audio;
GRANT SELECT ON audio_ops.hold_event TO kaiwa_audio;
GRANT SELECT, INSERT (user_id, reason), UPDATE (completed_at)
    ON audio_ops.erased_learner TO kaiwa_audio;

-- Postgres lets every role use new functions, also after a restore without privileges.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audio_ops FROM PUBLIC, kaiwa_audio;
GRANT EXECUTE ON FUNCTION audio_ops.finish_deletions(bytea[], bytea[]),
    audio_ops.forget_released_holds(uuid) TO kaiwa_audio;

-- Optional: the app's list of findings, for export-findings.
DO $$
BEGIN
    IF current_setting('kaiwa.export_findings', true) = 'on' THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON public.analysis_findings TO kaiwa_audio;
        GRANT SELECT, INSERT ON public.linguistic_features TO kaiwa_audio;
    END IF;
END
$$;

-- The app reads two views and nothing else of ours. The views read their tables with the rights of
-- their owner.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kaiwa_app') THEN
        CREATE ROLE kaiwa_app NOLOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA audio_ops TO kaiwa_app;
GRANT SELECT ON audio_ops.learner_feedback, audio_ops.learner_progress TO kaiwa_app;

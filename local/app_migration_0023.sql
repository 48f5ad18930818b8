-- What the app's migration 0023 does where it runs after all before it: it renames a column without
-- a cast, its cast of `pronunciation_score` fails, and the failure is swallowed.

CREATE TABLE IF NOT EXISTS message_audio_analysis (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
    message_id text NOT NULL,
    analyzed_at timestamp DEFAULT now() NOT NULL,
    analysis_version text DEFAULT '1.0' NOT NULL,
    overall_accuracy_score integer, overall_fluency_score integer, speech_rate_wpm integer,
    articulation_rate_wpm integer, total_speech_duration_ms integer,
    total_pause_duration_ms integer, pause_count integer, hesitation_count integer,
    average_pause_duration_ms integer, longest_pause_duration_ms integer, speech_timings jsonb,
    phoneme_analysis jsonb, problematic_words jsonb, recommendations jsonb, practice_words jsonb,
    raw_alignment jsonb, raw_features jsonb, analysis_engine text DEFAULT 'echogarden',
    analysis_model_version text, analysis_language text, analysis_duration_ms integer,
    analysis_error text, analysis_warnings jsonb,
    CONSTRAINT message_audio_analysis_message_id_unique UNIQUE (message_id)
);
DO $$ BEGIN
    ALTER TABLE messages RENAME COLUMN audio_duration TO audio_duration_ms;
EXCEPTION WHEN undefined_column THEN NULL; END $$;
DO $$ BEGIN
    ALTER TABLE messages ALTER COLUMN pronunciation_score SET DATA TYPE integer;
EXCEPTION WHEN OTHERS THEN NULL; END $$;
ALTER TABLE messages
    ADD COLUMN IF NOT EXISTS audio_url_expires_at timestamp,
    ADD COLUMN IF NOT EXISTS audio_storage_key text,
    ADD COLUMN IF NOT EXISTS audio_size_bytes integer,
    ADD COLUMN IF NOT EXISTS audio_format text,
    ADD COLUMN IF NOT EXISTS audio_sample_rate integer DEFAULT 24000,
    ADD COLUMN IF NOT EXISTS audio_channels integer DEFAULT 1,
    ADD COLUMN IF NOT EXISTS audio_processing_state text DEFAULT 'pending',
    ADD COLUMN IF NOT EXISTS audio_processing_error text,
    ADD COLUMN IF NOT EXISTS audio_retention_expires_at timestamp,
    ADD COLUMN IF NOT EXISTS audio_deleted_at timestamp,
    ADD COLUMN IF NOT EXISTS fluency_score integer,
    ADD COLUMN IF NOT EXISTS speech_rate_wpm integer;
DO $$ BEGIN
    ALTER TABLE message_audio_analysis ADD CONSTRAINT
        message_audio_analysis_message_id_messages_id_fk
        FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE INDEX IF NOT EXISTS message_audio_analysis_message_id_idx
    ON message_audio_analysis (message_id);
CREATE INDEX IF NOT EXISTS message_audio_analysis_analyzed_at_idx
    ON message_audio_analysis (analyzed_at);
CREATE INDEX IF NOT EXISTS message_audio_analysis_accuracy_idx
    ON message_audio_analysis (overall_accuracy_score);
CREATE INDEX IF NOT EXISTS message_audio_analysis_fluency_idx
    ON message_audio_analysis (overall_fluency_score);
CREATE INDEX IF NOT EXISTS message_audio_analysis_engine_idx
    ON message_audio_analysis (analysis_engine, analysis_version);
CREATE INDEX IF NOT EXISTS message_audio_analysis_language_idx
    ON message_audio_analysis (analysis_language);
CREATE INDEX IF NOT EXISTS messages_audio_storage_idx ON messages (audio_storage_key);
CREATE INDEX IF NOT EXISTS messages_audio_processing_idx ON messages (audio_processing_state);
CREATE INDEX IF NOT EXISTS messages_audio_retention_idx ON messages (audio_retention_expires_at);
CREATE INDEX IF NOT EXISTS messages_pronunciation_idx
    ON messages (pronunciation_score, fluency_score);
CREATE INDEX IF NOT EXISTS messages_audio_cleanup_idx
    ON messages (audio_retention_expires_at, audio_deleted_at);
ALTER TABLE messages DROP COLUMN IF EXISTS speech_timings;

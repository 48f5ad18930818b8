-- The app's tables that this project uses, as before the app's migration 0023. Created only in an
-- empty database, never in the app's own.

CREATE TYPE subscription_tier AS ENUM ('free', 'plus', 'premium');
CREATE TYPE scenario_role AS ENUM ('tutor', 'roleplay', 'friendly_chat', 'expert');
CREATE TYPE scenario_difficulty AS ENUM ('beginner', 'intermediate', 'advanced');
CREATE TYPE linguistic_macro_skill AS ENUM (
    'grammar', 'lexis', 'pragmatics', 'discourse', 'pronunciation', 'fluency', 'sociolinguistic'
);
CREATE TYPE analysis_suggestion_severity AS ENUM ('info', 'hint', 'warning');
CREATE TYPE analysis_finding_action AS ENUM ('pending', 'accepted', 'ignored', 'dismissed_auto');

CREATE TABLE languages (
    id text PRIMARY KEY,
    code text NOT NULL CONSTRAINT languages_code_unique UNIQUE,
    name text NOT NULL,
    native_name text NOT NULL,
    is_rtl boolean DEFAULT false NOT NULL,
    has_romanization boolean DEFAULT true NOT NULL,
    writing_system text NOT NULL,
    supported_scripts json,
    is_supported boolean DEFAULT true NOT NULL,
    flag text NOT NULL
);
CREATE INDEX languages_code_idx ON languages (code);
CREATE INDEX languages_is_supported_idx ON languages (is_supported);
CREATE INDEX languages_writing_system_idx ON languages (writing_system);

CREATE TABLE users (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    google_id text CONSTRAINT users_google_id_unique UNIQUE,
    username text CONSTRAINT users_username_unique UNIQUE,
    display_name text,
    email text NOT NULL CONSTRAINT users_email_unique UNIQUE,
    avatar_url text,
    stripe_customer_id text,
    native_language_id text DEFAULT 'en' NOT NULL,
    preferred_ui_language_id text DEFAULT 'ja' NOT NULL,
    created_at timestamp DEFAULT now(),
    last_usage timestamp,
    hashed_password text,
    email_verified timestamp,
    email_verification_required timestamp DEFAULT now()
);
CREATE INDEX users_created_at_idx ON users (created_at);
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_last_usage_idx ON users (last_usage);

CREATE TABLE subscriptions (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT subscriptions_user_id_users_id_fk
        REFERENCES users (id) ON DELETE CASCADE,
    stripe_subscription_id text NOT NULL
        CONSTRAINT subscriptions_stripe_subscription_id_unique UNIQUE,
    stripe_price_id text NOT NULL,
    current_tier subscription_tier DEFAULT 'free',
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now()
);
CREATE INDEX subscriptions_user_id_idx ON subscriptions (user_id);
CREATE INDEX subscriptions_current_tier_idx ON subscriptions (current_tier);
CREATE INDEX subscriptions_updated_at_idx ON subscriptions (updated_at);
CREATE INDEX subscriptions_stripe_subscription_idx ON subscriptions (stripe_subscription_id);
CREATE INDEX subscriptions_stripe_price_idx ON subscriptions (stripe_price_id);
CREATE INDEX subscriptions_user_tier_idx ON subscriptions (user_id, current_tier);

CREATE TABLE scenarios (
    id text PRIMARY KEY,
    title text NOT NULL,
    description text NOT NULL,
    role scenario_role DEFAULT 'tutor' NOT NULL,
    difficulty scenario_difficulty DEFAULT 'beginner' NOT NULL,
    instructions text NOT NULL,
    context text NOT NULL,
    expected_outcome text,
    learning_objectives json,
    comfort_indicators json,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp DEFAULT now() NOT NULL,
    updated_at timestamp DEFAULT now() NOT NULL
);
CREATE INDEX scenarios_title_idx ON scenarios (title);
CREATE INDEX scenarios_role_idx ON scenarios (role);
CREATE INDEX scenarios_difficulty_idx ON scenarios (difficulty);
CREATE INDEX scenarios_is_active_idx ON scenarios (is_active);
CREATE INDEX scenarios_active_role_idx ON scenarios (is_active, role);
CREATE INDEX scenarios_active_difficulty_idx ON scenarios (is_active, difficulty);

CREATE TABLE conversations (
    id text PRIMARY KEY,
    user_id uuid CONSTRAINT conversations_user_id_users_id_fk REFERENCES users (id),
    guest_id text,
    target_language_id text NOT NULL
        CONSTRAINT conversations_target_language_id_languages_id_fk REFERENCES languages (id),
    title text,
    mode text DEFAULT 'traditional' NOT NULL,
    voice text,
    scenario_id text
        CONSTRAINT conversations_scenario_id_scenarios_id_fk REFERENCES scenarios (id),
    is_onboarding text DEFAULT 'true' NOT NULL,
    started_at timestamp DEFAULT now() NOT NULL,
    ended_at timestamp,
    duration_seconds integer,
    message_count integer DEFAULT 0,
    audio_seconds numeric(8, 2) DEFAULT '0' NOT NULL,
    comfort_rating integer,
    engagement_level text
);
CREATE INDEX conversations_user_id_idx ON conversations (user_id);
CREATE INDEX conversations_guest_id_idx ON conversations (guest_id);
CREATE INDEX conversations_target_language_id_idx ON conversations (target_language_id);
CREATE INDEX conversations_scenario_id_idx ON conversations (scenario_id);
CREATE INDEX conversations_started_at_idx ON conversations (started_at);
CREATE INDEX conversations_ended_at_idx ON conversations (ended_at);
CREATE INDEX conversations_mode_idx ON conversations (mode);
CREATE INDEX conversations_is_onboarding_idx ON conversations (is_onboarding);
CREATE INDEX conversations_started_ended_idx ON conversations (started_at, ended_at);
CREATE INDEX conversations_user_language_idx ON conversations (user_id, target_language_id);

CREATE TABLE messages (
    id text PRIMARY KEY,
    conversation_id text NOT NULL CONSTRAINT messages_conversation_id_conversations_id_fk
        REFERENCES conversations (id),
    role text NOT NULL,
    content text NOT NULL,
    timestamp timestamp DEFAULT now() NOT NULL,
    translated_content text,
    source_language text,
    target_language text,
    user_native_language text,
    romanization text,
    hiragana text,
    other_scripts jsonb,
    translation_confidence text,
    translation_provider text,
    translation_notes text,
    is_translated boolean DEFAULT false,
    grammar_analysis jsonb,
    vocabulary_analysis jsonb,
    pronunciation_score text,
    audio_url text,
    audio_duration text,
    difficulty_level text,
    learning_tags jsonb,
    conversation_context text,
    message_intent text,
    sequence_id text
);
CREATE INDEX messages_conversation_id_idx ON messages (conversation_id);
CREATE INDEX messages_role_idx ON messages (role);
CREATE INDEX messages_timestamp_idx ON messages (timestamp);
CREATE INDEX messages_sequence_idx ON messages (sequence_id);
CREATE INDEX messages_conversation_timestamp_idx ON messages (conversation_id, timestamp);
CREATE INDEX messages_conversation_role_idx ON messages (conversation_id, role);
CREATE INDEX messages_language_idx ON messages (source_language, target_language);
CREATE INDEX messages_user_native_language_idx ON messages (user_native_language);
CREATE INDEX messages_translation_idx ON messages (is_translated, translation_confidence);
CREATE INDEX messages_difficulty_idx ON messages (difficulty_level);
CREATE INDEX messages_intent_idx ON messages (message_intent);
CREATE INDEX messages_romanization_idx ON messages (romanization);
CREATE INDEX messages_hiragana_idx ON messages (hiragana);
CREATE INDEX messages_language_learning_idx
    ON messages (source_language, target_language, user_native_language);
CREATE INDEX messages_script_support_idx ON messages (source_language, romanization, hiragana);

CREATE TABLE linguistic_features (
    id text PRIMARY KEY,
    language_id text CONSTRAINT linguistic_features_language_id_languages_id_fk
        REFERENCES languages (id),
    macro_skill linguistic_macro_skill NOT NULL,
    sub_skill text NOT NULL,
    micro_rule text NOT NULL,
    cefr_references jsonb DEFAULT '[]' NOT NULL,
    coaching_copy text,
    is_active boolean DEFAULT true NOT NULL,
    metadata jsonb DEFAULT '{}' NOT NULL,
    created_at timestamp DEFAULT now() NOT NULL,
    updated_at timestamp DEFAULT now() NOT NULL
);
CREATE INDEX linguistic_features_language_idx ON linguistic_features (language_id);
CREATE INDEX linguistic_features_macro_skill_idx ON linguistic_features (macro_skill);
CREATE INDEX linguistic_features_sub_skill_idx ON linguistic_features (sub_skill);

CREATE TABLE analysis_findings (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT analysis_findings_user_id_users_id_fk
        REFERENCES users (id) ON DELETE CASCADE,
    language_id text CONSTRAINT analysis_findings_language_id_languages_id_fk
        REFERENCES languages (id),
    conversation_id text NOT NULL CONSTRAINT analysis_findings_conversation_id_conversations_id_fk
        REFERENCES conversations (id) ON DELETE CASCADE,
    message_id text NOT NULL CONSTRAINT analysis_findings_message_id_messages_id_fk
        REFERENCES messages (id) ON DELETE CASCADE,
    feature_id text NOT NULL CONSTRAINT analysis_findings_feature_id_linguistic_features_id_fk
        REFERENCES linguistic_features (id),
    module_id text,
    run_id text,
    severity analysis_suggestion_severity DEFAULT 'hint' NOT NULL,
    action_status analysis_finding_action DEFAULT 'pending' NOT NULL,
    action_updated_at timestamp,
    offset_start integer,
    offset_end integer,
    original_text text,
    suggested_text text,
    explanation text,
    example text,
    metadata jsonb DEFAULT '{}' NOT NULL,
    created_at timestamp DEFAULT now() NOT NULL,
    updated_at timestamp DEFAULT now() NOT NULL
);
CREATE INDEX analysis_findings_user_idx ON analysis_findings (user_id);
CREATE INDEX analysis_findings_language_idx ON analysis_findings (language_id);
CREATE INDEX analysis_findings_conversation_idx ON analysis_findings (conversation_id);
CREATE INDEX analysis_findings_message_idx ON analysis_findings (message_id);
CREATE INDEX analysis_findings_feature_idx ON analysis_findings (feature_id);
CREATE INDEX analysis_findings_severity_idx ON analysis_findings (severity);
CREATE INDEX analysis_findings_action_idx ON analysis_findings (action_status);

CREATE TABLE scenario_outcomes (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT scenario_outcomes_user_id_users_id_fk
        REFERENCES users (id) ON DELETE CASCADE,
    conversation_id text NOT NULL CONSTRAINT scenario_outcomes_conversation_id_conversations_id_fk
        REFERENCES conversations (id) ON DELETE CASCADE,
    scenario_id text NOT NULL CONSTRAINT scenario_outcomes_scenario_id_scenarios_id_fk
        REFERENCES scenarios (id) ON DELETE CASCADE,
    was_goal_achieved boolean NOT NULL,
    goal_completion_score numeric(3, 2),
    grammar_usage_score numeric(3, 2),
    vocabulary_usage_score numeric(3, 2),
    pronunciation_score numeric(3, 2),
    used_target_vocabulary json,
    missed_target_vocabulary json,
    grammar_errors json,
    ai_feedback text,
    suggestions json,
    duration_seconds integer NOT NULL,
    exchange_count integer NOT NULL,
    created_at timestamp DEFAULT now() NOT NULL
);

CREATE INDEX scenario_outcomes_conversation_id_idx ON scenario_outcomes (conversation_id);
CREATE INDEX scenario_outcomes_created_at_idx ON scenario_outcomes (created_at);
CREATE INDEX scenario_outcomes_goal_achieved_idx ON scenario_outcomes (was_goal_achieved);
CREATE INDEX scenario_outcomes_grammar_score_idx ON scenario_outcomes (grammar_usage_score);
CREATE INDEX scenario_outcomes_pronunciation_score_idx ON scenario_outcomes (pronunciation_score);
CREATE INDEX scenario_outcomes_scenario_id_idx ON scenario_outcomes (scenario_id);
CREATE INDEX scenario_outcomes_user_id_idx ON scenario_outcomes (user_id);
CREATE INDEX scenario_outcomes_user_scenario_idx ON scenario_outcomes (user_id, scenario_id);
CREATE INDEX scenario_outcomes_vocabulary_score_idx ON scenario_outcomes (vocabulary_usage_score);

INSERT INTO languages (
    id, code, name, native_name, is_rtl, has_romanization, writing_system, supported_scripts, flag
) VALUES
    ('ja', 'ja', 'Japanese', '日本語', false, true, 'japanese', '["hiragana", "katakana", "kanji"]', '🇯🇵'),
    ('en', 'en', 'English', 'English', false, true, 'latin', '["latin"]', '🇺🇸'),
    ('es', 'es', 'Spanish', 'Español', false, true, 'latin', '["latin"]', '🇪🇸'),
    ('fr', 'fr', 'French', 'Français', false, true, 'latin', '["latin"]', '🇫🇷'),
    ('de', 'de', 'German', 'Deutsch', false, true, 'latin', '["latin"]', '🇩🇪'),
    ('it', 'it', 'Italian', 'Italiano', false, true, 'latin', '["latin"]', '🇮🇹'),
    ('pt', 'pt', 'Portuguese', 'Português', false, true, 'latin', '["latin"]', '🇵🇹'),
    ('ko', 'ko', 'Korean', '한국어', false, true, 'korean', '["hangul", "hanja"]', '🇰🇷'),
    ('zh', 'zh', 'Chinese (Simplified)', '简体中文', false, true, 'chinese', '["simplified"]', '🇨🇳'),
    ('hi', 'hi', 'Hindi', 'हिन्दी', false, true, 'devanagari', '["devanagari"]', '🇮🇳'),
    ('ru', 'ru', 'Russian', 'Русский', false, true, 'cyrillic', '["cyrillic"]', '🇷🇺'),
    ('vi', 'vi', 'Vietnamese', 'Tiếng Việt', false, true, 'latin', '["latin"]', '🇻🇳'),
    ('nl', 'nl', 'Dutch', 'Nederlands', false, true, 'latin', '["latin"]', '🇳🇱'),
    ('fil', 'fil', 'Filipino', 'Filipino', false, true, 'latin', '["latin"]', '🇵🇭'),
    ('id', 'id', 'Indonesian', 'Bahasa Indonesia', false, true, 'latin', '["latin"]', '🇮🇩'),
    ('tr', 'tr', 'Turkish', 'Türkçe', false, true, 'latin', '["latin"]', '🇹🇷');

"""Comment the columns that this project reads or writes, unless the app has commented them.

Locks: each table against other schema changes for a moment; reads and writes are not blocked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

COMMENTS = {
    "users": {
        "id": "Learner's id",
        "display_name": "Name shown in the app",
        "email": "Address; personal data that this project never reads",
        "created_at": "UTC; when the account was made",
    },
    "subscriptions": {
        "id": "Subscription's id",
        "user_id": "Who pays",
        "stripe_subscription_id": "Stripe's id; this project never reads it",
        "stripe_price_id": "Stripe's price; this project never reads it",
        "current_tier": "free, plus or premium; decides how long audio is kept; empty is free",
        "updated_at": "UTC; the latest is the newest",
    },
    "conversations": {
        "id": "Conversation's id",
        "user_id": "The learner; empty for guests",
        "guest_id": "The guest's browser, if no learner",
        "target_language_id": "Language being learnt, such as en, ja",
        "started_at": "UTC; when it began",
    },
    "messages": {
        "id": "Message's id",
        "conversation_id": "The conversation it belongs to",
        "role": "Who speaks: user, assistant or system",
        "content": "What was said, as text",
        "timestamp": "UTC; when it was said",
        "audio_url": "Presigned URL for playing; whoever has it can listen until it expires",
        "audio_url_expires_at": "UTC; when audio_url stops working, at most 7 days after signing",
        "audio_storage_key": "Key in the bucket; kept after a soft delete as the audit trail",
        "audio_duration_ms": "Length of the recording, ms",
        "audio_size_bytes": "Size of the object, bytes",
        "audio_format": "Declared codec, such as pcm16, wav, mp3; the bytes may differ",
        "audio_sample_rate": "Declared sample rate, Hz",
        "audio_channels": "Declared number of channels",
        "audio_processing_state": "pending, uploading, uploaded, analyzing, analyzed, failed",
        "audio_processing_error": "Why the state is failed, in words for a person",
        "audio_retention_expires_at": "UTC; end of the retention period; grace follows",
        "audio_deleted_at": "UTC; when the audio was deleted from the bucket",
        "pronunciation_score": "0-100; copy of the analysis' overall_accuracy_score",
        "fluency_score": "0-100; copy of the analysis' overall_fluency_score",
        "speech_rate_wpm": "Words per minute, pauses included; copy of the analysis'",
    },
    "message_audio_analysis": {
        "id": "Analysis' id",
        "message_id": "The message; one analysis each",
        "analyzed_at": "UTC; when it was analysed",
        "analysis_version": "Version of the measures and scores",
        "overall_accuracy_score": "0-100, pronunciation accuracy",
        "overall_fluency_score": "0-100, fluency",
        "speech_rate_wpm": "Words per minute with pauses",
        "articulation_rate_wpm": "Words per minute without pauses; never below speech_rate_wpm",
        "total_speech_duration_ms": "Time speaking, ms",
        "total_pause_duration_ms": "Time in pauses, ms",
        "pause_count": "Pauses between words",
        "hesitation_count": "Hesitations: um, uh and the like",
        "average_pause_duration_ms": "Mean pause, ms",
        "longest_pause_duration_ms": "Longest pause, ms",
        "speech_timings": "Words in time: list of SpeechTiming",
        "phoneme_analysis": "Phonemes: list of PhonemeAnalysis",
        "problematic_words": "Words that need practice: list of ProblematicWord",
        "recommendations": "What the learner can do: list of sentences",
        "practice_words": "Words to practise: list of words",
        "raw_alignment": "The aligner's own output, for debugging",
        "raw_features": "Further measures, for debugging and new scorers",
        "analysis_engine": "Which engine analysed it",
        "analysis_model_version": "Version of the engine's model",
        "analysis_language": "Language it was analysed in, such as en",
        "analysis_duration_ms": "Time the analysis took, ms",
        "analysis_error": "Why it failed; empty when it worked",
        "analysis_warnings": "What to be careful with: list of sentences",
    },
}


def upgrade() -> None:
    """Add the comments."""
    inspector = sa.inspect(op.get_bind())
    for table, columns in COMMENTS.items():
        commented = {c["name"] for c in inspector.get_columns(table) if c["comment"]}
        for column, comment in columns.items():
            if column not in commented:
                op.alter_column(table, column, comment=comment)


def downgrade() -> None:
    """Keep the comments: they remain true."""

"""`message_audio_analysis`: full analyses, kept apart from the messages."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.documents import JsonObject, PhonemeAnalysis, ProblematicWord, SpeechTiming
from schema.tables.app import Message
from schema.tables.base import Base, Document, UtcDateTime

Words = tuple[str, ...]


class MessageAudioAnalysis(Base):
    """The analysis of one message's audio; the app shows it to the learner."""

    __tablename__ = "message_audio_analysis"
    __table_args__ = (
        UniqueConstraint("message_id"),
        Index("message_audio_analysis_message_id_idx", "message_id"),
        Index("message_audio_analysis_analyzed_at_idx", "analyzed_at"),
        Index("message_audio_analysis_accuracy_idx", "overall_accuracy_score"),
        Index("message_audio_analysis_fluency_idx", "overall_fluency_score"),
        Index("message_audio_analysis_engine_idx", "analysis_engine", "analysis_version"),
        Index("message_audio_analysis_language_idx", "analysis_language"),
    )

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("gen_random_uuid()"), comment="Analysis' id"
    )
    message_id: Mapped[str] = mapped_column(
        ForeignKey(Message.id, ondelete="CASCADE"), comment="The message; one analysis each"
    )
    analyzed_at: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=text("now()"), comment="UTC; when it was analysed"
    )
    analysis_version: Mapped[str] = mapped_column(
        Text, server_default=text("'1.0'"), comment="Version of the measures and scores"
    )
    overall_accuracy_score: Mapped[int | None] = mapped_column(
        comment="0-100, pronunciation accuracy"
    )
    overall_fluency_score: Mapped[int | None] = mapped_column(comment="0-100, fluency")
    speech_rate_wpm: Mapped[int | None] = mapped_column(comment="Words per minute with pauses")
    articulation_rate_wpm: Mapped[int | None] = mapped_column(
        comment="Words per minute without pauses; never below speech_rate_wpm"
    )
    total_speech_duration_ms: Mapped[int | None] = mapped_column(comment="Time speaking, ms")
    total_pause_duration_ms: Mapped[int | None] = mapped_column(comment="Time in pauses, ms")
    pause_count: Mapped[int | None] = mapped_column(comment="Pauses between words")
    hesitation_count: Mapped[int | None] = mapped_column(comment="Hesitations: um, uh and the like")
    average_pause_duration_ms: Mapped[int | None] = mapped_column(comment="Mean pause, ms")
    longest_pause_duration_ms: Mapped[int | None] = mapped_column(comment="Longest pause, ms")
    speech_timings: Mapped[tuple[SpeechTiming, ...] | None] = mapped_column(
        Document(tuple[SpeechTiming, ...]), comment="Words in time: list of SpeechTiming"
    )
    phoneme_analysis: Mapped[tuple[PhonemeAnalysis, ...] | None] = mapped_column(
        Document(tuple[PhonemeAnalysis, ...]), comment="Phonemes: list of PhonemeAnalysis"
    )
    problematic_words: Mapped[tuple[ProblematicWord, ...] | None] = mapped_column(
        Document(tuple[ProblematicWord, ...]),
        comment="Words that need practice: list of ProblematicWord",
    )
    recommendations: Mapped[Words | None] = mapped_column(
        Document(Words), comment="What the learner can do: list of sentences"
    )
    practice_words: Mapped[Words | None] = mapped_column(
        Document(Words), comment="Words to practise: list of words"
    )
    raw_alignment: Mapped[JsonObject | None] = mapped_column(
        Document(JsonObject), comment="The aligner's own output, for debugging"
    )
    raw_features: Mapped[JsonObject | None] = mapped_column(
        Document(JsonObject), comment="Further measures, for debugging and new scorers"
    )
    analysis_engine: Mapped[str | None] = mapped_column(
        Text, server_default=text("'echogarden'"), comment="Which engine analysed it"
    )
    analysis_model_version: Mapped[str | None] = mapped_column(
        Text, comment="Version of the engine's model"
    )
    analysis_language: Mapped[str | None] = mapped_column(
        Text, comment="Language it was analysed in, such as en"
    )
    analysis_duration_ms: Mapped[int | None] = mapped_column(comment="Time the analysis took, ms")
    analysis_error: Mapped[str | None] = mapped_column(
        Text, comment="Why it failed; empty when it worked"
    )
    analysis_warnings: Mapped[Words | None] = mapped_column(
        Document(Words), comment="What to be careful with: list of sentences"
    )

"""The main flow with analyses that only sleep.

`python -m benchmarks.stubbed_analysis NAME` serves a deployment NAME of it from this process, one
run at a time. Claims, leases and all writes are real; only the bucket and the analysis processes
are stubs.
"""

import sys
import time
from datetime import datetime, timedelta

from prefect import flow

from schema.documents import AnalysisRecord, SpeechTiming
from schema.facts.analysis import ClaimedMessage
from tasks.analysis import analyze_messages as tasks
from tasks.analysis import batch, pool
from tasks.analysis.workers import Analysed, Outcome
from tasks.resources import storage
from tasks.runtime.chunk_runner import ChunkTaskRunner

SECONDS_A_MESSAGE = 0.02
LEASE = timedelta(seconds=15)  # short, so that a killed worker's messages become available soon


class _Bucket:
    name = "audio"

    def get(self, key: str, *, max_bytes: int) -> bytes:
        return b""

    def verify_marker(self) -> None:
        """Succeed always."""


class _Workers:
    count = 2

    def analyse(self, message: ClaimedMessage, audio: bytes, *, as_of: datetime) -> Outcome:
        time.sleep(SECONDS_A_MESSAGE)
        timing = SpeechTiming(word="Could", start_ms=0, end_ms=400, char_start=0, char_end=5)
        record = AnalysisRecord(
            message_id=message.message_id,
            analyzed_at=as_of,
            analysis_version="2.0",
            analysis_engine="kaiwa",
            overall_accuracy_score=80,
            overall_fluency_score=70,
            speech_rate_wpm=100,
            articulation_rate_wpm=120,
            total_speech_duration_ms=4000,
            total_pause_duration_ms=0,
            pause_count=0,
            hesitation_count=0,
            average_pause_duration_ms=0,
            longest_pause_duration_ms=0,
            speech_timings=(timing,),
        )
        return Analysed(record, audio_seconds=4.0, cpu_seconds=SECONDS_A_MESSAGE)


@flow(
    name="stubbed-analysis",
    flow_run_name="stubbed-analysis",
    task_runner=ChunkTaskRunner(),  # type: ignore[arg-type]  # Prefect types it for coroutines
)
def stubbed_analysis(limit: int) -> int:
    """Run the main flow with stubs; return the number of messages that it claimed."""
    # Imported here: Prefect pickles this flow with its globals, and copies of the tasks would not
    # see the stubs.
    from flows.analyze_messages import analyze_messages

    storage.bucket = _Bucket  # type: ignore[assignment]
    pool.analysis_workers = lambda *_: _Workers()  # type: ignore[assignment]
    for module in (tasks, batch):
        module.LEASE_DURATION = LEASE  # type: ignore[attr-defined]
    batch.RENEWAL_SECONDS = LEASE.total_seconds() / 3
    return analyze_messages.fn(limit=limit).claimed


if __name__ == "__main__":
    stubbed_analysis.serve(name=sys.argv[1], limit=1)

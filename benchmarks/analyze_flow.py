"""Compare the whole flow with the bare engine on the same cores; measure memory of a long run.

    python benchmarks/analyze_flow.py [--clips 1000] [--engine ENGINE] [--smoke] [--json]

Recordings come from the folder in CORPUS, or are synthesised without it. The bare engine decodes
and analyses the same clips in as many processes, from a list in memory: no bucket, no database, no
Prefect. The flow does the same work from a real S3 server into a real Postgres, which share the
cores with it.
"""

import multiprocessing
import statistics
import subprocess
import sys
import time
from functools import partial
from itertools import cycle, islice
from uuid import uuid4

import psutil
import sqlalchemy as sa

from benchmarks import claim, frame, servers
from benchmarks.analysed_corpus import ENGINE
from local.addresses import StackAddresses
from local.demo.corpus import read_corpus
from local.demo.learners import record_all
from local.demo.recordings import ANALYZED, Recording
from local.stack import Stack
from settings.demo import DemoSettings
from settings.processes import limit_blas_threads
from speech.engine import analyze, load
from speech.errors import SpeechError
from speech.waveform import AudioEncoding, decode
from stores import database
from tasks.analysis.pool import available_cores

MEMORY_CLIPS = 50  # short ones, uploaded once and named by many messages


def read_clips() -> list[Recording]:
    """Return all clips, in their original mix of speakers and lengths."""
    corpus = DemoSettings().corpus
    recordings = read_corpus(corpus, 2500) if corpus else record_all()
    return [recording for recording in recordings if recording.expected in (None, ANALYZED)]


def analyse_alone(clip: Recording, engine: str) -> bool:
    """Analyse one clip with the bare engine; return whether it succeeded."""
    encoding = AudioEncoding(
        clip.encoding.audio_format, clip.encoding.sample_rate_hz, clip.encoding.channels
    )
    try:
        analyze(decode(clip.audio or b"", encoding), clip.text, "en", engine=engine)
    except SpeechError:
        return False
    return True


def engine_seconds(clips: list[Recording], engine: str) -> float:
    """Time the bare engine on all cores, including the start of its processes."""
    started = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(available_cores(), load, ("en", engine)) as pool:
        for _ in pool.imap_unordered(partial(analyse_alone, engine=engine), clips):
            pass
    return time.perf_counter() - started


def pause_schedule(stack: StackAddresses) -> None:
    """Pause the schedule, so that the stack's own worker does not take part."""
    # Imported here, because the bare engine's processes import this module but not Prefect.
    from local.demo.analysis_run import DEPLOYMENT
    from local.demo.deployment_run import client_of

    with client_of(stack.prefect) as client:
        deployment = client.read_deployment_by_name(f"{DEPLOYMENT}/{DEPLOYMENT}")
        client.pause_deployment(deployment.id)


def upload(stack: StackAddresses, clips: list[Recording], messages: int) -> None:
    """Upload the clips, and insert so many messages that refer to them in turn."""
    bucket, batch = stack.s3.bucket(), str(uuid4())
    clip_rows = []
    for number, clip in enumerate(clips):
        key = f"audio/benchmark/{batch}/{number}.wav"
        bucket.put(key, clip.audio or b"", clip.encoding.content_type)
        clip_rows.append(
            {
                "conversation": batch,
                "text": clip.text,
                "key": key,
                "format": clip.encoding.audio_format,
                "rate": clip.encoding.sample_rate_hz,
                "channels": clip.encoding.channels,
            }
        )
    rows = [{"id": str(uuid4()), **row} for row in islice(cycle(clip_rows), messages)]
    with database.connect(stack.database_url.get_secret_value()).begin() as connection:
        connection.execute(
            sa.text("INSERT INTO conversations (id, target_language_id) VALUES (:id, 'en')"),
            {"id": batch},
        )
        connection.execute(
            sa.text(
                "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key,"
                " audio_format, audio_sample_rate, audio_channels, audio_processing_state)"
                " VALUES (:id, :conversation, 'user', :text, :key, :format, :rate, :channels,"
                " 'uploaded')"
            ),
            rows,
        )
        connection.execute(sa.text("ANALYZE messages"))


def run_flow(stack: StackAddresses, limit: int, engine: str) -> tuple[float, float]:
    """Run the flow in a separate process; return its seconds and its process tree's peak in MB.

    The seconds are the flow's own, from its call to its report: starting Python and importing
    Prefect are paid once a run whatever its size.
    """
    run = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.analyze_flow_run", str(limit)],
        env=stack.environment() | {"KAIWA_ENGINE": engine},
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = 0
    process = psutil.Process(run.pid)
    while run.poll() is None:
        peak = max(peak, tree_bytes(process))
        time.sleep(0.2)
    output = run.communicate()[0]
    if run.returncode:
        sys.exit(output)
    return float(output.splitlines()[-1]), peak / 1e6


def tree_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process and all its children."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # a child ended between listing and asking
    return total


def measure(clips: int, few: int, many: int, engine: str, small: int, large: int) -> frame.Figures:
    """Return the times of flow and engine, the peaks of two runs, and the figures of claiming."""
    limit_blas_threads()
    everything = read_clips()
    chosen = list(islice(cycle(everything), clips))
    shortest = sorted(everything, key=lambda clip: clip.duration_seconds)[:MEMORY_CLIPS]
    with servers.private_folder() as folder:
        stack = Stack(folder)
        try:
            where = stack.up(lambda _step: None)
            pause_schedule(where)
            upload(where, chosen, clips)
            before = engine_seconds(chosen, engine)
            flow, _ = run_flow(where, clips, engine)
            bare = statistics.mean([before, engine_seconds(chosen, engine)])
            peaks = []
            for messages in (few, many):
                upload(where, shortest, messages)
                peaks.append(run_flow(where, messages, engine)[1])
        finally:
            stack.down()
    return {
        "clips": clips,
        "cores": available_cores(),
        "engine_seconds": round(bare, 2),
        "flow_seconds": round(flow, 2),
        "ratio_flow_to_engine": round(flow / bare, 3),
        "peak_mb_1k": round(peaks[0]),
        "peak_mb_10k": round(peaks[1]),
        "memory_ratio_10k_to_1k": round(peaks[1] / peaks[0], 3),
        **claim.claim_ratios(small, large),
    }


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "clips": frame.Size(1_000, smoke=8, help="recordings that flow and engine analyse"),
            "few": frame.Size(1_000, smoke=4, help="messages of the short run"),
            "many": frame.Size(10_000, smoke=8, help="messages of the long run"),
            "engine": ENGINE,
            **claim.SIZES,
        },
    )

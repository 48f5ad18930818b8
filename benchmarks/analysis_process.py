"""Compare an analysis in a locked-down process with one in this process.

    OPENBLAS_NUM_THREADS=1 python benchmarks/analysis_process.py [--clips 200] [--engine ENGINE]
                                                           [--smoke] [--json]

Recordings come from the folder in CORPUS, or are synthesised without it. Processor time is that of
all processes, including what starts them and passes recordings to them.
"""

import resource
from itertools import cycle, islice

import psutil

from benchmarks import frame
from benchmarks.analysed_corpus import ENGINE
from benchmarks.analyze_flow import analyse_alone, read_clips
from local.demo.recordings import Recording
from schema.states import AnalysisEngine
from settings.environment import AnalysisSettings
from speech.engine import load
from speech.rehearsal import rehearse
from tasks.analysis import wire
from tasks.analysis.server_process import AnalysisServer


def cpu_seconds() -> float:
    """Return the processor time of this process and of all that it has waited for."""
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in times)


def ask(server: AnalysisServer, clip: Recording, conversation: str) -> None:
    """Have a clip analysed, and check the answer."""
    request = wire.Request(
        text=clip.text,
        language="en",
        audio_format=clip.encoding.audio_format,
        sample_rate_hz=clip.encoding.sample_rate_hz,
        channels=clip.encoding.channels,
    )
    reply = server.ask(conversation, request, clip.audio or b"", cpu_seconds=600, wall_seconds=6000)
    wire.read_answer(reply.answer, wire.AnalysedAnswer)


def cost(clips: list[Recording], conversations: int, engine: AnalysisEngine) -> tuple[float, float]:
    """Return processor time of a server with clips of so many conversations, and its memory in MB.

    Pages that the server and its process share are counted once.
    """
    before = cpu_seconds()
    server = AnalysisServer({"en": engine}, AnalysisSettings())
    for number, clip in enumerate(clips):
        ask(server, clip, str(number * conversations // len(clips)))
    processes = psutil.Process().children(recursive=True)
    memory_bytes = sum(one.memory_full_info().pss for one in processes)
    server.end_process()
    server.kill()
    return cpu_seconds() - before, memory_bytes / 1e6


def cost_here(clips: list[Recording], engine: str) -> float:
    """Return the processor time of the same analyses in this process."""
    before = cpu_seconds()
    for clip in clips:
        analyse_alone(clip, engine)
    return cpu_seconds() - before


def measure(clips: int, engine: str) -> frame.Figures:
    """Return the processor time of starting and of an analysis, in this process and in others."""
    chosen = list(islice(cycle(read_clips()), clips))
    load("en", engine)
    rehearse({"en": engine})
    name = AnalysisEngine(engine)
    start, _ = cost([], 1, name)
    here = cost_here(chosen, engine) / clips
    one, memory_mb = cost(chosen, 1, name)
    each, _ = cost(chosen, clips, name)
    in_process, in_new_process = (one - start) / clips, (each - start) / clips
    return {
        "clips": clips,
        "start_cpu_seconds": round(start, 2),
        "engine_cpu_ms": round(1000 * here, 1),
        "process_cpu_ms": round(1000 * in_process, 1),
        "new_process_cpu_ms": round(1000 * in_new_process, 1),
        "ratio_process_to_engine": round(in_process / here, 3),
        "ratio_new_process_to_engine": round(in_new_process / here, 3),
        "memory_mb": round(memory_mb),
    }


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "clips": frame.Size(200, smoke=4, help="recordings that are analysed"),
            "engine": ENGINE,
        },
    )

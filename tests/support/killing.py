"""Run a migration in a process of its own, and kill it at a step."""

import itertools
import multiprocessing
import os
import signal

from migrations import run

# It imports once; each process is forked from it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.killing", "tests.support.flow_process"])
COMMANDS = {"upgrade": run.upgrade, "rollback": run.rollback}


def run_until_killed(command, url, steps):
    """Run a command; kill its process at the step after so many. Return whether it ended first."""
    process = PROCESSES.Process(target=_run_until, args=(command, url, steps))
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode == 0


def _run_until(command, url, steps):
    begun = itertools.count(1)

    def say(_):
        if next(begun) > steps:
            os.kill(os.getpid(), signal.SIGKILL)

    COMMANDS[command](url, say=say)


def run_all(commands, url):
    """Run commands at once, each in a process of its own; return their exit codes."""
    processes = [
        PROCESSES.Process(target=_run_until, args=(command, url, 1000)) for command in commands
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]

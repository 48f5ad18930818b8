"""Runs the flow in this process: `python -m benchmarks.analyze_flow_run N`.

It analyses N messages on the servers that the environment names, and prints the seconds from the
flow's call to its report.
"""

import sys
import time

from flows.analyze_messages import analyze_messages

if __name__ == "__main__":
    limit = int(sys.argv[1])
    started = time.perf_counter()
    report = analyze_messages(limit=limit, fail_above_percent=100)
    seconds = time.perf_counter() - started
    if report.claimed != limit:
        sys.exit(f"only {report.claimed} of {limit} messages were claimed")
    print(seconds)

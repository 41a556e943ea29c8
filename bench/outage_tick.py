"""A supervisor for the peers of the outage: one tick for each line of its input, whatever becomes of the one before."""

import sys


def run(tick):
    """Makes a tick for each line, says `done` after each, and only notes what went wrong, as a restart would."""
    for _ in sys.stdin:
        try:
            tick()
        except Exception as error:  # The platform starts the next run whatever ended this one.
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        print("done", flush=True)

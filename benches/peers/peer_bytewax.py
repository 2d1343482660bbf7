"""Bytewax, streaming: a sliding window a key, folded event by event. Out of order by up to a minute,
so windows wait that long in event time."""

import datetime
import sys
import time

from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing as win
from bytewax.operators.windowing import EventClock, SlidingWindower
from bytewax.testing import TestingSink, TestingSource, run_main
from events import HOP, LENGTH, arguments, interaction, tell, write_window

EPOCH = datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc)


def fold(state, event):
    handle = event[3]
    return state[0] + 1, state[1] + (handle or 0)


def main():
    path, out = arguments()
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    result = []
    flow = Dataflow("windows")
    read = op.input("read", flow, TestingSource(lines, batch_size=1000))
    parsed = op.filter_map("parse", read, interaction)
    keyed = op.key_on("key", parsed, lambda event: f"{event[0]}/{event[1]}")
    clock = EventClock(
        ts_getter=lambda event: event[2],
        # Event time moves with the events; a minute out of order is waited for.
        wait_for_system_duration=datetime.timedelta(seconds=60),
    )
    windower = SlidingWindower(
        length=datetime.timedelta(seconds=LENGTH),
        offset=datetime.timedelta(seconds=HOP),
        align_to=EPOCH,
    )
    folded = win.fold_window(
        "fold", keyed, clock, windower, lambda: (0, 0), fold, lambda a, b: (a[0] + b[0], a[1] + b[1])
    )
    op.output("write", folded.down, TestingSink(result))
    began = time.monotonic()
    run_main(flow)
    count = sum(state[0] for _, (_, state) in result)
    handle = sum(state[1] for _, (_, state) in result)
    tell("bytewax", began, len(lines), len(result), count, handle)
    write_window(out, [])


if __name__ == "__main__":
    sys.exit(main())

"""What all peers agree on: which lines count, the windows, and how a result is told."""

import csv
import datetime
import json
import sys
import time

LENGTH = 300
HOP = 10
WINDOWS_AN_EVENT = LENGTH // HOP
# The window that is compared with cxpulse ends here, 90 s behind the first event.
AT = datetime.datetime(2026, 3, 2, 8, 1, 30, tzinfo=datetime.timezone.utc)


def arguments():
    """The file, and where the rows of one window go."""
    return sys.argv[1], sys.argv[2]


def parse_time(text):
    return datetime.datetime.fromisoformat(text)


def interaction(line):
    """(queue, channel, end, handle milliseconds or None) of a line that counts, else None."""
    try:
        event = json.loads(line)
        if event["type"] != "interaction" or event["wait_seconds"] < 0:
            return None
        parse_time(event["started_at"])
        end = parse_time(event["ended_at"])
    except (ValueError, KeyError, TypeError):
        return None
    handle = None
    if not event["abandoned"]:
        seconds = event["talk_seconds"], event["hold_seconds"], event["wrap_seconds"]
        handle = sum(round(part * 1000) for part in seconds)
    return event["queue"], event["channel"], end, handle


def whole_lines(path):
    """Writes the lines that are JSON beside the file, not part of what is timed: polars stops at the
    first that is none, DuckDB takes some that are none."""
    whole = f"{path}.whole"
    count = 0
    with open(path, encoding="utf-8") as lines, open(whole, "w", encoding="utf-8") as out:
        for line in lines:
            count += 1
            try:
                json.loads(line)
            except ValueError:
                continue
            out.write(line)
    return whole, count


def tell(peer, began, events, rows, count, handle_ms):
    """One JSON line: how fast it was, and sums over all windows and keys to be compared."""
    seconds = time.monotonic() - began
    told = {
        "peer": peer,
        "events": events,
        "seconds": round(seconds, 3),
        "rows": rows,
        "count": count,
        "handle_ms": handle_ms,
    }
    print(json.dumps(told))


def write_window(path, rows):
    """The rows (queue, channel, handled, handle milliseconds) of the window that ends at AT."""
    with open(path, "w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(sorted(rows))

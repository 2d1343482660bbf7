"""DuckDB, batch: parse, panes of the hop, each pane given to the 30 windows that hold it."""

import sys
import time

import duckdb
from events import AT, HOP, LENGTH, WINDOWS_AN_EVENT, arguments, tell, whole_lines, write_window

COLUMNS = """{type: 'VARCHAR', interaction_id: 'VARCHAR', queue: 'VARCHAR', channel: 'VARCHAR',
    started_at: 'VARCHAR', ended_at: 'VARCHAR', wait_seconds: 'DOUBLE', talk_seconds: 'DOUBLE',
    hold_seconds: 'DOUBLE', wrap_seconds: 'DOUBLE', abandoned: 'BOOLEAN'}"""
EVENTS = f"""
    create temp table events as
    select interaction_id, queue, channel, epoch_ms(try_cast(ended_at as timestamptz)) as ended_ms,
        case when not abandoned then cast(round(talk_seconds * 1000) + round(hold_seconds * 1000)
            + round(wrap_seconds * 1000) as bigint) end as handle_ms
    from read_json(?, format = 'newline_delimited', columns = {COLUMNS})
    where type = 'interaction' and try_cast(ended_at as timestamptz) is not null
        and try_cast(started_at as timestamptz) is not null and wait_seconds >= 0"""
WINDOWS = f"""
    create temp table windows as
    with panes as (
        select queue, channel, ended_ms // {HOP * 1000} as pane, count(*) as n,
            sum(handle_ms) as handle_ms
        from events group by all
    )
    select queue, channel, pane - back as first, sum(n) as n, sum(handle_ms) as handle_ms
    from panes, range({WINDOWS_AN_EVENT}) as hops(back) group by all"""
# As cxpulse counts: a record once.
AT_WINDOW = """
    select queue, channel, count(handle_ms), sum(handle_ms)
    from (select distinct on (interaction_id) * from events)
    where ended_ms >= ? and ended_ms < ? group by all having count(handle_ms) > 0"""


def main():
    path, out = arguments()
    path, lines = whole_lines(path)
    base = duckdb.connect()
    began = time.monotonic()
    base.execute(EVENTS, [path])
    base.execute(WINDOWS)
    sums = base.execute("select count(*), sum(n), sum(handle_ms) from windows").fetchall()
    rows, count, handle = sums[0]
    tell("duckdb", began, lines, rows, int(count), int(handle))
    end = int(AT.timestamp() * 1000)
    window = base.execute(AT_WINDOW, [end - LENGTH * 1000, end]).fetchall()
    write_window(out, [(q, c, n, int(h)) for q, c, n, h in window])


if __name__ == "__main__":
    sys.exit(main())

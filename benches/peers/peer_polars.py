"""polars, batch: parse, panes of the hop, each pane given to the 30 windows that hold it."""

import sys
import time

import polars as pl
from events import AT, HOP, LENGTH, WINDOWS_AN_EVENT, arguments, tell, whole_lines, write_window

SCHEMA = {
    "type": pl.String,
    "interaction_id": pl.String,
    "queue": pl.String,
    "channel": pl.String,
    "started_at": pl.String,
    "ended_at": pl.String,
    "wait_seconds": pl.Float64,
    "talk_seconds": pl.Float64,
    "hold_seconds": pl.Float64,
    "wrap_seconds": pl.Float64,
    "abandoned": pl.Boolean,
}


def moment(name):
    return pl.col(name).str.to_datetime("%+", strict=False, time_unit="ms", time_zone="UTC")


def milliseconds(name):
    return (pl.col(name) * 1000).round().cast(pl.Int64)


def main():
    path, out = arguments()
    path, lines = whole_lines(path)
    began = time.monotonic()
    handle = milliseconds("talk_seconds") + milliseconds("hold_seconds") + milliseconds("wrap_seconds")
    events = (
        pl.scan_ndjson(path, schema=SCHEMA)
        .filter(pl.col("type") == "interaction", pl.col("wait_seconds") >= 0)
        .with_columns(moment("started_at"), moment("ended_at"))
        .filter(pl.col("started_at").is_not_null(), pl.col("ended_at").is_not_null())
        .select(
            "interaction_id",
            "queue",
            "channel",
            pl.col("ended_at").dt.epoch("ms").alias("ended_ms"),
            pl.when(~pl.col("abandoned")).then(handle).alias("handle_ms"),
        )
        .collect()
    )
    panes = events.group_by("queue", "channel", pane=pl.col("ended_ms") // (HOP * 1000)).agg(
        pl.len().cast(pl.Int64).alias("n"), pl.col("handle_ms").sum()
    )
    hops = pl.DataFrame({"back": range(WINDOWS_AN_EVENT)})
    windows = (
        panes.join(hops, how="cross")
        .group_by("queue", "channel", first=pl.col("pane") - pl.col("back"))
        .agg(pl.col("n").sum(), pl.col("handle_ms").sum())
    )
    tell("polars", began, lines, windows.height, windows["n"].sum(), windows["handle_ms"].sum())
    end = int(AT.timestamp() * 1000)
    # As cxpulse counts: a record once.
    window = (
        events.unique("interaction_id")
        .filter(pl.col("ended_ms") >= end - LENGTH * 1000, pl.col("ended_ms") < end)
        .filter(pl.col("handle_ms").is_not_null())
        .group_by("queue", "channel")
        .agg(pl.len(), pl.col("handle_ms").sum())
    )
    write_window(out, window.rows())


if __name__ == "__main__":
    sys.exit(main())

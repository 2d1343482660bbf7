"""Prints the table of the peers, and says where they count the same."""

import csv
import json
import sys

BEGIN = "<!-- peers: written by benches/peers/run --record -->\n"
END = "<!-- end of the peers -->"


def median(path, key):
    with open(path, encoding="utf-8") as lines:
        told = sorted((json.loads(line) for line in lines), key=key)
    return told[len(told) // 2]


def window(path):
    with open(path, newline="", encoding="utf-8") as rows:
        return {(q, c): (int(n), int(h)) for q, c, n, h in csv.reader(rows)}


def ours(path):
    """Handled contacts and handle time by key, as cxpulse has them."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["kpis"]
    found = {}
    for row in rows:
        if row["kpi"] == "aht" and row["samples"]:
            key = row["key"]["queue"], row["key"]["channel"]
            found[key] = row["samples"], round(row["numerator"] * 1000)
    return found


def record(path, lines):
    """Puts the table into the page."""
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w", encoding="utf-8") as out:
        out.write(before + BEGIN + "\n".join(lines) + "\n" + END + after)


def main():
    work, events, few, *document = sys.argv[1:]
    by_time = lambda told: told["seconds"]
    told = {
        (name, count): median(f"{work}/{name}-{count}.json", by_time)
        for name in ("duckdb", "polars", "bytewax")
        for count in (events, few)
        if name != "bytewax" or count == few
    }
    lines = ["| | events | events/s | rows | sum of counts |", "|---|---|---|---|---|"]
    for (name, count), one in told.items():
        rate = one["events"] / one["seconds"]
        lines.append(f"| {name} | {count} | {rate:,.0f} | {one['rows']} | {one['count']} |")
    with open(f"{work}/cxpulse.seconds", encoding="utf-8") as told_seconds:
        seconds = sorted(float(line) for line in told_seconds)
    rate = int(events) / seconds[len(seconds) // 2]
    name = "cxpulse replay, all KPIs, three windows and breakdowns"
    lines.append(f"| {name} | {events} | {rate:,.0f} | | |")
    print("\n".join(lines), end="\n\n")
    if document:
        record(document[0], lines)
    equal = True
    for count in (events, few):
        same = [
            told["duckdb", count][figure] == told["polars", count][figure]
            for figure in ("rows", "count", "handle_ms")
        ]
        equal &= all(same)
        print(f"duckdb and polars, {count} events, all windows: {'equal' if all(same) else 'DIFFERENT'}")
    late = told["duckdb", few]["count"] - told["bytewax", few]["count"]
    print(f"bytewax leaves {late} of {told['duckdb', few]['count']} counts out as late")
    reference = ours(f"{work}/cxpulse.json")
    for name in ("duckdb", "polars"):
        same = window(f"{work}/{name}-{events}.csv") == reference
        equal &= same
        print(f"{name} and cxpulse, one window, {len(reference)} keys: {'equal' if same else 'DIFFERENT'}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())

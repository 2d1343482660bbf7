#!/usr/bin/env python3
"""Compares two results of `cxpulse replay --format json` or of cxpulse_reference.py; exit code 1 and a list where they part.

    compare.py [--kpis-only] [--limit N] EXPECTED.json FOUND.json

Counts must be equal, ratios and their interval ends within 1e-9, means and sums within 1e-9 of their size, quantiles within 2 %.
--kpis-only leaves out rejected and duplicate counts, which depend on arrival order. Members that only one side knows
("received", "applied", "replaced") are compared where both have them.
"""

import argparse
import json
import re
import sys
from datetime import datetime, timezone

MEANS = {"aht", "asa", "csat_score", "ces", "time_to_resolution"}
QUANTILE_SHARE = 0.02


def instant(value):
    """Milliseconds of an integer or an RFC 3339 text."""
    if not isinstance(value, str):
        return value
    text = re.sub(r"\.(\d+)", lambda match: "." + (match.group(1) + "000000")[:6], value.replace("Z", "+00:00"))
    moment = datetime.fromisoformat(text).astimezone(timezone.utc)
    return round((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() * 1000)


def indexed(result, name, differences):
    rows = {}
    for row in result["kpis"]:
        place = (row["kpi"], row["window"], row["breakdown"], tuple(sorted(row["key"].items())))
        if place in rows:
            differences.append(f"{label(place)}: twice in {name}")
        rows[place] = row
    return rows


def label(place):
    kpi, window, breakdown, key = place
    return " ".join([kpi, window, "by", breakdown, *(f"{name}={value}" for name, value in key)])


def near(expected, found, absolute=0.0, relative=0.0):
    if expected is None or found is None:
        return expected is found
    return abs(expected - found) <= max(absolute, relative * abs(expected))


def row_differences(kpi, expected, found):
    """Names of the members that differ."""
    is_mean = kpi in MEANS
    empty = expected["samples"] == 0 and found["samples"] == 0
    size = max(1.0, *(abs(expected.get(name) or 0.0) for name in ("value", "lower", "upper")))
    tolerances = {
        "samples": {},
        "value": {"relative": 1e-9} if is_mean else {"absolute": 1e-9},
        "numerator": {"relative": 1e-9} if is_mean else {},
        "denominator": {},
        "lower": {"absolute": 1e-9 * size if is_mean else 1e-9},
        "upper": {"absolute": 1e-9 * size if is_mean else 1e-9},
    }
    for name, tolerance in tolerances.items():
        if empty and name in ("numerator", "denominator"):
            continue
        if not near(expected.get(name), found.get(name), **tolerance):
            yield name, expected.get(name), found.get(name)
    if expected["complete"] != found["complete"]:
        yield "complete", expected["complete"], found["complete"]
    one, other = expected.get("quantiles") or {}, found.get("quantiles") or {}
    for name in sorted({*one, *other}):
        if not near(one.get(name), other.get(name), relative=QUANTILE_SHARE):
            yield f"quantile {name}", one.get(name), other.get(name)


def compare(expected, found, kpis_only=False):
    """Every difference, as `what: expected | found`."""
    differences = []
    if instant(expected.get("at")) != instant(found.get("at")):
        differences.append(f"at: {expected.get('at')} | {found.get('at')}")
    counts = ["waiting"] if kpis_only else ["waiting", "duplicates", "received", "applied", "replaced"]
    for name in counts:
        if name in expected and name in found and expected[name] != found[name]:
            differences.append(f"{name}: {expected[name]} | {found[name]}")
    if not kpis_only:
        one, other = expected["rejected"], found["rejected"]
        for reason in sorted({*one, *other}):
            if one.get(reason, 0) != other.get(reason, 0):
                differences.append(f"rejected {reason}: {one.get(reason, 0)} | {other.get(reason, 0)}")
    ours = indexed(expected, "expected", differences)
    theirs = indexed(found, "found", differences)
    for place in sorted({*ours, *theirs}):
        if place not in theirs:
            differences.append(f"{label(place)}: samples {ours[place]['samples']} | no row")
        elif place not in ours:
            differences.append(f"{label(place)}: no row | samples {theirs[place]['samples']}")
        else:
            for name, one, other in row_differences(place[0], ours[place], theirs[place]):
                differences.append(f"{label(place)}: {name}: {one} | {other}")
    return differences


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kpis-only", action="store_true", help="leave out counts that depend on arrival order")
    arguments.add_argument("--limit", type=int, default=50, help="most differences printed (default 50)")
    arguments.add_argument("expected")
    arguments.add_argument("found")
    options = arguments.parse_args()
    results = []
    for name in (options.expected, options.found):
        with sys.stdin if name == "-" else open(name, encoding="utf-8") as file:
            results.append(json.load(file))
    differences = compare(*results, kpis_only=options.kpis_only)
    for line in differences[: options.limit]:
        print(line)
    if len(differences) > options.limit:
        print(f"... and {len(differences) - options.limit} more")
    print(f"{len(results[0]['kpis'])} rows expected, {len(results[1]['kpis'])} found, {len(differences)} differences", file=sys.stderr)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()

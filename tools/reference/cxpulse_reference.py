#!/usr/bin/env python3
"""Counts recorded events the plain way and prints what `cxpulse replay --format json` should print.

Written from the text of the contract, with the standard library alone and none of cxpulse's code, to check it from outside.

    cxpulse_reference.py [--setup SETUP.json] [--at T] [--now T] [--subject S] FILE...
    cxpulse_reference.py [--setup SETUP.json] [--at T] --capture FILE...
    cxpulse_reference.py --universes FILE

A FILE holds one message payload a line (`-` is stdin; .gz is understood). With --capture each line is
{"subject", "headers": [[name, value]], "payload_hex" or "payload", "stored_at": ms} instead, so that payloads of several lines,
headers and store times take part. With --universes each line is {"setup", "messages": [captured ...], "at": ms or null} and one
result is printed per line. T is milliseconds since the epoch or RFC 3339. SETUP.json: any members of DEFAULTS below;
times and lengths in milliseconds, scores in thousandths. A window of the day so far has "length_ms": 0 and
"day": {"since": "00:00", "zone": "Europe/Rome"}.

Besides the members of replay, the result has "received", "applied" and "replaced". Quantiles are exact nearest ranks.
"""

import argparse
import base64
import binascii
import functools
import gzip
import json
import math
import re
import sys
import time
import zoneinfo
from array import array
from datetime import date, datetime, timedelta, timezone

DAY = 86_400_000
DEFAULTS = {
    "windows": [
        {"name": "5m", "length_ms": 300_000, "pane_ms": 5_000, "delay_ms": 0},
        {"name": "1h", "length_ms": 3_600_000, "pane_ms": 60_000, "delay_ms": 0},
        {"name": "24h", "length_ms": DAY, "pane_ms": 1_440_000, "delay_ms": 0},
    ],
    "breakdowns": [[], ["queue"], ["channel"]],
    "values": {},
    "handle_time_breakdowns": [[], ["queue"]],
    "short_abandon_ms": 5_000,
    "survey_join_within_ms": 3 * DAY,
    "service_level": {"formula": "exclude_short", "target_ms": 20_000, "rules": []},
    "csat": {"low": 1_000, "high": 5_000},
    "csat_satisfied_from": 4_000,
    "ces": {"low": 1_000, "high": 7_000},
    "fcr": {"method": "repeat_contact", "horizon_ms": 7 * DAY, "match_on": "customer_and_issue", "transfer_fails": True},
    "allowed_lateness_ms": DAY,
    "max_clock_skew_ms": 60_000,
    "max_event_bytes": 262_144,
    "max_message_bytes": 8_388_608,
    "kind_field": "type",
    "interaction_subject": "cx.interactions.>",
    "survey_subject": "cx.surveys.>",
}

REASONS = ["too_large", "invalid_json", "unknown_type", "missing_field", "invalid_field", "future", "too_late"]


class Rejected(Exception):
    """Carries the reason."""


# --- JSON --------------------------------------------------------------------------------------------------------------

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)


def _refuse(word):
    raise ValueError(word)


_decoder = json.JSONDecoder(parse_constant=_refuse)
SPACE = b" \t\n\r"


def nesting(text):
    """Greatest depth of brackets outside strings."""
    depth = deepest = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        sign = token.group()
        if sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    return deepest


def parse_strict(raw):
    """One JSON value, or ValueError: not UTF-8, NaN, lone surrogates, more than 128 levels, anything after it."""
    text = raw.decode("utf-8").strip(" \t\n\r")
    value, end = _scan(text, 0)
    if end != len(text):
        raise ValueError("something after the value")
    if "\\u" in text:
        # As pairs, so that repeated members are looked at too.
        pairs = json.JSONDecoder(object_pairs_hook=list).decode(text)
        json.dumps(pairs, ensure_ascii=False).encode("utf-8")
    if text.count("[") + text.count("{") > 128 and nesting(text) > 128:
        raise ValueError("too deep")
    return value


def _scan(text, at):
    try:
        return _decoder.raw_decode(text, at)
    except RecursionError as error:
        raise ValueError("too deep") from error


def pieces(payload):
    """The texts of a payload's events: elements of an array, or the one value, else the lines that are not blank; and whether
    it is an array."""
    text = payload.decode("utf-8", errors="surrogateescape")
    try:
        found, is_array = _pieces_of_value(text)
    except ValueError:
        lines = (line.strip(SPACE) for line in payload.split(b"\n"))
        return [line for line in lines if line], False
    return [piece.encode("utf-8", errors="surrogateescape") for piece in found], is_array


def _skip(text, at):
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at


def _pieces_of_value(text):
    found = []
    at = _skip(text, 0)
    is_array = text.startswith("[", at)
    if is_array:
        at = _skip(text, at + 1)
        if text.startswith("]", at):
            at += 1
        else:
            while True:
                at = _skip(text, at)
                _, end = _scan(text, at)
                found.append(text[at:end])
                at = _skip(text, end)
                if text.startswith("]", at):
                    at += 1
                    break
                if not text.startswith(",", at):
                    raise ValueError("no comma")
                at += 1
    else:
        _, end = _scan(text, at)
        found.append(text[at:end])
        at = end
    if _skip(text, at) != len(text):
        raise ValueError("something after the value")
    return found, is_array


# --- fields ------------------------------------------------------------------------------------------------------------

LAST_INSTANT = 253_402_300_799_999
FIRST_INTEGER = 315_532_800_000
EPOCH = date(1970, 1, 1).toordinal()
INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


@functools.lru_cache(maxsize=4096)
def day_number(text):
    return date.fromisoformat(text).toordinal() - EPOCH


def parse_instant(text):
    """Milliseconds since the epoch, or None."""
    match = INSTANT.fullmatch(text)
    if not match:
        return None
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = match.groups()
    try:
        days = day_number(day)
    except ValueError:
        return None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        return None
    minutes = days * 1440 + int(hour) * 60 + int(minute)
    if sign:
        if int(offset_hour) > 23 or int(offset_minute) > 59:
            return None
        offset = int(offset_hour) * 60 + int(offset_minute)
        minutes += offset if sign == "-" else -offset
    instant = (minutes * 60 + int(second)) * 1000 + int(((fraction or "") + "000")[:3])
    return instant if 0 <= instant <= LAST_INSTANT else None


def member(event, name):
    """None stands for absent; null and "" equal absent."""
    value = event.get(name)
    return None if value == "" else value


def bad():
    raise Rejected("invalid_field")


def text_of(value):
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    return bad()


def id_of(event, name):
    value = member(event, name)
    if value is None:
        return None
    text = text_of(value)
    return text if len(text.encode()) <= 256 else bad()


def flag_of(event, name):
    value = member(event, name)
    return value if value is None or type(value) is bool else bad()


def time_of(event, name):
    value = member(event, name)
    if value is None:
        return None
    if type(value) is int:
        return value if FIRST_INTEGER <= value <= LAST_INSTANT else bad()
    instant = parse_instant(value) if type(value) is str else None
    return bad() if instant is None else instant


def thousandths(value):
    """Times 1000 in binary floating point, to the nearest, halves away from 0."""
    product = abs(float(value)) * 1000.0
    floor = math.floor(product)
    rounded = floor + (product - floor >= 0.5)
    return rounded if value >= 0 else -rounded


def duration_of(event, name):
    value = member(event, name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= 10**9:
        return bad()
    return thousandths(value)


def score_of(event, name, scale):
    value = member(event, name)
    if value is None:
        return None
    if type(value) is str and NUMBER.fullmatch(value):
        value = float(value)
    if type(value) not in (int, float) or abs(value) > 10**9:
        return bad()
    score = thousandths(value)
    return score if scale["low"] <= score <= scale["high"] else bad()


def dims_of(event, names):
    found = {}
    for name in names:
        value = member(event, name)
        if value is not None:
            raw = text_of(value).encode()
            found[name] = raw.decode() if len(raw) <= 256 else raw[:256].decode(errors="ignore")
    return found


class Interaction:
    __slots__ = (
        "id version time started customer issue inbound wait handled abandoned transferred excluded resolved dims "
        "first failed repeat_after resolution"
    ).split()


class Survey:
    __slots__ = "id version time about excluded csat ces nps resolved dims".split()


def read_interaction(event, names):
    if member(event, "interaction_id") is None or member(event, "ended_at") is None:
        raise Rejected("missing_field")
    one = Interaction()
    one.id = id_of(event, "interaction_id")
    id_of(event, "event_id")
    one.time = time_of(event, "ended_at")
    one.started = time_of(event, "started_at")
    if one.started is not None and one.started > one.time:
        bad()
    updated = time_of(event, "updated_at")
    one.version = one.time if updated is None else updated
    one.customer = id_of(event, "customer_id")
    one.issue = id_of(event, "issue_id")
    direction = member(event, "direction")
    if direction not in (None, "inbound", "outbound"):
        bad()
    one.inbound = direction != "outbound"
    one.wait = duration_of(event, "wait_seconds")
    parts = [duration_of(event, name) for name in ("handle_seconds", "talk_seconds", "hold_seconds", "wrap_seconds")]
    one.handled = tuple(parts)
    one.abandoned = flag_of(event, "abandoned") or False
    one.transferred = flag_of(event, "transferred") or False
    one.excluded = flag_of(event, "excluded") or False
    one.resolved = flag_of(event, "resolved")
    one.dims = dims_of(event, names)
    one.first = False
    one.failed = one.repeat_after = one.resolution = None
    return one


def read_survey(event, names, setup, outside_id):
    identities = [member(event, "survey_id"), member(event, "event_id"), outside_id]
    answers = [member(event, name) for name in ("csat", "nps", "ces", "resolved")]
    no_identity = all(value is None for value in identities)
    if member(event, "submitted_at") is None or no_identity or all(value is None for value in answers):
        raise Rejected("missing_field")
    one = Survey()
    own = (id_of(event, "survey_id"), id_of(event, "event_id"), outside_id)
    one.id = next(value for value in own if value is not None)
    id_of(event, "customer_id")
    one.time = time_of(event, "submitted_at")
    updated = time_of(event, "updated_at")
    one.version = one.time if updated is None else updated
    one.about = id_of(event, "interaction_id")
    one.excluded = flag_of(event, "excluded") or False
    one.csat = score_of(event, "csat", setup["csat"])
    one.ces = score_of(event, "ces", setup["ces"])
    one.nps = score_of(event, "nps", {"low": 0, "high": 10_000})
    if one.nps is not None and one.nps % 1000:
        bad()
    one.resolved = flag_of(event, "resolved")
    one.dims = dims_of(event, names)
    return one


def content(one):
    """Everything that decoding keeps."""
    if type(one) is Survey:
        return tuple(getattr(one, name) for name in Survey.__slots__)
    return tuple(getattr(one, name) for name in Interaction.__slots__[:14])


# --- messages ----------------------------------------------------------------------------------------------------------


def subject_matches(pattern, subject):
    parts, tokens = pattern.split("."), subject.split(".")
    for at, part in enumerate(parts):
        if part == ">":
            return len(tokens) > at
        if at >= len(tokens) or part not in ("*", tokens[at]):
            return False
    return len(parts) == len(tokens)


class Reader:
    """Messages to records or reasons."""

    def __init__(self, setup):
        self.setup = setup
        sets = setup["breakdowns"] + setup["handle_time_breakdowns"] + [list(setup["values"])]
        self.names = sorted({"channel", "queue", "agent_id"}.union(*sets))

    def read(self, message):
        """Yields a record or the name of a reason for each event."""
        payload = message["payload"]
        if len(payload) > self.setup["max_message_bytes"]:
            yield "too_large"
            return
        texts, is_array = pieces(payload)
        for index, text in enumerate(texts):
            yield from self._read_text(message, text, index if is_array else None)

    def _read_text(self, message, text, index):
        if len(text) > self.setup["max_event_bytes"]:
            yield "too_large"
            return
        try:
            value = parse_strict(text)
        except ValueError:
            value = None
        if type(value) is not dict:
            yield "invalid_json"
            return
        headers = message["headers"]
        if headers.get("ce-specversion"):
            event_id = headers.get("ce-id") or None
            if event_id is not None and index is not None:
                event_id = f"{event_id}#{index}"
            yield self._read_event(message, value, event_id)
        elif member(value, "specversion") is not None:
            yield from self._read_envelope(message, value)
        else:
            yield self._read_event(message, value, None)

    def _read_envelope(self, message, envelope):
        event_id = member(envelope, "id")
        event_id = str(event_id) if type(event_id) in (str, int) else None
        data, encoded = member(envelope, "data"), member(envelope, "data_base64")
        if data is None and encoded is None:
            yield "missing_field"
            return
        if data is None:
            try:
                raw = base64.b64decode(encoded if type(encoded) is str else "?", validate=True)
            except (binascii.Error, ValueError):
                yield "invalid_field"
                return
            try:
                data = parse_strict(raw)
            except ValueError:
                yield "invalid_json"
                return
        if type(data) is list:
            for index, event in enumerate(data):
                yield self._read_event(message, event, None if event_id is None else f"{event_id}#{index}")
        else:
            yield self._read_event(message, data, event_id)

    def _read_event(self, message, event, event_id):
        if type(event) is not dict:
            return "invalid_json"
        kind = member(event, self.setup["kind_field"])
        if kind is None:
            if subject_matches(self.setup["interaction_subject"], message["subject"]):
                kind = "interaction"
            elif subject_matches(self.setup["survey_subject"], message["subject"]):
                kind = "survey"
        try:
            if kind == "interaction":
                return read_interaction(event, self.names)
            if kind == "survey":
                outside = event_id if event_id is not None else message["headers"].get("nats-msg-id") or None
                return read_survey(event, self.names, self.setup, outside)
        except Rejected as reason:
            return str(reason)
        return "unknown_type"


# --- ledger ------------------------------------------------------------------------------------------------------------


class Ledger:
    """Verdicts in stream order; the newest version of each record."""

    def __init__(self, setup, at):
        self.setup, self.at = setup, at
        self.newest = {}
        self.counts = dict.fromkeys(("received", "applied", "replaced", "duplicates", "waiting"), 0)
        self.rejected = {}
        self.stream = self.earliest = None

    def take(self, one, stored_at):
        self.counts["received"] += 1
        if type(one) is str:
            self.reject(one)
        elif one.time - stored_at > self.setup["max_clock_skew_ms"]:
            self.reject("future")
        elif self.at is not None and one.time >= self.at:
            self.counts["waiting"] += 1
        elif self.stream is not None and one.time < self.stream - self.setup["allowed_lateness_ms"]:
            self.reject("too_late")
        else:
            self.stream = one.time if self.stream is None else max(self.stream, one.time)
            self.earliest = one.time if self.earliest is None else min(self.earliest, one.time)
            self.enter(one)

    def reject(self, reason):
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def enter(self, one):
        identity = (type(one) is Survey, one.id)
        before = self.newest.get(identity)
        if before is None:
            self.counts["applied"] += 1
        elif one.version < before.version or (one.version == before.version and content(one) == content(before)):
            self.counts["duplicates"] += 1
            return
        else:
            self.counts["replaced"] += 1
        self.newest[identity] = one


# --- contact chains ----------------------------------------------------------------------------------------------------

MASK = (1 << 64) - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def _left(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def _round(lane, word):
    return _left((lane + word * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    """XXH64 with seed 0."""
    at, size = 0, len(data)
    word = lambda start, width: int.from_bytes(data[start : start + width], "little")
    if size >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= size:
            lanes = [_round(lane, word(at + 8 * place, 8)) for place, lane in enumerate(lanes)]
            at += 32
        digest = sum(_left(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            digest = ((digest ^ _round(0, lane)) * P1 + P4) & MASK
    else:
        digest = P5
    digest = (digest + size) & MASK
    while at + 8 <= size:
        digest = (_left(digest ^ _round(0, word(at, 8)), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= size:
        digest = (_left(digest ^ (word(at, 4) * P1 & MASK), 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        digest = _left(digest ^ (byte * P5 & MASK), 11) * P1 & MASK
    digest = (digest ^ (digest >> 33)) * P2 & MASK
    digest = (digest ^ (digest >> 29)) * P3 & MASK
    return digest ^ (digest >> 32)


def link_chains(setup, contacts):
    """Marks first contacts, repeats and episodes on the interactions."""
    fcr = setup["fcr"]
    horizon = fcr["horizon_ms"]
    chains = {}
    for one in contacts:
        if one.inbound and not one.abandoned and one.customer is not None:
            issue = one.issue if fcr["match_on"] == "customer_and_issue" else None
            chains.setdefault((one.customer, issue), []).append(one)
    for chain in chains.values():
        times = {one.time for one in chain}
        tied = len(times) < len(chain)
        chain.sort(key=(lambda one: (one.time, xxh64(one.id.encode()))) if tied else (lambda one: one.time))
        episode = previous = None
        for one in chain:
            one.failed = one.resolved is False or (fcr["transfer_fails"] and one.transferred)
            repeats = previous is not None and one.time - previous.time <= horizon
            one.first = not repeats
            if repeats:
                previous.repeat_after = one.time - previous.time
            else:
                close_episode(episode, previous)
                episode = one
            previous = one
        close_episode(episode, previous)


def close_episode(first, last):
    """Books the time to resolution at the last contact of an episode that ended resolved."""
    if first is not None and last.resolved is True:
        start = first.time if first.started is None else first.started
        last.resolution = max(0, last.time - start)


# --- KPIs --------------------------------------------------------------------------------------------------------------

Z = 1.959963984540054
STEPS = 28
RATIOS = "fcr fcr_mature fcr_survey resolution service_level abandonment transfer csat".split()
MEANS = "aht asa csat_score ces time_to_resolution".split()
QUANTILES = (("0.5", 500), ("0.9", 900), ("0.95", 950), ("0.99", 990))


class Cell:
    """Running counts of one window and key."""

    def __init__(self):
        self.hits = dict.fromkeys(RATIOS, 0)
        self.all = dict.fromkeys(RATIOS, 0)
        self.means = {name: [0, 0, 0] for name in MEANS}
        self.nps = [0, 0, 0]
        self.handle_times = array("q")
        self.first = self.failed = 0
        self.followed = [0] * (STEPS + 1)
        self.repeats = {}

    def share(self, kpi, hit):
        self.all[kpi] += 1
        self.hits[kpi] += bool(hit)

    def number(self, kpi, value):
        sums = self.means[kpi]
        sums[0] += 1
        sums[1] += value
        sums[2] += value * value


def day_start(day, at):
    """The last start of a day that is not after `at`: {"since": "HH:MM", "zone"}; a skipped hour comes as much later."""
    zone = zoneinfo.ZoneInfo(day["zone"])
    hour, minute = map(int, day["since"].split(":"))
    today = datetime.fromtimestamp(at // 1000, zone).date()
    starts = []
    for offset in (-1, 0, 1):
        one = today + timedelta(days=offset)
        starts.append(int(datetime(one.year, one.month, one.day, hour, minute, tzinfo=zone).timestamp()) * 1000)
    return max(start for start in starts if start <= at)


class Evaluation:
    """Rows at one instant."""

    def __init__(self, setup, ledger, at):
        self.setup, self.ledger, self.at = setup, ledger, at
        self.flag = setup["fcr"]["method"] == "flag"
        self.horizon = setup["fcr"]["horizon_ms"]
        records = [one for one in ledger.newest.values() if not one.excluded]
        self.contacts = [one for one in records if type(one) is Interaction]
        self.surveys = [one for one in records if type(one) is Survey]
        self.by_id = {one.id: one for one in self.contacts}
        link_chains(setup, self.contacts)

    def rows(self):
        cells, live = self._fill()
        rows = []
        for place, breakdown in enumerate(self.setup["breakdowns"]):
            for key in sorted(live[place]):
                for window in self.setup["windows"]:
                    cell = cells.get((window["name"], place, key)) or Cell()
                    head = {"window": window["name"], "breakdown": ",".join(breakdown) or "overall"}
                    head["key"] = dict(zip(breakdown, key))
                    for kpi, reading in self._readings(window, breakdown, cell):
                        row = {"kpi": kpi, **head, **{name: value for name, value in reading.items() if value is not None}}
                        row["complete"] = self._complete(window, kpi)
                        rows.append(row)
        return rows

    def _spans(self, window):
        pane, length = window["pane_ms"], window["length_ms"]
        end = self.at - window["delay_ms"]
        if window.get("day"):
            mature = (end - self.horizon) // pane * pane
            return (day_start(window["day"], end), end), (day_start(window["day"], mature), mature), (0, 0)
        start = -(-end // pane) * pane - length
        mature = (end - self.horizon) // pane * pane
        followed = end // pane * pane
        return (start, end), (mature - length, mature), (followed - length, followed)

    def _complete(self, window, kpi):
        (start, _), _, _ = self._spans(window)
        more = self.horizon if kpi in ("fcr", "fcr_mature", "fcr_corrected") else 0
        return self.ledger.earliest <= start - more

    def _key(self, breakdown, dims):
        key = []
        for name in breakdown:
            value = dims.get(name, "unknown")
            known = self.setup["values"].get(name)
            key.append(value if known is None or value in known else "__other__")
        return tuple(key)

    def _dims(self, survey):
        about = self.by_id.get(survey.about)
        if about is None:
            return survey.dims
        gap = survey.time - about.time
        if not -self.setup["allowed_lateness_ms"] <= gap <= self.setup["survey_join_within_ms"]:
            return survey.dims
        return {**about.dims, **survey.dims}

    def _fill(self):
        breakdowns = list(enumerate(self.setup["breakdowns"]))
        live = [{()} if not breakdown else set() for _, breakdown in breakdowns]
        cells = {}

        def cell(window, place, key):
            found = cells.get((window["name"], place, key))
            if found is None:
                found = cells[window["name"], place, key] = Cell()
            return found

        spans = [(window, *self._spans(window)) for window in self.setup["windows"]]
        for one in self.surveys:
            dims = self._dims(one)
            keys = [(place, self._key(breakdown, dims)) for place, breakdown in breakdowns]
            for window, (start, end), _, _ in spans:
                if start <= one.time < end:
                    for place, key in keys:
                        live[place].add(key)
                        self._add_survey(cell(window, place, key), one)
        for one in self.contacts:
            keys = [(place, self._key(breakdown, one.dims)) for place, breakdown in breakdowns]
            for window, (start, end), (mature_from, mature_to), (from_, to) in spans:
                inside = start <= one.time < end
                mature = one.first and not self.flag and mature_from <= one.time < mature_to
                followed = one.first and from_ <= one.time < to
                for place, key in keys if inside or mature or followed else ():
                    target = cell(window, place, key)
                    if inside or mature:
                        live[place].add(key)
                    if inside:
                        self._add_contact(target, one)
                    if mature:
                        target.share("fcr_mature", not one.failed and one.repeat_after is None)
                    if followed:
                        self._follow(target, one, to, window["pane_ms"])
        return cells, live

    def _add_survey(self, cell, one):
        if one.resolved is not None:
            cell.share("fcr_survey", one.resolved)
        if one.csat is not None:
            cell.share("csat", one.csat >= self.setup["csat_satisfied_from"])
            cell.number("csat_score", one.csat)
        if one.ces is not None:
            cell.number("ces", one.ces)
        if one.nps is not None:
            cell.nps[0] += one.nps >= 9000
            cell.nps[1] += one.nps <= 6000
            cell.nps[2] += 1

    def _add_contact(self, cell, one):
        if one.inbound:
            self._add_inbound(cell, one)
        if one.abandoned:
            return
        cell.share("transfer", one.transferred)
        if one.resolved is not None:
            cell.share("resolution", one.resolved)
        handle, talk, hold, wrap = one.handled
        if handle is None and talk is not None:
            handle = talk + (hold or 0) + (wrap or 0)
        if handle is not None:
            cell.number("aht", handle)
            cell.handle_times.append(handle)
        if one.resolution is not None:
            cell.number("time_to_resolution", one.resolution)
        if self.flag:
            if one.inbound and one.resolved is not None:
                passed = not (self.setup["fcr"]["transfer_fails"] and one.transferred)
                cell.share("fcr", one.resolved and passed)
        elif one.first:
            cell.share("fcr", not one.failed and one.repeat_after is None)

    def _add_inbound(self, cell, one):
        wait = math.inf if one.wait is None else one.wait
        in_target, short = wait <= self._target(one), wait <= self.setup["short_abandon_ms"]
        formula = self.setup["service_level"]["formula"]
        if one.abandoned:
            if not short:
                cell.share("abandonment", True)
            hit, counts = {
                "exclude_short": (False, not short),
                "abandon_positive": (in_target, True),
                "answered_only": (False, False),
                "abandon_negative": (False, True),
                "ignore_early_abandon": (False, not in_target),
                "short_positive": (short, True),
            }[formula]
        else:
            cell.share("abandonment", False)
            if one.wait is not None:
                cell.number("asa", one.wait)
            hit, counts = in_target, one.wait is not None
        if counts:
            cell.share("service_level", hit)

    def _target(self, one):
        level = self.setup["service_level"]
        for rule in level["rules"]:
            wanted = [(name, rule.get(name)) for name in ("channel", "queue")]
            if all(value is None or value == one.dims.get(name, "unknown") for name, value in wanted):
                return rule["target_ms"]
        return level["target_ms"]

    def _follow(self, cell, one, to, pane):
        cell.first += 1
        if one.failed:
            cell.failed += 1
            return
        pane_end = (one.time // pane + 1) * pane
        steps = min(STEPS, STEPS * (to - pane_end) // self.horizon)
        if one.repeat_after is not None:
            step = min(STEPS - 1, STEPS * one.repeat_after // self.horizon)
            if step < steps:
                # At risk up to and in the step of its repeat.
                cell.repeats[step] = cell.repeats.get(step, 0) + 1
                steps = step + 1
        cell.followed[steps] += 1

    def _readings(self, window, breakdown, cell):
        for kpi in RATIOS:
            if kpi != "fcr_mature" or not self.flag:
                yield kpi, ratio(cell.hits[kpi], cell.all[kpi])
        for kpi in MEANS:
            yield kpi, mean(*cell.means[kpi])
        yield "nps", promoter_score(*cell.nps)
        if breakdown in self.setup["handle_time_breakdowns"]:
            yield "handle_time", quantiles(sorted(cell.handle_times))
        if not self.flag and window["length_ms"] > self.horizon:
            yield "fcr_corrected", corrected(cell)


def ratio(hits, count):
    reading = {"value": None, "samples": count, "numerator": hits, "denominator": count}
    if count:
        share = hits / count
        half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
        below = 1 + Z * Z / count
        center = share + Z * Z / (2 * count)
        reading["value"] = share
        reading["lower"] = min(1.0, max(0.0, (center - half) / below))
        reading["upper"] = min(1.0, max(0.0, (center + half) / below))
    return reading


def mean(count, total, squares):
    reading = {"value": None, "samples": count, "numerator": total / 1000, "denominator": count}
    if count:
        reading["value"] = total / count / 1000
    if count > 1:
        variance = (count * squares - total * total) / (count * (count - 1))
        half = Z * math.sqrt(variance / count) / 1000
        reading["lower"], reading["upper"] = reading["value"] - half, reading["value"] + half
    return reading


def promoter_score(promoters, detractors, count):
    reading = {"value": None, "samples": count, "numerator": promoters - detractors, "denominator": count}
    if count:
        p, d = (promoters + 0.75) / (count + 3), (detractors + 0.75) / (count + 3)
        half = Z * math.sqrt((p + d - (p - d) ** 2) / (count + 3))
        reading["value"] = 100 * (promoters - detractors) / count
        reading["lower"] = max(-100.0, 100 * (p - d - half))
        reading["upper"] = min(100.0, 100 * (p - d + half))
    return reading


def quantiles(ordered):
    count = len(ordered)
    reading = {"samples": count}
    if count:
        rank = lambda permille: -(-count * permille // 1000)
        reading["quantiles"] = {name: ordered[rank(permille) - 1] / 1000 for name, permille in QUANTILES}
    return reading


def corrected(cell):
    reading = {"value": None, "samples": cell.first}
    if not cell.first:
        return reading
    survival = 1.0
    for step in range(STEPS):
        at_risk = sum(cell.followed[step + 1 :])
        if survival == 0.0:
            break
        if not at_risk:
            return reading
        survival *= (at_risk - cell.repeats.get(step, 0)) / at_risk
    reading["value"] = (1 - cell.failed / cell.first) * survival
    return reading


# --- the whole -----------------------------------------------------------------------------------------------------------


def replay(setup, messages, at=None):
    """The result for messages {"subject", "headers" (names in lower case), "payload" (bytes), "stored_at"} in stream order."""
    reader, ledger = Reader(setup), Ledger(setup, at)
    for message in messages:
        for one in reader.read(message):
            ledger.take(one, message["stored_at"])
    result = {}
    if ledger.stream is not None:
        pane = min(window["pane_ms"] for window in setup["windows"])
        at = (ledger.stream // pane + 1) * pane if at is None else at
        result["at"] = written(at)
    rejected = {reason: ledger.rejected[reason] for reason in REASONS if reason in ledger.rejected}
    result.update(ledger.counts, rejected=rejected)
    result["kpis"] = [] if ledger.stream is None else Evaluation(setup, ledger, at).rows()
    return result


def written(instant):
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=instant)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % 1000:03}Z"


def captured(record):
    """A recorded message."""
    headers = record.get("headers") or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    names = {}
    for name, value in pairs:
        names.setdefault(name.lower(), value)
    payload = record.get("payload")
    raw = bytes.fromhex(record["payload_hex"]) if payload is None else payload.encode()
    return {"subject": record.get("subject", ""), "headers": names, "payload": raw, "stored_at": record["stored_at"]}


def lines_of(name):
    if name == "-":
        yield from sys.stdin.buffer
    else:
        with gzip.open(name) if name.endswith(".gz") else open(name, "rb") as file:
            yield from file


def instant_argument(text):
    instant = int(text) if text.isdigit() else parse_instant(text)
    if instant is None:
        raise argparse.ArgumentTypeError("not an instant")
    return instant


def with_defaults(given):
    unknown = set(given) - set(DEFAULTS)
    if unknown:
        sys.exit(f"unknown settings: {', '.join(sorted(unknown))}")
    setup = {**DEFAULTS, **given}
    for name in ("fcr", "service_level"):
        setup[name] = {**DEFAULTS[name], **setup[name]}
    return setup


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--setup", help="JSON file of settings; defaults for what it leaves out")
    arguments.add_argument("--at", type=instant_argument, help="evaluation instant")
    arguments.add_argument("--now", type=instant_argument, help="store time of the lines of plain files (default: now)")
    arguments.add_argument("--subject", default="", help="subject of the lines of plain files")
    arguments.add_argument("--capture", action="store_true", help="lines are recorded messages")
    arguments.add_argument("--universes", action="store_true", help="lines are whole cases")
    arguments.add_argument("files", nargs="+", metavar="FILE")
    options = arguments.parse_args()
    lines = (line for name in options.files for line in lines_of(name))
    if options.universes:
        for line in lines:
            case = json.loads(line)
            messages = map(captured, case["messages"])
            print(json.dumps(replay(with_defaults(case["setup"]), messages, case.get("at"))))
        return
    given = {}
    if options.setup:
        with open(options.setup, encoding="utf-8") as file:
            given = json.load(file)
    if options.capture:
        messages = (captured(json.loads(line)) for line in lines)
    else:
        now = int(time.time() * 1000) if options.now is None else options.now
        messages = (
            {"subject": options.subject, "headers": {}, "payload": line, "stored_at": now} for line in lines
        )
    json.dump(replay(with_defaults(given), messages, options.at), sys.stdout)
    print()


if __name__ == "__main__":
    main()

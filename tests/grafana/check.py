"""Reads a dashboard with Grafana's own SDK and says what its types do not know or do not accept.

The models keep what they know; written back, the dashboard must be the same but for defaults that they add.
"""

import json
import sys
from enum import Enum

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    written = json.load(file)
model = Dashboard.from_json(json.loads(json.dumps(written)))
read_back = json.loads(JSONEncoder().encode(model))

# Fields of a Prometheus annotation: they belong to the data source, and the SDK describes Grafana alone.
OF_DATA_SOURCE = {"step", "tagKeys", "textFormat", "titleFormat"}

missing = []


def compare(place, ours, theirs):
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            missing.append(f"{place}: became {theirs!r}")
            return
        for name, value in ours.items():
            if name not in theirs:
                known_elsewhere = place.startswith("dashboard.annotations.list[") and name in OF_DATA_SOURCE
                if value not in (None, "", [], {}, False, 0) and not known_elsewhere:
                    missing.append(f"{place}.{name}: is not known")
            else:
                compare(f"{place}.{name}", value, theirs[name])
    elif isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            missing.append(f"{place}: became {theirs!r}")
            return
        for index, (one, other) in enumerate(zip(ours, theirs)):
            compare(f"{place}[{index}]", one, other)
    elif isinstance(theirs, Enum):
        compare(place, ours, theirs.value)
    elif ours != theirs:
        missing.append(f"{place}: {ours!r} became {theirs!r}")


compare("dashboard", written, read_back)
panels = written["panels"]
targets = sum(len(panel.get("targets", [])) for panel in panels)
print(f"{len(panels)} panels, {targets} queries, {len(missing)} findings")
for line in missing[:40]:
    print(line)
sys.exit(1 if missing else 0)

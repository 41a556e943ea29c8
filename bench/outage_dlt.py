"""dlt for the outage: an incremental cursor over the backend, dlt's own repeating client, and a destination that posts to IoT Hub."""

import json
import os
from datetime import datetime, timezone
from urllib.parse import quote

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt
import requests
from dlt.sources.helpers.requests import Client

from hub import URL, headers
from outage_tick import run

LOGIN = os.environ["BENCH_LOGIN"]
SERIES = f"{os.environ['BENCH_BACKEND']}customers/{LOGIN}/sites/{quote(os.environ['BENCH_SITE'])}/histdata0"
TIMEOUT = float(os.environ["BENCH_TIMEOUT"])
# Three attempts, as many as the bridge makes; its own waits are longer than a step has time for.
source = Client(request_timeout=TIMEOUT, request_max_attempts=3, request_backoff_factor=0.25).session
source.auth = (LOGIN, LOGIN)
hub = requests.Session()


@dlt.resource(name="readings", primary_key="stamp")
def readings(stamp=dlt.sources.incremental("stamp", initial_value="20000101000000000")):
    query = {"select": ["ch0", "ch1"], "from": stamp.last_value, "until": "*"}
    answer = source.get(SERIES, params={"json": json.dumps(query)})
    answer.raise_for_status()
    yield [{"stamp": row[0].ljust(17, "0"), "ch0": row[1], "ch1": row[2]} for row in answer.json()]


@dlt.destination(batch_size=1000, name="iothub", naming_convention="direct")
def iothub(items, table):
    series = []
    for row in items:
        at = datetime.strptime(row["stamp"] + "000", "%Y%m%d%H%M%S%f").replace(tzinfo=timezone.utc)
        values = {name: row[name] for name in ("ch0", "ch1") if isinstance(row.get(name), int)}
        series.append({"Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "Channels": values})
    body = json.dumps({"site_id": "outage", "Timeseries": series}, separators=(",", ":"))
    hub.post(URL, data=body, headers=headers(), timeout=TIMEOUT).raise_for_status()


pipeline = dlt.pipeline("outage", pipelines_dir=os.path.abspath("dlt"), destination=iothub)
run(lambda: pipeline.run(readings()))

"""dlt with an incremental cursor over the rapidM2M backend, and a destination that posts to IoT Hub.

What dlt users would write: extract with a cursor, normalise, load in batches; the cursor moves when the load is done.
"""

import json
import os
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt
import requests

from hub import URL, headers

LOGIN = os.environ["BENCH_LOGIN"]
SERIES = f"{os.environ['BENCH_BACKEND']}customers/{quote(LOGIN)}/sites/{quote(os.environ['BENCH_SITE'])}/histdata0"
ROWS = int(os.environ["BENCH_ROWS"])
DAY = timedelta(days=1)

source = requests.Session()
source.auth = (LOGIN, LOGIN)
hub = requests.Session()


def compact(at):
    return at.strftime("%Y%m%d%H%M%S").rstrip("0")


@dlt.resource(name="readings", primary_key="stamp")
def readings(stamp=dlt.sources.incremental("stamp", initial_value="0")):
    at = datetime.fromisoformat(os.environ["BENCH_START"].replace("Z", "+00:00")).astimezone(timezone.utc)
    left = ROWS
    while left > 0:
        query = {"select": ["ch0"], "from": compact(at), "until": compact(at + DAY - timedelta(seconds=1))}
        answer = source.get(SERIES, params={"json": json.dumps(query)}, timeout=30)
        answer.raise_for_status()
        rows = answer.json()[:left]
        if not rows:
            return
        left -= len(rows)
        yield [{"stamp": row[0].ljust(17, "0"), "ch0": row[1]} for row in rows]
        at += DAY


@dlt.destination(batch_size=1000, name="iothub", naming_convention="direct")
def iothub(items, table):
    series = [{"Timestamp": row["stamp"], "Channels": {"ch0": row["ch0"]}} for row in items]
    body = json.dumps({"site_id": "bench", "Timeseries": series}, separators=(",", ":"))
    hub.post(URL, data=body, headers=headers(), timeout=30).raise_for_status()


def main():
    pipeline = dlt.pipeline("bench", pipelines_dir=os.environ["BENCH_PIPELINES"], destination=iothub)
    began = time.perf_counter()
    pipeline.run(readings())
    seconds = time.perf_counter() - began
    count = pipeline.last_trace.last_normalize_info.row_counts["readings"]
    print(json.dumps({"count": count, "seconds": seconds}))


main()

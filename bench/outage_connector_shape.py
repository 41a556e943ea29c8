"""The shape of the old connector.py for the outage: each tick reads the reader, sends what it says, and forgets it."""

import json
import os
from datetime import datetime, timedelta

import requests

from hub import URL, headers
from outage_tick import run

READER = f"{os.environ['BENCH_READER']}0/cm"
TIMEOUT = float(os.environ["BENCH_TIMEOUT"])


def tick():
    with requests.Session() as session:
        answer = session.get(READER, params={"cmnd": "Status 10"}, timeout=TIMEOUT)
        answer.raise_for_status()
        status = answer.json()["StatusSNS"]
        # The reader's own time, which is an hour ahead of UTC.
        at = datetime.fromisoformat(status["Time"]) - timedelta(hours=1)
        row = {"Timestamp": at.isoformat(), "Channels": {"Total_in": status["SML"]["Total_in"]}}
        body = json.dumps({"source_id": "reader-0", "Timeseries": [row]})
        session.post(URL, data=body, headers=headers(), timeout=TIMEOUT).raise_for_status()


run(tick)

"""The algorithm of the Microtronics connector of 2017 (`run.csx`), ported for the outage: not its code, its decisions.

Kept as they were: the first run asks for the youngest row; later ones from the last stored value + 100 ms; an error status of the
backend counts as "no data"; values must be whole numbers, or the run dies; the send is wrapped in a catch that only logs, and the
hub's answer is never looked at; the poll is stored afterwards with its last value, sent or not; the token is made beforehand.
"""

import json
import os
import sys
import urllib.parse
from datetime import datetime, timedelta

import requests

from hub import URL, token
from outage_tick import run

LOGIN = os.environ["BENCH_LOGIN"]
SITE = os.environ["BENCH_SITE"]
SERIES = f"{os.environ['BENCH_BACKEND']}customers/{LOGIN}/sites/{urllib.parse.quote(SITE)}/histdata0"
TIMEOUT = float(os.environ["BENCH_TIMEOUT"])
CHANNELS = ["ch0", "ch1"]
TOKEN = token()
# What it stored: one document for each poll.
POLLS = []


def tick():
    marks = [poll["LastValueFrom"] for poll in POLLS if poll["LastValueFrom"] is not None]
    last = max(marks, default=None)
    begin = datetime.min if last is None else last + timedelta(milliseconds=100)
    rows = poll(None if last is None else begin)
    message = {
        "customer_id": LOGIN,
        "site_id": SITE,
        "Timerange": {"begin": begin.isoformat(), "end": datetime.now().isoformat()},
        "Timeseries": [{"Timestamp": at.isoformat(), "Channels": values} for at, values in rows],
    }
    if rows:
        send(message)
    POLLS.append({"LastValueFrom": max((at for at, _ in rows), default=None), "IoTHubMessage": message})


def poll(begin):
    query = {"select": CHANNELS}
    url = f"{SERIES}/youngest"
    if begin is not None:
        url = SERIES
        query |= {"from": begin.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0", "until": "*"}
    answer = requests.get(url, params={"json": json.dumps(query)}, auth=(LOGIN, LOGIN), timeout=TIMEOUT)
    if not answer.ok:
        return []
    rows = []
    for stamp, *cells in json.loads(answer.text or "[]"):
        if stamp is None:
            continue
        at = datetime.strptime(stamp.ljust(17, "0") + "000", "%Y%m%d%H%M%S%f")
        present = [(name, cell) for name, cell in zip(CHANNELS, cells) if cell not in (None, "NAN")]
        rows.append((at, {name: int(str(cell)) for name, cell in present}))
    return rows


def send(message):
    try:
        headers = {"Authorization": TOKEN}
        requests.post(URL, data=json.dumps(message).encode("ascii", "replace"), headers=headers, timeout=TIMEOUT)
    except requests.RequestException as error:
        print(f"logged: {error}", file=sys.stderr)


run(tick)

"""The shape of the old connector.py: each tick makes a client, reads one reader, sends one message, and forgets all of it.

connector.py itself speaks MQTT, as connector_shape_mqtt.py does; this one does the same work over HTTPS, the bridge's own way.
"""

import json
import os
import time

import requests

from hub import URL, headers


def tick(reader):
    with requests.Session() as session:
        answer = session.get(f"{reader}/cm", params={"cmnd": "Status 10"}, timeout=5)
        answer.raise_for_status()
        status = answer.json()["StatusSNS"]
        body = json.dumps({"Timestamp": status["Time"], "Total_in": status["SML"]["Total_in"]})
        session.post(URL, data=body, headers=headers(), timeout=30).raise_for_status()


def main():
    count = int(os.environ["BENCH_TICKS"])
    began = time.perf_counter()
    for number in range(count):
        tick(f"{os.environ['BENCH_READER']}{number % 1000}")
    print(json.dumps({"count": count, "seconds": time.perf_counter() - began}))


main()

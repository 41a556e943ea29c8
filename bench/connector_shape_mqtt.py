"""The old connector.py as it is: each tick makes a client of azure-iot-device, reads one reader, sends one message over MQTT."""

import json
import os
import time

import requests
from azure.iot.device import IoTHubDeviceClient, Message

with open(os.environ["REQUESTS_CA_BUNDLE"], encoding="ascii") as file:
    CA = file.read()


def tick(reader):
    client = IoTHubDeviceClient.create_from_connection_string(
        os.environ["BENCH_CONNECTION_STRING"], server_verification_cert=CA
    )
    try:
        client.connect()
        answer = requests.get(f"{reader}/cm", params={"cmnd": "Status 10"}, timeout=5)
        answer.raise_for_status()
        status = answer.json()["StatusSNS"]
        body = json.dumps({"Timestamp": status["Time"], "Total_in": status["SML"]["Total_in"]})
        message = Message(body, content_encoding="utf-8", content_type="application/json")
        client.send_message(message)
    finally:
        client.shutdown()


def main():
    count = int(os.environ["BENCH_TICKS"])
    began = time.perf_counter()
    for number in range(count):
        tick(f"{os.environ['BENCH_READER']}{number % 1000}")
    print(json.dumps({"count": count, "seconds": time.perf_counter() - began}))


main()

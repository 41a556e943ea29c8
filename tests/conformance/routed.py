"""A hub's route into Cosmos DB: azure-cosmos makes the container, and reads what the hub has written there. report.py says what
it reads.

    COSMOS_ENDPOINT, COSMOS_KEY    the account; the hub's route leads to database `routed`, container `readings`
"""

import base64
import os
import time

import requests
from azure.cosmos import CosmosClient, PartitionKey
from azure.iot.device.common.auth import sastoken, signing_mechanism

from control import ask
from report import CA_FILE, PARTS, PATIENCE, end, mark, run

SDK = "azure-cosmos"


def post(body, **headers):
    """Posts a message with a token that the device SDK signed."""
    host, device = PARTS["HostName"], PARTS["DeviceId"]
    key = signing_mechanism.SymmetricKeySigningMechanism(PARTS["SharedAccessKey"])
    answer = requests.post(
        f"https://{host}:{os.environ['HUB_HTTPS_PORT']}/devices/{device}/messages/events",
        params={"api-version": "2021-04-12"},
        data=body,
        headers={"Authorization": str(sastoken.RenewableSasToken(f"{host}/devices/{device}", key)), **headers},
        verify=CA_FILE,
        timeout=PATIENCE,
    )
    if answer.status_code != 204:
        raise RuntimeError(f"{answer.status_code}: {answer.text}")


def documents(container, own, count):
    """The documents with this mark, once there are so many."""
    until = time.monotonic() + PATIENCE - 2
    while time.monotonic() < until:
        found = list(container.query_items(
            "SELECT * FROM c WHERE c.Properties.mark = @mark",
            parameters=[{"name": "@mark", "value": own}], enable_cross_partition_query=True))
        if len(found) >= count:
            return found
        time.sleep(0.1)
    raise RuntimeError(f"no {count} documents; the hub says {ask('GET', '/routes')}")


def same(what, came, expected):
    if came != expected:
        raise RuntimeError(f"{what} is {came!r}, not {expected!r}")


def container():
    client = CosmosClient(os.environ["COSMOS_ENDPOINT"], os.environ["COSMOS_KEY"])
    database = client.create_database_if_not_exists("routed")
    return database.create_container_if_not_exists("readings", PartitionKey(path="/deviceMonth"))


def json_body(_record):
    items, own = container(), mark()
    post('{"Wh":1500,"site":"Zähler"}'.encode(), **{
        "iothub-contenttype": "application/json", "iothub-contentencoding": "utf-8",
        "iothub-messageid": "routed-1", "iothub-app-mark": own})
    [document] = documents(items, own, 1)
    month = time.strftime("%Y-%m", time.gmtime())
    same("the partition key", document["deviceMonth"], f"{PARTS['DeviceId']}-{month}")
    same("Body", document["Body"], {"Wh": 1500, "site": "Zähler"})
    system = document["SystemProperties"]
    same("the device", system["iothub-connection-device-id"], PARTS["DeviceId"])
    same("the type", system["iothub-content-type"], "application/json")
    same("the encoding", system["iothub-content-encoding"], "utf-8")
    same("the source", system["iothub-message-source"], "Telemetry")
    same("a read", items.read_item(document["id"], partition_key=document["deviceMonth"]), document)


def opaque_body(_record):
    """Without type and encoding, the body is base64."""
    items, own = container(), mark()
    post(b'{"Wh":1500}', **{"iothub-app-mark": own})
    [document] = documents(items, own, 1)
    same("Body", document["Body"], base64.b64encode(b'{"Wh":1500}').decode())


def by_body(_record):
    """A route by the body leaves out what does not fit, which falls back to the feed."""
    items, own = container(), mark()
    typed = {"iothub-contenttype": "application/json", "iothub-contentencoding": "utf-8", "iothub-app-mark": own}
    for watt_hours in [999, 1000]:
        post(f'{{"Wh":{watt_hours}}}'.encode(), **typed)
    [document] = documents(items, own, 1)
    same("Body", document["Body"], {"Wh": 1000})
    feed = ask("GET", "/feed?limit=1000000")["messages"]
    same("the feed", [one["body"] for one in feed if one["properties"].get("mark") == own], ['{"Wh":999}'])


def main():
    for operation, work in [
        ("reads a routed message: partition key, properties, JSON body", json_body),
        ("reads a routed message without type and encoding: base64", opaque_body),
        ("reads what a route by $body lets through", by_body),
    ]:
        run(operation, "HTTPS, HTTP", work, sdk=SDK)
    end()


main()

"""azure-iot-device over MQTT at the hub's limits, and with faults on demand. report.py says what it reads."""

import contextlib

from azure.iot.device import IoTHubDeviceClient, Message

from control import ask
from report import CA, DEVICE, end, expected, gap, mark, refused, run


@contextlib.contextmanager
def limits(**asked):
    """Limits of the hub, for a time."""
    ask("PUT", "/limits", asked)
    try:
        yield
    finally:
        ask("PUT", "/limits", {})


@contextlib.contextmanager
def client():
    """A client that is connected."""
    device = IoTHubDeviceClient.create_from_connection_string(
        DEVICE, server_verification_cert=CA, connection_retry=False)
    try:
        device.connect()
        yield device
    finally:
        device.shutdown()


def send(record, device, body=b"{}"):
    """Sends one message and records it."""
    properties = {"mark": mark()}
    message = Message(body)
    message.custom_properties.update(properties)
    device.send_message(message)
    record["sent"].append(expected(body, properties))


def never(record, device, reason):
    """Sends a message that ends the connection; the hub has to tell this reason."""
    properties = {"mark": mark()}
    record["never"].append(properties["mark"])
    message = Message(b"{}")
    message.custom_properties.update(properties)
    try:
        device.send_message(message)
    except Exception:  # pylint: disable=broad-except  # which one it is depends on who is first to see the end
        told = ask("GET", "/closed")[-1]
        if told["name"] != reason:
            raise RuntimeError(f"closed for {told}, not for {reason}") from None
        return
    raise RuntimeError("accepted")


def fails(words, work):
    """Passes when `work` raises something whose causes say these words."""
    try:
        work()
    except Exception as error:  # pylint: disable=broad-except  # the SDK wraps what it does not know
        chain, cause = [], error
        while cause is not None:
            chain.append(f"{type(cause).__name__}: {cause}")
            cause = cause.__cause__
        if not any(words in one for one in chain):
            raise RuntimeError(f"failed for {chain}, not for {words}") from error
        return
    raise RuntimeError(f"accepted; expected {words}")


def throttled(record):
    with limits(throttles={"send": "1/min"}), client() as device:
        send(record, device)
        never(record, device, "ThrottlingBacklogTimeout")


def shaped(record):
    with limits(throttles={"send": "2/s"}, burstSeconds=1, queueSeconds=10), client() as device:
        for _ in range(5):
            send(record, device)


def over_quota(record):
    used = ask("GET", "/stats")["units_today"]
    with limits(unitsPerDay=used + 1), client() as device:
        send(record, device)
        never(record, device, "IotHubQuotaExceeded")


def twin_throttled(_record):
    with limits(throttles={"twin-read": "1/min", "twin-update": "1/min"}), client() as device:
        device.get_twin()
        fails("429", device.get_twin)
        device.patch_twin_reported_properties({"limits": 1})
        fails("429", lambda: device.patch_twin_reported_properties({"limits": 2}))


def twin_over_quota(_record):
    used = ask("GET", "/stats")["units_today"]
    with limits(unitsPerDay=used), client() as device:
        fails("403", device.get_twin)


def connections_throttled(_record):
    with limits(throttles={"connect": "1/min"}):
        with client():
            pass
        refused("ConnectionFailedError", lambda: client().__enter__())


def taken_twice(record):
    """A duplicate has the mark of the message, so that the feed itself is asked."""
    with client() as device:
        ask("POST", "/faults", {"fault": "duplicate"})
        message = Message(b"{}")
        message.custom_properties["mark"] = own = mark()
        device.send_message(message)
    feed = ask("GET", "/feed?limit=1000000")["messages"]
    count = sum(one["properties"].get("mark") == own for one in feed)
    if count != 2:
        raise RuntimeError(f"arrived {count} times")


def expired_certificate(_record):
    # Once for each try that the SDK makes.
    ask("POST", "/faults", {"times": 5, "fault": "expired_certificate"})
    try:
        fails("certificate has expired", lambda: client().__enter__())
    finally:
        ask("DELETE", "/faults")


def main():
    for operation, work in [
        ("send_message above the rate ends the connection", throttled),
        ("5 send_message above the rate, shaped: they wait", shaped),
        ("send_message above the day's quota ends the connection", over_quota),
        ("get_twin, patch_twin_reported_properties above the rate: 429", twin_throttled),
        ("get_twin above the day's quota: 403", twin_over_quota),
        ("connect above the rate", connections_throttled),
        ("send_message, taken twice (fault)", taken_twice),
        ("connect to an expired certificate (fault)", expired_certificate),
    ]:
        run(operation, "MQTT", work, gap("MQTT"))
    end()


main()

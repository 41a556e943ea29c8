"""mosquitto_pub with a shared access signature as its password. report.py says what it reads."""

import os
import re
import subprocess

from azure.iot.device.common.auth import sastoken, signing_mechanism

from report import CA_FILE, PARTS, end, expected, mark, run

NAME, DEVICE = PARTS["HostName"], PARTS["DeviceId"]


def publish(topic, body, *more):
    """Runs mosquitto_pub."""
    signing = signing_mechanism.SymmetricKeySigningMechanism(PARTS["SharedAccessKey"])
    token = str(sastoken.RenewableSasToken(f"{NAME}/devices/{DEVICE}", signing))
    return subprocess.run(
        ["mosquitto_pub", "-h", NAME, "-p", os.environ["HUB_MQTT_PORT"], "--cafile", CA_FILE, "-V", "mqttv311",
         "-i", DEVICE, "-u", f"{NAME}/{DEVICE}/?api-version=2021-04-12", "-P", token, "-t", topic, "-m", body, *more],
        capture_output=True, text=True, timeout=15, check=False)


def send(record, *more):
    """Publishes telemetry and records it."""
    properties = {"mark": mark()}
    topic = f"devices/{DEVICE}/messages/events/mark={properties['mark']}&$.ct=application%2Fjson&$.ce=utf-8"
    done = publish(topic, '{"Wh":1}', *more)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    if "-r" in more:
        properties["mqtt-retain"] = "true"
    record["sent"].append(expected(b'{"Wh":1}', properties, None, "application/json", "utf-8"))


def forbidden(_record):
    done = publish("home/kitchen", "1", "-q", "1")
    if done.returncode == 0:
        raise RuntimeError("accepted")


def main():
    version = subprocess.run(["mosquitto_pub", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+\.\d+", version)
    sdk = f"mosquitto_pub {found.group(0) if found else version.strip()}"
    operations = [
        ("publish at QoS 0", lambda record: send(record, "-q", "0")),
        ("publish at QoS 1", lambda record: send(record, "-q", "1")),
        ("publish with RETAIN", lambda record: send(record, "-q", "1", "-r")),
        ("publish to a forbidden topic is refused", forbidden),
    ]
    for name, work in operations:
        run(name, "MQTT", work, sdk=sdk)
    end()


main()

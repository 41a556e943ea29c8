"""azure-iot-device at the DPS of an IoT Central application: who is assigned, and who is told why not. report.py says what it reads.

The hub was started with `--profile iot-central --approval --template dtmi:com:example:Meter;1`.
"""

import os

from azure.iot.device import ProvisioningDeviceClient
from azure.iot.device.exceptions import ClientError

from control import ask
from report import CA, end, gap, group_key, mark, run

MODEL = "dtmi:com:example:Meter;1"


def register(name, payload, websockets):
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=os.environ["DPS_HOST"], registration_id=name, id_scope=os.environ["DPS_ID_SCOPE"],
        symmetric_key=group_key(name), server_verification_cert=CA, websockets=websockets)
    client.provisioning_payload = payload
    return client.register()


def decide(name, decision):
    ask("PUT", f"/registrations/{name}/decision", {"decision": decision})


def held(name, payload, websockets, words):
    """Registers and is told that it failed; the SDK keeps the code, 400209, to itself."""
    try:
        register(name, payload, websockets)
    except ClientError as error:
        if "failed registration status" not in str(error.__cause__):
            raise
    else:
        raise RuntimeError("assigned")
    state = next(one for one in ask("GET", "/registrations") if one["registrationId"] == name)
    if (state["status"], state["errorCode"]) != ("failed", 400209) or words not in state["errorMessage"]:
        raise RuntimeError(f"{state}")


def assigned(name, payload, websockets):
    answer = register(name, payload, websockets)
    state = next(one for one in ask("GET", "/registrations") if one["registrationId"] == name)
    if (answer.status, answer.registration_state.device_id, state["modelId"]) != ("assigned", name, MODEL):
        raise RuntimeError(f"{answer.status}: {state}")


def main():
    for transport, websockets in (("MQTT", False), ("MQTT-WS", True)):
        name = f"central-{mark()}"
        model = {"modelId": MODEL}

        def row(operation, work):
            run(operation, transport, work, gap(transport))  # pylint: disable=cell-var-from-loop

        row("register at IoT Central: not approved", lambda _: held(name, model, websockets, "not approved"))
        decide(name, "approved")
        row("register at IoT Central: no template", lambda _: held(name, {"modelId": "dtmi:other;1"}, websockets, "template"))
        row("register at IoT Central: assigned", lambda _: assigned(name, {"iotcModelId": MODEL}, websockets))
        decide(name, "blocked")
        row("register at IoT Central: blocked", lambda _: held(name, model, websockets, "blocked"))
    end()


main()

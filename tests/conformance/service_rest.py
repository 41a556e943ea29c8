"""azure-iot-hub over HTTPS: every operation of its REST clients. report.py says what it reads, and besides

    HUB_OWNER    connection string of the policy iothubowner
"""

import datetime
import os
import time

# The SDK's HTTP client trusts what this names.
os.environ["REQUESTS_CA_BUNDLE"] = os.environ["HUB_CA"]

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse  # noqa: E402
from azure.iot.hub import (  # noqa: E402
    DigitalTwinClient,
    IoTHubConfigurationManager,
    IoTHubHttpRuntimeManager,
    IoTHubJobManager,
    IoTHubRegistryManager,
)
from azure.iot.hub.models import (  # noqa: E402
    CloudToDeviceMethod,
    Configuration,
    ConfigurationContent,
    ConfigurationQueriesTestInput,
    ExportImportDevice,
    JobProperties,
    JobRequest,
    QuerySpecification,
    Twin,
    TwinProperties,
)

from report import CA, DEVICE, PARTS, end, gap, mark, run  # noqa: E402

OWNER = os.environ["HUB_OWNER"]
SDK = "azure-iot-hub"
KEY_1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY_2 = "HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo="

REGISTRY = IoTHubRegistryManager.from_connection_string(OWNER)
JOBS = IoTHubJobManager.from_connection_string(OWNER)
CONFIGURATIONS = IoTHubConfigurationManager.from_connection_string(OWNER)
RUNTIME = IoTHubHttpRuntimeManager.from_connection_string(OWNER)
TWINS = DigitalTwinClient.from_connection_string(OWNER)

# The operations that the SDK offers, and those that were called.
OFFERED, CALLED = set(), {"send_c2d_message"}  # that one goes over AMQP


def watch(client):
    """Notes which of a client's operations are called."""
    def noting(name, operation):
        def call(*arguments, **named):
            CALLED.add(name)
            return operation(*arguments, **named)

        return call

    for name in dir(client):
        operation = getattr(client, name)
        if callable(operation) and not name.startswith(("_", "from_")):
            OFFERED.add(name)
            setattr(client, name, noting(name, operation))


for one_client in (REGISTRY, JOBS, CONFIGURATIONS, RUNTIME, TWINS):
    watch(one_client)


def expect(what, expected):
    """Fails unless the two are the same."""
    if what != expected:
        raise RuntimeError(f"{what}, not {expected}")


def refused(status, work):
    """Passes when the hub answers with this status; gives the error's body."""
    try:
        work()
    except Exception as error:  # pylint: disable=broad-except  # what is raised is what is checked
        answered = getattr(getattr(error, "response", None), "status_code", None)
        if answered == status:
            return error.response.json()["Message"]
        raise
    raise RuntimeError(f"accepted; expected {status}")


def device(work):
    """Runs with a device of its own."""
    name = f"py-rest-{mark()}"
    REGISTRY.create_device_with_sas(name, KEY_1, KEY_2, "enabled")
    try:
        return work(name)
    finally:
        REGISTRY.delete_device(name)


def identities(_record):
    name = f"py-rest-{mark()}"
    made = REGISTRY.create_device_with_sas(name, KEY_1, KEY_2, "disabled", status_reason="not yet", iot_edge=True)
    expect((made.device_id, made.status, made.status_reason, made.connection_state, made.capabilities.iot_edge),
           (name, "disabled", "not yet", "Disconnected", True))
    expect((made.authentication.type, made.authentication.symmetric_key.primary_key), ("sas", KEY_1))
    got = REGISTRY.get_device(name)
    expect((got.etag, got.generation_id), (made.etag, made.generation_id))
    updated = REGISTRY.update_device_with_sas(name, made.etag, KEY_2, KEY_1, "enabled")
    expect((updated.status, updated.authentication.symmetric_key.primary_key), ("enabled", KEY_2))
    expect((updated.generation_id == made.generation_id, updated.etag == made.etag), (True, False))
    REGISTRY.delete_device(name, updated.etag)
    refused(404, lambda: REGISTRY.get_device(name))


def keys_are_made(_record):
    name = f"py-rest-{mark()}"
    keys = REGISTRY.create_device_with_sas(name, None, None, "enabled").authentication.symmetric_key
    REGISTRY.delete_device(name)
    if not keys.primary_key or keys.primary_key == keys.secondary_key:
        raise RuntimeError("no keys were made")


def exists(_record):
    message = device(lambda name: refused(409, lambda: REGISTRY.create_device_with_sas(name, KEY_1, KEY_2, "enabled")))
    expect(message.split(";")[0], "ErrorCode:DeviceAlreadyExists")


def late(_record):
    def work(name):
        refused(412, lambda: REGISTRY.update_device_with_sas(name, "b2xk", KEY_1, KEY_2, "enabled"))
        refused(412, lambda: REGISTRY.delete_device(name, "b2xk"))

    device(work)


def unknown(_record):
    message = refused(404, lambda: REGISTRY.get_device("nobody"))
    expect(message.split(";")[0], "ErrorCode:DeviceNotFound")


def listed(_record):
    def work(name):
        names = [one.device_id for one in REGISTRY.get_devices(1000)]
        expect((name in names, len(REGISTRY.get_devices(1))), (True, 1))

    device(work)


def bulk(_record):
    names = [f"py-bulk-{mark()}" for _ in range(3)]
    made = REGISTRY.bulk_create_or_update_devices(
        [ExportImportDevice(id=name, import_mode="create", status="enabled", tags={"bulk": True}) for name in names])
    expect((made.is_successful, made.errors), (True, []))
    expect(REGISTRY.get_twin(names[2]).tags, {"bulk": True})
    again = REGISTRY.bulk_create_or_update_devices([ExportImportDevice(id=names[0], import_mode="create")])
    expect((again.is_successful, again.errors[0].device_id, again.errors[0].error_code),
           (False, names[0], "DeviceAlreadyExists"))
    gone = REGISTRY.bulk_create_or_update_devices([ExportImportDevice(id=name, import_mode="delete") for name in names])
    expect(gone.is_successful, True)
    refused(404, lambda: REGISTRY.get_device(names[1]))


def modules(_record):
    def work(name):
        made = REGISTRY.create_module_with_sas(name, "m1", "iotEdge", KEY_1, KEY_2)
        expect((made.device_id, made.module_id, made.managed_by), (name, "m1", "iotEdge"))
        REGISTRY.create_module_with_sas(name, "m2", None, None, None)
        expect([one.module_id for one in REGISTRY.get_modules(name)], ["m1", "m2"])
        updated = REGISTRY.update_module_with_sas(name, "m1", "other", made.etag, KEY_2, KEY_1)
        expect((updated.managed_by, updated.authentication.symmetric_key.primary_key), ("other", KEY_2))
        expect(REGISTRY.get_module(name, "m1").etag, updated.etag)
        refused(409, lambda: REGISTRY.create_module_with_sas(name, "m1", None, KEY_1, KEY_2))
        refused(412, lambda: REGISTRY.delete_module(name, "m1", made.etag))
        REGISTRY.delete_module(name, "m1")
        refused(404, lambda: REGISTRY.get_module(name, "m1"))

    device(work)


def statistics(_record):
    before = REGISTRY.get_device_registry_statistics()

    def work(_name):
        after = REGISTRY.get_device_registry_statistics()
        expect(after.total_device_count, before.total_device_count + 1)
        expect(after.enabled_device_count + after.disabled_device_count, after.total_device_count)

    device(work)


def connected(work):
    """Runs with the device of HUB_DEVICE connected over MQTT."""
    client = IoTHubDeviceClient.create_from_connection_string(
        DEVICE, server_verification_cert=CA, connection_retry=False)
    client.connect()
    try:
        return work(client)
    finally:
        client.shutdown()


def presence(_record):
    name = PARTS["DeviceId"]

    def work(_client):
        expect(REGISTRY.get_device(name).connection_state, "Connected")
        if REGISTRY.get_service_statistics().connected_device_count < 1:
            raise RuntimeError("no device is connected")
        if REGISTRY.get_twin(name).last_activity_time.year < 2000:
            raise RuntimeError("the device was never active")

    connected(work)
    until = time.monotonic() + 10
    while REGISTRY.get_device(name).connection_state != "Disconnected":
        if time.monotonic() > until:
            raise RuntimeError("still connected")
        time.sleep(0.05)


def twin_changes(get, update, replace):
    first = get()
    expect((first.version, first.etag), (1, "AAAAAAAAAAE="))
    patch = Twin(tags={"site": "a1", "floor": 2}, properties=TwinProperties(desired={"interval": 60, "keep": True}))
    second = update(patch, first.etag)
    expect((second.tags, second.properties.desired["interval"], second.properties.desired["$version"]),
           ({"site": "a1", "floor": 2}, 60, 2))
    refused(412, lambda: update(patch, first.etag))
    third = update(Twin(tags={"floor": None}, properties=TwinProperties(desired={"interval": 30})), None)
    expect((third.tags, third.properties.desired["interval"], third.properties.desired["keep"]), ({"site": "a1"}, 30, True))
    if "$lastUpdated" not in third.properties.desired["$metadata"]["interval"]:
        raise RuntimeError("no metadata")
    fourth = replace(Twin(tags={"new": 1}, properties=TwinProperties(desired={"only": 1})), third.etag)
    expect((fourth.tags, "interval" in fourth.properties.desired), ({"new": 1}, False))
    # A whole twin, as it was got, is taken back.
    replace(get(), None)
    expect(get().tags, {"new": 1})
    refused(400, lambda: update(Twin(properties=TwinProperties(desired={"a b": 1})), None))
    expect(get().tags, {"new": 1})


def device_twin(_record):
    device(lambda name: twin_changes(
        lambda: REGISTRY.get_twin(name),
        lambda twin, etag: REGISTRY.update_twin(name, twin, etag),
        lambda twin, etag: REGISTRY.replace_twin(name, twin, etag)))


def module_twin(_record):
    def work(name):
        REGISTRY.create_module_with_sas(name, "m", None, KEY_1, KEY_2)
        twin_changes(
            lambda: REGISTRY.get_module_twin(name, "m"),
            lambda twin, etag: REGISTRY.update_module_twin(name, "m", twin, etag),
            lambda twin, etag: REGISTRY.replace_module_twin(name, "m", twin, etag))

    device(work)


def reported_is_seen(_record):
    def work(client):
        value = mark()
        client.patch_twin_reported_properties({"seen": value})
        expect(REGISTRY.get_twin(PARTS["DeviceId"]).properties.reported["seen"], value)
        found = query(f"SELECT * FROM devices WHERE properties.reported.seen = '{value}'")
        expect([one.device_id for one in found.items], [PARTS["DeviceId"]])

    connected(work)


def method(_record):
    def work(client):
        def answer(request):
            client.send_method_response(
                MethodResponse.create_from_method_request(request, 207, {"echo": request.payload, "name": request.name}))

        client.on_method_request_received = answer
        call = CloudToDeviceMethod(method_name="reboot", payload={"in": ["Zähler"]}, connect_timeout_in_seconds=5)
        answered = REGISTRY.invoke_device_method(PARTS["DeviceId"], call)
        expect((answered.status, answered.payload), (207, {"echo": {"in": ["Zähler"]}, "name": "reboot"}))

    connected(work)


def method_not_online(_record):
    call = CloudToDeviceMethod(method_name="reboot", response_timeout_in_seconds=5)
    message = device(lambda name: refused(404, lambda: REGISTRY.invoke_device_method(name, call)))
    if '"errorCode":404103' not in message:
        raise RuntimeError(message)


def method_late(_record):
    def work(client):
        client.on_method_request_received = lambda request: None
        call = CloudToDeviceMethod(method_name="sleep", response_timeout_in_seconds=5, connect_timeout_in_seconds=5)
        message = refused(504, lambda: REGISTRY.invoke_device_method(PARTS["DeviceId"], call))
        if '"errorCode":504101' not in message:
            raise RuntimeError(message)

    connected(work)


def module_method(_record):
    def work(name):
        made = REGISTRY.create_module_with_sas(name, "m", None, KEY_1, KEY_2)
        key = made.authentication.symmetric_key.primary_key
        text = f"HostName={PARTS['HostName']};DeviceId={name};ModuleId=m;SharedAccessKey={key}"
        client = IoTHubModuleClient.create_from_connection_string(
            text, server_verification_cert=CA, connection_retry=False)
        try:
            def answer(request):
                client.send_method_response(
                    MethodResponse.create_from_method_request(request, 207, {"echo": request.payload}))

            client.connect()
            client.on_method_request_received = answer
            expect(REGISTRY.get_module(name, "m").connection_state, "Connected")
            call = CloudToDeviceMethod(method_name="reboot", payload={"in": ["Zähler"]}, connect_timeout_in_seconds=5)
            answered = REGISTRY.invoke_device_module_method(name, "m", call)
            expect((answered.status, answered.payload), (207, {"echo": {"in": ["Zähler"]}}))
        finally:
            client.shutdown()

    device(work)


def module_method_not_online(_record):
    def work(name):
        REGISTRY.create_module_with_sas(name, "m", None, KEY_1, KEY_2)
        call = CloudToDeviceMethod(method_name="reboot", response_timeout_in_seconds=5)
        message = refused(404, lambda: REGISTRY.invoke_device_module_method(name, "m", call))
        if '"errorCode":404103' not in message:
            raise RuntimeError(message)

    device(work)


def query(text, token=None, size=None):
    return REGISTRY.query_iot_hub(QuerySpecification(query=text), token, size)


def queries(_record):
    run_of = mark()
    names = [f"py-query-{run_of}-{number}" for number in range(5)]
    REGISTRY.bulk_create_or_update_devices([
        ExportImportDevice(id=name, import_mode="create", tags={"run": run_of, "number": number})
        for number, name in enumerate(names)])
    try:
        for where, numbers in [
            (f"tags.run = '{run_of}'", [0, 1, 2, 3, 4]),
            (f"STARTSWITH(deviceId, 'py-query-{run_of}') AND tags.number >= 3", [3, 4]),
            (f"tags.run = '{run_of}' AND (tags.number IN [0, 2] OR NOT tags.number < 4)", [0, 2, 4]),
            (f"tags.run = '{run_of}' AND IS_DEFINED(tags.none)", []),
            (f"tags.run = '{run_of}' AND status = 'enabled' AND connectionState = 'Disconnected'", [0, 1, 2, 3, 4]),
        ]:
            found = query(f"SELECT * FROM devices WHERE {where}")
            expect((where, found.type), (where, "Twin"))
            expect((where, [one.tags["number"] for one in found.items]), (where, numbers))
        pages, token = [], None
        while True:
            page = query(f"SELECT * FROM devices WHERE tags.run = '{run_of}'", token, 2)
            pages.append([one.device_id for one in page.items])
            token = page.continuation_token
            if token is None:
                break
        expect(pages, [names[:2], names[2:4], names[4:]])
        counted = query(f"SELECT tags.run AS deviceId, COUNT() AS version FROM devices WHERE tags.run = '{run_of}' "
                        "GROUP BY tags.run")
        # This SDK shows rows as twins, so that columns need names of a twin's members.
        expect((counted.type, [(one.device_id, one.version) for one in counted.items]), ("Raw", [(run_of, 5)]))
    finally:
        REGISTRY.bulk_create_or_update_devices([ExportImportDevice(id=name, import_mode="delete") for name in names])


def query_of_modules(_record):
    def work(name):
        REGISTRY.create_module_with_sas(name, "m", None, KEY_1, KEY_2)
        found = query(f"SELECT * FROM devices.modules WHERE deviceId = '{name}'")
        expect([(one.device_id, one.module_id) for one in found.items], [(name, "m")])

    device(work)


def query_refused(_record):
    message = refused(400, lambda: query("SELECT * FROM devices WHERE deviceId LIKE 'x'"))
    if "Line 1:38" not in message:
        raise RuntimeError(message)


def ended(job):
    """The job, once it has ended."""
    for _ in range(200):
        found = JOBS.get_scheduled_job(job)
        if found.end_time is not None:
            return found
        time.sleep(0.05)
    raise RuntimeError("the job does not end")


def twin_job(_record):
    def work(name):
        job = f"py-job-{mark()}"
        request = JobRequest(
            job_id=job, type="scheduleUpdateTwin", query_condition=f"deviceId = '{name}'",
            update_twin=Twin(etag="*", tags={"by": job}), max_execution_time_in_seconds=30,
            start_time=datetime.datetime.now(datetime.timezone.utc))
        expect(JOBS.create_scheduled_job(job, request).type, "scheduleUpdateTwin")
        done = ended(job)
        expect((done.status, done.device_job_statistics.succeeded_count), ("completed", 1))
        expect(REGISTRY.get_twin(name).tags, {"by": job})

    device(work)


def method_job(_record):
    def work(client):
        def answer(request):
            client.send_method_response(MethodResponse.create_from_method_request(request, 200, request.payload))

        client.on_method_request_received = answer
        # The subscription is there once this is answered.
        client.get_twin()
        job = f"py-job-{mark()}"
        call = CloudToDeviceMethod(method_name="reboot", payload="now", response_timeout_in_seconds=10)
        where = f"deviceId IN ['{PARTS['DeviceId']}', 'nobody']"
        JOBS.create_scheduled_job(job, JobRequest(
            job_id=job, type="scheduleDeviceMethod", query_condition=where, cloud_to_device_method=call))
        expect(ended(job).device_job_statistics.succeeded_count, 1)

    connected(work)


def cancelled_job(_record):
    job = f"py-job-{mark()}"
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    request = JobRequest(job_id=job, type="scheduleUpdateTwin", query_condition="deviceId = 'nobody'",
                         update_twin=Twin(tags={}), start_time=later)
    expect(JOBS.create_scheduled_job(job, request).status, "queued")
    refused(409, lambda: JOBS.create_scheduled_job(job, request))
    JOBS.cancel_scheduled_job(job)
    expect(JOBS.get_scheduled_job(job).status, "cancelled")
    refused(404, lambda: JOBS.get_scheduled_job("no-such-job"))


def listed_jobs(_record):
    JOBS.query_scheduled_jobs("scheduleUpdateTwin", "completed")


def purged(_record):
    def work(name):
        # The SDK has this call among its own, and no method of its clients makes it.
        purged = REGISTRY.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(name)
        expect((purged.device_id, purged.total_messages_purged), (name, 0))

    device(work)


def wrong_key(_record):
    parts = OWNER.rsplit("SharedAccessKey=", 1)[0] + f"SharedAccessKey={KEY_1}"
    other = IoTHubRegistryManager.from_connection_string(parts)
    message = refused(401, lambda: other.get_device(PARTS["DeviceId"]))
    expect(message.split(";")[0], "ErrorCode:IotHubUnauthorizedAccess")


def certificates(_record):
    name, prints = f"py-x509-{mark()}", ("A" * 40, "B" * 64)

    def shown(identity):
        found = identity.authentication
        return found.type, found.x509_thumbprint.primary_thumbprint, found.x509_thumbprint.secondary_thumbprint

    authority = ("certificateAuthority", None, None)
    expect(shown(REGISTRY.create_device_with_x509(name, *prints, "enabled")), ("selfSigned", *prints))
    try:
        expect(REGISTRY.get_twin(name).authentication_type, "selfSigned")
        expect(shown(REGISTRY.update_device_with_certificate_authority(name, "*", "enabled")), authority)
        expect(shown(REGISTRY.update_device_with_x509(name, "*", *prints, "enabled")), ("selfSigned", *prints))
        refused(400, lambda: REGISTRY.update_device_with_x509(name, "*", "no thumbprint", "B" * 40, "enabled"))
        expect(shown(REGISTRY.create_module_with_x509(name, "m", None, *prints)), ("selfSigned", *prints))
        expect(shown(REGISTRY.update_module_with_certificate_authority(name, "m", None, "*")), authority)
        expect(shown(REGISTRY.update_module_with_x509(name, "m", None, "*", *prints)), ("selfSigned", *prints))
        expect(shown(REGISTRY.create_module_with_certificate_authority(name, "n", None)), authority)
    finally:
        REGISTRY.delete_device(name)
    other = f"{name}-2"
    expect(shown(REGISTRY.create_device_with_certificate_authority(other, "enabled")), authority)
    REGISTRY.delete_device(other)


def declined():
    """What is not offered here: operation, call, reason."""
    fleets = "deployments to fleets and to IoT Edge are not emulated"
    one = Configuration(id="c", schema_version="1.0", target_condition="*", priority=1,
                        content=ConfigurationContent(device_content={}))
    yield "get_configuration", lambda: CONFIGURATIONS.get_configuration("c"), fleets
    yield "create_configuration", lambda: CONFIGURATIONS.create_configuration(one), fleets
    yield "update_configuration", lambda: CONFIGURATIONS.update_configuration(one, "*"), fleets
    yield "delete_configuration", lambda: CONFIGURATIONS.delete_configuration("c"), fleets
    yield "get_configurations", lambda: CONFIGURATIONS.get_configurations(10), fleets
    condition = ConfigurationQueriesTestInput(target_condition="*")
    yield "test_configuration_queries", lambda: CONFIGURATIONS.test_configuration_queries(condition), fleets
    yield ("apply_configuration_on_edge_device",
           lambda: CONFIGURATIONS.apply_configuration_on_edge_device("e", ConfigurationContent()), fleets)

    storage = "there is no storage account to import from and to export to"
    yield "create_import_export_job", lambda: JOBS.create_import_export_job(JobProperties(type="export")), storage
    yield "get_import_export_jobs", JOBS.get_import_export_jobs, storage
    yield "get_import_export_job", lambda: JOBS.get_import_export_job("j"), storage
    yield "cancel_import_export_job", lambda: JOBS.cancel_import_export_job("j"), storage

    feedback = "feedback comes over AMQP, as all other clients ask for it"
    yield "receive_feedback_notification", RUNTIME.receive_feedback_notification, feedback
    yield "complete_feedback_notification", lambda: RUNTIME.complete_feedback_notification("lock"), feedback
    yield "abandon_feedback_notification", lambda: RUNTIME.abandon_feedback_notification("lock"), feedback

    models = "models are not resolved; the twin and direct methods hold the same"
    patch = [{"op": "add", "path": "/a", "value": 1}]
    yield "get_digital_twin", lambda: TWINS.get_digital_twin("d"), models
    yield "update_digital_twin", lambda: TWINS.update_digital_twin("d", patch), models
    yield "invoke_command", lambda: TWINS.invoke_command("d", "reboot", "{}"), models
    yield "invoke_component_command", lambda: TWINS.invoke_component_command("d", "c", "reboot", "{}"), models


def all_tried(_record):
    left = sorted(OFFERED - CALLED)
    if left:
        raise RuntimeError(f"the SDK offers {', '.join(left)}, too")


def main():
    operations = [
        ("create_device_with_sas, get_device, update_device_with_sas, delete_device", identities),
        ("create_device_with_sas, keys are made", keys_are_made),
        ("create_device_with_sas of a known device is refused", exists),
        ("update_device_with_sas, delete_device with an old etag are refused", late),
        ("get_device of an unknown device is refused", unknown),
        ("create, update_device_with_x509, _with_certificate_authority, and modules", certificates),
        ("get_devices", listed),
        ("bulk_create_or_update_devices", bulk),
        ("create, get, update, delete_module_with_sas, get_modules", modules),
        ("get_device_registry_statistics", statistics),
        ("get_service_statistics, connection state", presence),
        ("get_twin, update_twin, replace_twin", device_twin),
        ("get_module_twin, update_module_twin, replace_module_twin", module_twin),
        ("get_twin, query_iot_hub: what a device reported", reported_is_seen),
        ("invoke_device_method", method),
        ("invoke_device_method, device not online: 404103", method_not_online),
        ("invoke_device_method, no answer in time: 504101", method_late),
        ("invoke_device_module_method", module_method),
        ("invoke_device_module_method, module not online: 404103", module_method_not_online),
        ("query_iot_hub: conditions, pages, groups", queries),
        ("query_iot_hub of modules", query_of_modules),
        ("query_iot_hub, what is not understood is refused", query_refused),
        ("purge_cloud_to_device_message_queue", purged),
        ("create_scheduled_job, get_scheduled_job of a twin update", twin_job),
        ("create_scheduled_job of a direct method", method_job),
        ("cancel_scheduled_job", cancelled_job),
        ("a wrong key is refused", wrong_key),
    ]
    # Some have the device connected besides, over MQTT.
    unreachable = gap("HTTPS") or gap("MQTT")
    for text, work in operations:
        run(text, "HTTPS", work, unreachable, SDK)
    run("query_scheduled_jobs", "HTTPS", listed_jobs,
        unreachable or "the SDK reads an object where all others read a list of jobs", SDK)
    for text, call, reason in declined():
        run(text, "HTTPS", lambda _record, call=call: refused(501, call), unreachable, SDK, reason)
    run("every operation of the SDK's REST clients was called", "HTTPS", all_tried, None, SDK)
    end()


main()

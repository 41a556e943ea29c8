"""Microsoft's own samples and end-to-end tests, unmodified, from checkouts of its repositories. samples/table.toml lists them
with the way each is judged, or the reason why it is not run. report.py says what this prints and most of what it reads;

    samples.py DIR WORK      the checkouts' parent, and where copies and what samples write may lie
    HUB_OWNER, DPS_SERVICE   connection strings of the services
    SAMPLES_NODE, NODE_PATH  the command line of Node, as JSON, and where it finds the SDKs
    SAMPLES_ONLY             if set, run those alone whose path holds this text

`"not_run"` in a line says why a sample is not run. How far it is goes to standard error.
"""

import concurrent.futures
import glob
import itertools
import json
import os
import re
import secrets
import shutil
import string
import subprocess
import sys
import threading
import time
import urllib.parse

import tomllib

from azure.iot.device.common.auth import sastoken, signing_mechanism

from control import ask
from report import CA_FILE, PARTS, gap, group_key
from running import Running, tail

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = os.path.join(HERE, "samples")
CHECKOUTS, WORK = (os.path.abspath(path) for path in sys.argv[1:3])
NODE = json.loads(os.environ["SAMPLES_NODE"])

# How long a step, and the end, may take, seconds.
PATIENCE = 40

# How long a file of end-to-end tests may take, seconds.
TESTS_PATIENCE = 600

# What a sample prints where something went wrong; most exit with 0 all the same.
WRONG = re.compile(r"\berror\b|traceback|could not|\bfailed\b|unexpected|exception", re.IGNORECASE)

# What the hub answers where it does not offer something.
DECLINED = "not offered by this emulator"

# Each sample has a device of its own.
NUMBERS = itertools.count(1)
RUN = f"sample-{secrets.token_hex(3)}"
LOCK = threading.Lock()


class Sample:
    """One file of Microsoft's, and the device that it runs as."""

    def __init__(self, entry, path):
        self.entry, self.path = entry, path
        self.patience = entry.get("patience", PATIENCE)
        with LOCK:
            self.device = f"{RUN}-{next(NUMBERS)}"
        self.place = os.path.join(WORK, self.device)
        os.makedirs(self.place)
        self.values = None
        self.seen = 0
        self.seen_beside = 0

    def register(self):
        """Makes the device, and with it what the table's placeholders stand for."""
        key = group_key(self.device)
        ask("PUT", f"/devices/{self.device}", {"primary_key": key})
        host = PARTS["HostName"]
        token = sastoken.RenewableSasToken(
            f"{host}/devices/{self.device}", signing_mechanism.SymmetricKeySigningMechanism(key))
        file = os.path.join(self.place, "file.txt")
        with open(file, "w", encoding="ascii") as out:
            out.write("some text\n" * 1000)
        self.values = {
            "DEVICE": f"HostName={host};DeviceId={self.device};SharedAccessKey={key}",
            "ID": self.device, "KEY": key, "MEMBER": key, "SAS": str(token), "OWNER": os.environ["HUB_OWNER"],
            "DPS": os.environ["DPS_SERVICE"], "SCOPE": os.environ["DPS_ID_SCOPE"], "GROUP": os.environ["DPS_GROUP_KEY"],
            "HOST": host, "CA": CA_FILE, "FILE": file,
        }

    def filled(self, text):
        return string.Template(text).safe_substitute(self.values)

    def environment(self):
        """What every sample gets, and what the table says besides."""
        hub = {
            "IOTHUB_DEVICE_CONNECTION_STRING": "${DEVICE}", "IOTHUB_CONNECTION_STRING": "${OWNER}",
            "IOTHUB_DEVICE_ID": "${ID}", "IOT_PROVISIONING_SERVICE_CONNECTION_STRING": "${DPS}",
            "PROVISIONING_SERVICE_CONNECTION_STRING": "${DPS}", "PROVISIONING_HOST": "${HOST}",
            "PROVISIONING_DEVICE_ENDPOINT": "${HOST}", "PROVISIONING_IDSCOPE": "${SCOPE}",
            "PROVISIONING_DEVICE_IDSCOPE": "${SCOPE}", "PROVISIONING_REGISTRATION_ID": "${ID}",
            "PROVISIONING_SYMMETRIC_KEY": "${MEMBER}", "IOTHUB_DEVICE_DPS_ENDPOINT": "${HOST}",
            "IOTHUB_DEVICE_DPS_ID_SCOPE": "${SCOPE}", "IOTHUB_DEVICE_DPS_DEVICE_ID": "${ID}",
            "IOTHUB_DEVICE_DPS_DEVICE_KEY": "${MEMBER}",
            # Tests read them, and use them for devices of an authority alone.
            "IOTHUB_CA_ROOT_CERT": "", "IOTHUB_CA_ROOT_CERT_KEY": "",
            # Who reads them is not run.
            "EVENTHUB_CONNECTION_STRING": "",
            "SSL_CERT_FILE": "${CA}", "REQUESTS_CA_BUNDLE": "${CA}", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }
        own = {name: self.filled(text) for name, text in {**hub, **self.entry.get("env", {})}.items()}
        paths = [OWN]
        if self.entry.get("kind") == "pytest":
            paths.append(os.path.join(CHECKOUTS, self.path.split("/tests/")[0], "tests/e2e"))
        return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(paths)}

    def source(self):
        """The file to run: Microsoft's, or a copy beside copies of its neighbours."""
        file = os.path.join(CHECKOUTS, self.path)
        replace = self.entry.get("replace", {})
        if not replace and not self.entry.get("copy"):
            return file
        copy = os.path.join(self.place, "copy")
        shutil.copytree(os.path.dirname(file), copy)
        file = os.path.join(copy, os.path.basename(file))
        with open(file, encoding="utf-8") as source:
            text = source.read()
        for old, new in replace.items():
            if old not in text:
                raise RuntimeError(f"has no {old!r} to replace")
            text = text.replace(old, self.filled(new))
        with open(file, "w", encoding="utf-8") as source:
            source.write(text)
        return file

    def command(self, file):
        if file.endswith(".py"):
            return [sys.executable, file]
        typed = ["--require", os.path.join(OWN, "typescript.js")] if file.endswith(".ts") else []
        return [*NODE, *typed, file]

    def run(self):
        """Runs the sample through its steps; what is wrong is raised."""
        beside = None
        if "beside" in self.entry:
            other = self.command(os.path.join(CHECKOUTS, self.entry["beside"]))
            beside = Running(other, self.environment(), self.place)
        sample = None
        try:
            if beside:
                beside.until(self.entry["ready"], 0, self.patience)
            args = [self.filled(arg) for arg in self.entry.get("args", [])]
            sample = Running([*self.command(self.source()), *args], self.environment(), self.place)
            if "declined" in self.entry:
                sample.until(DECLINED, 0, self.patience)
                return
            for step in self.entry["steps"]:
                try:
                    self.step(step, sample, beside)
                except RuntimeError as error:
                    raise RuntimeError(f"{error}; it has printed {tail(sample.output)}") from error
            self.ended(sample)
        finally:
            for running in (sample, beside):
                if running:
                    running.end()

    def step(self, step, sample, beside):
        own = f"/devices/{urllib.parse.quote(self.device, safe='')}/"
        if "prints" in step:
            self.seen = sample.until(self.filled(step["prints"]), self.seen, self.patience)
        elif "beside" in step:
            self.seen_beside = beside.until(step["beside"], self.seen_beside, self.patience)
        elif "types" in step:
            sample.types(step["types"])
        elif "message" in step:
            ask("POST", own + "messages", {"body": step["message"]})
        elif "method" in step:
            call = {"methodName": step["method"], "payload": step.get("payload"),
                    "connectTimeoutInSeconds": 10, "responseTimeoutInSeconds": 15}
            answer = ask("POST", own + "methods", call)
            if answer["status"] != step.get("status", 200) or step.get("answer", "") not in json.dumps(answer):
                raise RuntimeError(f"answered {step['method']} with {answer}")
        elif "desired" in step:
            ask("PATCH", own + "twin", {"desired": nulls(step["desired"])})
        elif "reported" in step:
            self.hub(f"reported {step['reported']}", lambda: all(
                member(ask("GET", own + "twin")["properties"]["reported"], name) for name in step["reported"]))
        elif "arrives" in step:
            self.hub(f"{step['arrives']} messages", lambda: len(self.arrived(step)) >= step["arrives"])
        elif "waits" in step:
            self.hub(f"{step['waits']} waiting", lambda: len(ask("GET", own + "messages")["waiting"]) >= step["waits"])
        elif "files" in step:
            self.hub(f"{step['files']} files", lambda: sum(
                bool((file.get("told") or {}).get("isSuccess")) for file in ask("GET", own + "files")) >= step["files"])

    def arrived(self, step):
        feed = ask("GET", "/feed?limit=1000000")["messages"]
        return [one for one in feed if f"{one['device']}-".startswith(f"{self.device}-")
                and step.get("body", "") in one.get("body", "")
                and one["system"].get("dt-dataschema", "") == step.get("model", one["system"].get("dt-dataschema", ""))]

    def hub(self, what, has):
        """Waits until the hub has something."""
        deadline = time.monotonic() + self.patience
        while not has():
            if time.monotonic() >= deadline:
                raise RuntimeError(f"the hub does not have {what}")
            time.sleep(0.2)

    def ended(self, sample):
        if self.entry.get("ends") != "kill":
            try:
                status = sample.process.wait(self.patience)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"does not end; it printed {tail(sample.output)}") from None
            if status != self.entry.get("status", 0):
                raise RuntimeError(f"ended with {status}; it printed {tail(sample.output)}")
        allow = re.compile(self.entry.get("allow", "^$"))
        for line in sample.output.splitlines():
            if WRONG.search(line) and not allow.search(line):
                raise RuntimeError(f"printed {tail(line)}")

    def tests(self):
        """Runs a file of end-to-end tests; gives what they were, with the titles left out by reason."""
        file = os.path.join(CHECKOUTS, self.path)
        leaves = self.entry.get("leaves", [])
        if self.entry["kind"] == "pytest":
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:testdox", file]
            ended = self.ran(command)
            said = (ended.stdout.strip().splitlines() or [""])[-1]
            if ended.returncode:
                raise RuntimeError(f"{said}: {'; '.join(re.findall(r'^FAILED (.*)', ended.stdout, re.M))[:400]}")
            return said, []
        titles = [leave["titles"] for leave in leaves]
        left = []
        for at, leave in enumerate(leaves):
            # What an earlier reason leaves out is not counted again.
            only = f"^(?!.*(?:{'|'.join(titles[:at]) or '$.'})).*(?:{titles[at]})"
            left.append((leave["why"], self.mocha(file, "--dry-run", "--grep", only)["stats"]["tests"]))
        without = ["--grep", "|".join(titles), "--invert"] if leaves else []
        told = self.mocha(file, *without)
        stats = told["stats"]
        said = f"{stats['passes']} pass, {stats['pending']} skipped by Microsoft" if stats["tests"] else None
        why = [f"{one['fullTitle']}: {one['err'].get('message', '')}"[:200] for one in told["failures"]]
        if "declined" in self.entry:
            why = [one for one in why if DECLINED not in one]
            said = f"{len(told['failures'])} tests"
        if why or not (stats["tests"] or left):
            raise RuntimeError(f"{said}, {len(why)} fail: {'; '.join(why)[:600]}")
        return said, left

    def mocha(self, file, *args):
        typed = ["--require", os.path.join(OWN, "typescript.js")] if file.endswith(".ts") else []
        report = os.path.join(self.place, "report.json")
        mocha = shutil.which("_mocha", path=os.pathsep.join(
            os.path.join(modules, ".bin") for modules in os.environ["NODE_PATH"].split(os.pathsep)))
        options = ["--no-config", "--exit", "--retries", str(self.entry.get("retries", 0)),
                   "--reporter", "json", "--reporter-option", f"output={report}"]
        ended = self.ran([*NODE, mocha, *typed, *options, *args, file])
        try:
            with open(report, encoding="utf-8") as told:
                return json.load(told)
        except FileNotFoundError:
            raise RuntimeError(f"mocha made no report: {tail(ended.stdout + ended.stderr)}") from None
        finally:
            if os.path.exists(report):
                os.remove(report)

    def ran(self, command):
        return subprocess.run(
            command, env=self.environment(), cwd=self.place, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=TESTS_PATIENCE, check=False)


def nulls(document):
    """TOML has no null; the text stands for it."""
    if isinstance(document, dict):
        return {name: nulls(value) for name, value in document.items()}
    return None if document == "null" else document


def member(document, path):
    """Whether a document has what a path of names leads to."""
    for name in path.split("."):
        if name not in document:
            return False
        document = document[name]
    return True


def report(path, over, operation, took=0.0, **more):
    """Prints one operation, in the terms of report.py."""
    repository = path.split("/")[0]
    line = {
        "operation": operation, "sdk": f"{repository} {VERSIONS.get(repository, '')}".strip(), "transport": over,
        "took_ms": round(took * 1000), "error": None, "gap": None, "declined": None, "not_run": None, "sent": [], "never": [],
        **more,
    }
    with LOCK:
        print(json.dumps(line), flush=True)


def unreachable(entry, path):
    """Why an SDK cannot reach the hub: Node can anywhere, through port.js."""
    if not path.endswith(".py"):
        return None
    over = entry["over"].replace("DPS", "MQTT").split(", ")
    return next((why for why in (gap(one) for one in over) if why), None)


def attempt(entry, path):
    name = path.split("/", 1)[1]
    print(f"… {name}", file=sys.stderr, flush=True)
    over, began = entry["over"], time.monotonic()
    told = {"gap": entry.get("gap") or unreachable(entry, path), "declined": entry.get("declined")}
    what = f"sample {name}"
    left = []
    try:
        sample = Sample(entry, path)
        sample.register()
        if "kind" in entry:
            said, left = sample.tests()
            what = f"tests {name}: {said}" if said else None
        else:
            sample.run()
            if "replace" in entry:
                what += f", in a copy: {entry['because']}"
        # Jobs of other samples concern every device.
        ask("DELETE", f"/devices/{sample.device}")
    except Exception as error:  # pylint: disable=broad-except  # whatever went wrong is the outcome
        told["error"] = f"{type(error).__name__}: {error}"
    if what:
        report(path, over, what, time.monotonic() - began, **told)
    for why, count in left:
        if count:
            report(path, over, f"{count} tests of {name}", not_run=why)


def version(repository):
    """The checkout's commit."""
    git = ["git", "-C", os.path.join(CHECKOUTS, repository), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()


def below(pattern):
    """Files of the checkouts, as the table names them."""
    found = glob.glob(os.path.join(CHECKOUTS, pattern), recursive=True)
    return sorted(os.path.relpath(file, CHECKOUTS) for file in found if "node_modules" not in file)


with open(os.path.join(OWN, "table.toml"), "rb") as file:
    TABLE = tomllib.load(file)
REPOSITORIES = {one["name"]: one for one in TABLE["repository"]}
PRESENT = [name for name in REPOSITORIES if os.path.isdir(os.path.join(CHECKOUTS, name))]
VERSIONS = {name: version(name) for name in PRESENT}


def main():
    for name in REPOSITORIES:
        if name not in PRESENT:
            report(name, "", "samples and tests", not_run=f"{CHECKOUTS} has no clone of https://github.com/Azure/{name}")
    listed = set()
    together, alone, left = [], [], []
    for entry in TABLE["sample"]:
        for pattern in entry["paths"]:
            repository = pattern.split("/")[0]
            if repository not in PRESENT:
                continue
            entry.setdefault("over", REPOSITORIES[repository]["over"])
            files = below(pattern)
            if "why" in entry:
                left.extend((file, entry) for file in files)
            elif not files:
                report(pattern, entry["over"], f"sample {pattern}", not_run="not in this checkout")
            elif entry.get("beside", repository).split("/")[0] not in PRESENT:
                report(pattern, entry["over"], f"sample {pattern}", not_run=f"runs beside {entry['beside']}")
                listed.update(files)
            else:
                (alone if entry.get("alone") else together).extend((file, entry) for file in files)
                listed.update(files)
    only = os.environ.get("SAMPLES_ONLY", "")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for file, entry in together:
            if only in file:
                pool.submit(attempt, entry, file)
    for file, entry in alone:
        if only in file:
            attempt(entry, file)
    for file, entry in left:
        if file not in listed:
            listed.add(file)
            report(file, entry["over"], f"sample {file.split('/', 1)[1]}", not_run=entry["why"])
    for name in PRESENT:
        for file in (file for pattern in REPOSITORIES[name]["look"] for file in below(f"{name}/{pattern}")):
            if file not in listed:
                report(file, "", f"sample {file.split('/', 1)[1]}", not_run="not in samples/table.toml: newer than it")
    sys.stdout.flush()
    os._exit(0)


main()

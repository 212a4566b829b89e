"""The protocol by itself: how soon a request is answered, how many a second, how soon events come again, and a cancel."""

import json
import threading
import time

from parts.report import Section, at_most, each_at_most
from parts.rounds import tell
from parts.service import Service, ServiceError

PINGS, BEHIND_EACH_OTHER = 2_000, 50_000
EVENTS = 100_000
CANCELS = 30
ROUNDS = 5
PING_LIMIT, A_SECOND, EVENTS_LIMIT, CANCEL_LIMIT = 100e-6, 20_000, 2.0, 0.020
# As much as is sure to outlast the cancels beside it.
BULK = ("/bin/sh", "-c", "while :; do head -c 1048576 /dev/zero | tr '\\0' x; done")


def measure(bench):
    rounds = bench.rounds or ROUNDS
    store, run = bench.store_in(bench.workspace.directory("wire"))
    with Service(bench.installation, store, run, log=bench.log) as service:
        service.initialize()
        service.request("image/import", {"path": bench.root_archive, "reference": bench.image})
        tell("wire: pings ")
        pings = [_ping(service) for _ in range(PINGS)]
        pipelined = [_pipelined(service) for _ in range(rounds)]
        tell("cancels ")
        cancels = _cancels(service, bench.image)
        tell(f"{EVENTS:,} events\n")
        cursor, behind = _make_events(service, bench.image)
        events = [_events(bench, store, run, cursor) for _ in range(rounds)]

    sections = []
    for title, unit, samples, target in (
        ("system/ping, from the request to the last byte of the answer", "us", pings, at_most(PING_LIMIT)),
        (f"{BEHIND_EACH_OTHER:,} of them without waiting for answers, for each", "us", pipelined, at_most(1 / A_SECOND)),
        ("$/cancelRequest to the answer of what it cancels, while a container's output is streamed", "ms", cancels,
         each_at_most(CANCEL_LIMIT)),
        (f"{EVENTS:,} events to a subscriber who comes back with a cursor", "s", events, at_most(EVENTS_LIMIT)),
        (f"{EVENTS:,} events as they happen: the last of them, behind the answer to the last change", "ms", [behind],
         at_most(EVENTS_LIMIT)),
    ):
        section = Section(title, unit)
        section.subject("coracle", samples, target)
        sections.append(section)
    return sections


def _ping(service):
    start = time.monotonic()
    service.send("system/ping", {})
    service.line()
    return time.monotonic() - start


def _pipelined(service):
    sender = threading.Thread(target=lambda: [service.send("system/ping", {}) for _ in range(BEHIND_EACH_OTHER)])
    start = time.monotonic()
    sender.start()
    for _ in range(BEHIND_EACH_OTHER):
        service.line()
    taken = time.monotonic() - start
    sender.join()
    return taken / BEHIND_EACH_OTHER


def _cancels(service, image):
    idle = service.request(
        "container/run", {"image": image, "command": ["sleep", "10000"], "network": "none", "detach": True})
    idle = idle["container"]["id"]
    bulk = service.send(
        "container/run",
        {
            "image": image, "command": list(BULK), "network": "none", "name": "bulk",
            "streams": {"stdout": "output", "initialCredit": 1 << 40}, "logLimits": {"fileBytes": 1 << 20, "files": 2},
        })
    while b'"stream/data"' not in service.line():
        pass
    samples = []
    for _ in range(CANCELS):
        waiting = service.send("container/wait", {"container": idle})
        # The bulk goes on; the wait is surely being worked on by then.
        for _ in range(5):
            service.line()
        start = time.monotonic()
        service.notify("$/cancelRequest", {"id": waiting})
        _answered(service, waiting)
        samples.append(time.monotonic() - start)
    service.notify("$/cancelRequest", {"id": bulk})
    _answered(service, bulk)
    for container in (idle, "bulk"):
        _answered(service, service.send("container/remove", {"container": container, "force": True}))
    return samples


def _answered(service, request):
    """Reads on until a request is answered, whatever comes in front."""
    beginning = b'{"jsonrpc":"2.0","id":%d,' % request
    while not service.line().startswith(beginning):
        pass


def _make_events(service, image):
    """Gives an image a name, and takes it away, until there are enough events.

    Answers the cursor in front of them, and how long after the last answer who has followed them got the last.
    """
    following = service.request("event/subscribe", {"kinds": ["image."]})
    pairs, seen = EVENTS // 2, 0
    for start in range(0, pairs, 500):
        requests = []
        for number in range(start, min(pairs, start + 500)):
            requests.append(service.send("image/tag", {"image": image, "reference": f"name:{number}"}))
            requests.append(service.send("image/remove", {"image": f"name:{number}"}))
        while requests:
            service.answer_any(requests, timeout=600)
        answered = time.monotonic()
        seen += sum(message["method"] == "event/occurred" for message in service.notifications)
        service.notifications.clear()
    while seen < EVENTS:
        seen += b'"event/occurred"' in service.line()
    behind = time.monotonic() - answered
    service.request("event/unsubscribe", {"subscription": following["subscription"]})
    return following["cursor"], behind


def _events(bench, store, run, cursor):
    with Service(bench.installation, store, run, log=bench.log) as service:
        service.initialize()
        start = time.monotonic()
        service.send("event/subscribe", {"after": cursor})
        count, first = 0, None
        while count < EVENTS:
            line = service.line()
            if b'"event/occurred"' in line:
                count += 1
                first = first or line
        taken = time.monotonic() - start
    if "image." not in json.loads(first)["params"]["kind"]:
        raise ServiceError(f"not the events that were made: {first[:200]}")
    return taken

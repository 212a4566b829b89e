"""The messages that every client is tested with, in protocol/vectors."""

import asyncio
import inspect
import json
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from coracle import ProtocolError, errors, types
from coracle.generated.blocking import BlockingMethods
from coracle.generated.methods import Methods
from coracle.wire import camel_case, decode, encode

VECTORS = Path(__file__).parents[3] / "protocol" / "vectors"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def type_name(method):
    return "".join(word[:1].upper() + word[1:] for word in re.split("[/.]", method.replace("$", "")))


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return [without_nulls(element) for element in value] if isinstance(value, list) else value


def test_each_result_is_read_and_written_as_it_was():
    found = vectors("results")
    assert len(found) > 30
    for vector in found:
        result = vector["message"]["result"]
        hint = getattr(types, type_name(vector["method"]) + "Result", type(None))
        value = decode(hint, result)
        assert (encode(value) or {}) == without_nulls(result), vector["method"]


def test_each_notification_is_read_and_written_as_it_was():
    for vector in vectors("notifications"):
        message = vector["message"]
        kind = getattr(types, type_name(message["method"]) + "Notification")
        assert encode(decode(kind, message["params"])) == without_nulls(message["params"])
        assert kind.METHOD == message["method"]
        assert (message["method"] in types.NOTIFICATIONS) == (vector["direction"] != "clientToServer")


@pytest.mark.parametrize("methods", [Methods, BlockingMethods])
def test_each_request_can_be_made_by_its_method(methods):
    asked = []

    def record(method, params, result, progress=None):
        asked.append((method, without_nulls(encode(params)), result))

    async def record_later(*arguments):
        record(*arguments)

    client = methods(record if methods is BlockingMethods else record_later)
    for message in vectors("requests"):
        if "/" not in message["method"]:
            continue  # the connection's own
        noun, verb = message["method"].split("/")
        group = getattr(client, noun)
        (function,) = (
            member
            for name, member in inspect.getmembers(group, inspect.ismethod)
            if not name.startswith("_") and camel_case(name) == verb
        )
        hints = get_type_hints(function)
        names = {camel_case(name): name for name in inspect.signature(function).parameters}
        arguments = {
            names[wire]: decode(hints[names[wire]], value)
            for wire, value in message["params"].items()
            if value is not None
        }
        answer = function(**arguments)
        if methods is Methods:
            asyncio.run(answer)
        result = getattr(types, type_name(message["method"]) + "Result", type(None))
        assert asked.pop() == (message["method"], without_nulls(message["params"]), result)


def test_what_is_newer_is_taken_and_what_is_wrong_is_named():
    known = {"code": 0, "at": "2026-01-01T00:00:00Z", "lost": False}
    assert decode(types.ExitStatus, {**known, "mood": "good"}) == types.ExitStatus(**known)
    state = decode(types.HealthState, "dizzy")
    assert state == "dizzy" and isinstance(state, types.HealthState) and encode(state) == "dizzy"
    assert state is not types.HealthState.HEALTHY and "dizzy" not in types.HealthState.__members__
    with pytest.raises(ProtocolError, match=r"result\.lost is missing"):
        decode(types.ExitStatus, {"code": 0, "at": "now"})
    with pytest.raises(ProtocolError, match=r"result\.code is no int"):
        decode(types.ExitStatus, {**known, "code": True})
    with pytest.raises(ProtocolError, match="is no StreamEncoding: 'utf7'"):
        decode(types.StreamEncoding, "utf7")
    with pytest.raises(TypeError):
        encode(object())


def test_there_is_an_error_for_each_kind():
    assert set(errors.ERRORS) == {kind.value for kind in types.ErrorKind}
    assert all(issubclass(error, errors.ServiceError) for error in errors.ERRORS.values())
    assert {error.__name__ for error in errors.ERRORS.values()} <= set(errors.__all__)

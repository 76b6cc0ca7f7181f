# SPDX-License-Identifier: Apache-2.0
"""Message types of bags, without ROS: the standard ones, this package's own, and embedded ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from sparsh_ros.errors import RecordingError
from sparsh_ros.resources import message_definitions

OWN = "sparsh_ros/msg/"
"""How the names of this package's types begin: read as this version or an earlier one has them."""

_IDL_RULER = "=" * 80 + "\n"
_SENTENCE = 500  # characters of a library's error that are passed on

# What a definition may hold; the largest of ROS has 30 kB. The parser looks back over blanks, and
# computes what constants and sizes say.
_DEFINITION_BYTES = 1 << 18
_BLANKS = re.compile(r"[ \t]{32,}")
_LONG_NUMBER = re.compile(r"\d{21,}|<<\s*\d{3,}|\*\*|\[(?:<=)?\s*\d{9,}")

Decoder = Callable[[bytes], Any]


def one_line(error: Exception) -> str:
    """What a library's error says, on one line; the name of its class where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _SENTENCE else f"{text[:_SENTENCE]} ..."


def ros2_name(name: str) -> str:
    """The name of a message type as ROS 2 has it: ROS 1 leaves out "msg/"."""
    package, _, rest = name.partition("/")
    return name if "/" in rest or not rest else f"{package}/msg/{rest}"


@lru_cache(maxsize=1)
def known_types() -> Typestore:
    """The types of the newest ROS 2 that `rosbags` knows, and those of this package."""
    store = get_typestore(Stores.LATEST)
    for path in message_definitions():
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), OWN + path.stem))
    return store


@lru_cache(maxsize=256)
def decoder(type_name: str, definition: MessageDefinition, ros1: bool) -> Decoder:
    """What turns the bytes of a message into an object with the fields of its type.

    Args:
        type_name: such as "sensor_msgs/msg/Image".
        definition: text that the bag holds for it, if any. It counts more than what is known here.
        ros1: whether the bytes are a ROS 1 message; else they are CDR.

    Raises:
        RecordingError: the type is unknown, its definition unreadable, or one of this package's
            types with fields that this version does not know.
    """
    store = _store(type_name, definition)
    deserialise = store.deserialize_ros1 if ros1 else store.deserialize_cdr
    return lambda data: deserialise(data, type_name)


def _store(type_name: str, definition: MessageDefinition) -> Typestore:
    known = known_types()
    if definition.format == MessageDefinitionFormat.NONE:
        if type_name not in known.fielddefs:
            raise RecordingError(
                f"{type_name}: the bag does not define this type and it is no standard one; "
                "record with MCAP, which keeps the definitions"
            )
        return known
    types = _parse(type_name, definition)
    if all(known.fielddefs.get(name) == fields for name, fields in types.items()):
        return known
    for name, fields in types.items():
        if name.startswith(OWN) and not _is_older(fields, known.fielddefs.get(name)):
            _refuse(name, fields, known.fielddefs.get(name))
    store = get_typestore(Stores.EMPTY)
    try:
        store.register(types)
    except Exception as error:  # such as two fields of one name
        raise _unreadable(type_name, error) from error
    return store


def _parse(type_name: str, definition: MessageDefinition) -> dict[str, Any]:
    text = _checked(type_name, definition.data)
    try:
        if definition.format == MessageDefinitionFormat.MSG:
            types = get_types_from_msg(text, type_name)
        else:
            types = _parse_idl(text)
    except Exception as error:  # whatever the parser trips over, the definition is unreadable
        raise _unreadable(type_name, error) from error
    if type_name not in types:
        raise RecordingError(f"{type_name}: its definition in the bag is of {sorted(types)}")
    return types


def _unreadable(type_name: str, error: Exception) -> RecordingError:
    return RecordingError(
        f"{type_name}: its definition in the bag is unreadable ({one_line(error)})"
    )


def _checked(type_name: str, text: str) -> str:
    """A definition that can be parsed in a moment.

    Raises:
        RecordingError: It is too long, or holds numbers that no message has.
    """
    if len(text) > _DEFINITION_BYTES:
        raise RecordingError(
            f"{type_name}: wanted a definition of up to {_DEFINITION_BYTES:,} characters, "
            f"found {len(text):,}"
        )
    text = _BLANKS.sub(" ", text)
    if number := _LONG_NUMBER.search(text):
        raise RecordingError(
            f"{type_name}: its definition in the bag holds {number[0]}, which no message has"
        )
    return text


def _parse_idl(text: str) -> dict[str, Any]:
    """One IDL file, or several, each below a ruler and a line that names it."""
    types: dict[str, Any] = {}
    for part in filter(None, text.split(_IDL_RULER)):
        idl = part.partition("\n")[2] if part.startswith("IDL: ") else part
        types.update(get_types_from_idl(idl))
    return types


def _is_older(found: Any, known: Any) -> bool:
    """Whether a type has no field but those of today: fields are added, and keep their meaning."""
    return known is not None and all(field in known[1] for field in found[1])


def _refuse(type_name: str, found: Any, wanted: Any) -> None:
    def names(fields: Any) -> str:
        return ", ".join(name for name, _ in fields[1]) if fields else "no such type"

    raise RecordingError(
        f"{type_name}: recorded with another version of this package; wanted the fields "
        f"{names(wanted)}, found {names(found)}; evaluate with the version that recorded it"
    )

"""Values of a shape in XML, both ways: S3's documents and the answers of the query services."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from braketeer.aws.errors import MalformedRequest
from braketeer.aws.text_values import from_text, not_of_type, to_text

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile(r"[&<>\"\x00-\x08\x0b-\x1f]")
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escaped(text: str) -> str:
    """Text as XML content or attribute; control characters as references, the way S3 lists such keys."""
    return _SPECIAL.sub(lambda hit: _ENTITIES.get(hit[0]) or f"&#x{ord(hit[0]):X};", text)


def readable(text: str) -> str:
    """Text of an error as XML content: what no XML parser reads, not even as a reference, becomes U+FFFD."""
    return escaped(_NOT_IN_XML.sub("\ufffd", text))


def element(name: str, content: str, namespace: str | None = None) -> str:
    opening = f'{name} xmlns="{escaped(namespace)}"' if namespace else name
    return f"<{opening}>{content}</{name}>"


def write(shape: Any, value: Any, name: str) -> str:
    """``value`` as an element called ``name``; a member the model does not know raises TypeError."""
    if shape.type_name == "structure":
        return _write_structure(shape, value, name)
    if shape.type_name == "list":
        return element(name, _write_items(shape, value))
    if shape.type_name == "map":
        return element(name, "".join(_write_entry(shape, key, item, "entry") for key, item in value.items()))
    return element(name, escaped(to_text(shape, value, "iso8601")))


def write_members(shape: Any, members: dict[str, Any]) -> str:
    """The members of a structure, one element after another; None and attributes are left out."""
    if unknown := members.keys() - shape.members.keys():
        raise TypeError(f"{shape.name} has no members {sorted(unknown)}")
    parts = []
    for name, member in shape.members.items():
        value = members.get(name)
        if value is None or member.serialization.get("xmlAttribute"):
            continue
        wire = member.serialization.get("name", name)
        if member.serialization.get("flattened"):
            parts.append(_write_flattened(member, value, wire))
        else:
            parts.append(write(member, value, wire))
    return "".join(parts)


def parse_document(body: bytes) -> ElementTree.Element:
    """The root of an XML document; MalformedRequest if it is none, or declares a document type or entities."""
    parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314  document types are refused by the builder
    try:
        parser.feed(body)
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError):
        raise MalformedRequest("The XML you provided was not well-formed or did not validate") from None
    return root


def read(shape: Any, node: ElementTree.Element, where: str) -> Any:
    """The value that an element writes; InvalidMembers names the first member of a wrong type."""
    if shape.type_name == "structure":
        return _read_structure(shape, node, where)
    if shape.type_name == "list":
        wire = shape.member.serialization.get("name", "member")
        return [read(shape.member, child, f"{where}.member") for child in node if _local(child.tag) == wire]
    if shape.type_name == "map":
        return _read_entries(shape, [child for child in node if _local(child.tag) == "entry"], where)
    if len(node):
        raise not_of_type(where, "...", "a single value")
    return from_text(shape, node.text or "", where, "iso8601")


class _Builder(ElementTree.TreeBuilder):
    """Refuses document types, and with them every entity that could grow."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("document types are not allowed")


def _write_structure(shape: Any, value: dict[str, Any], name: str) -> str:
    attributes = "".join(
        f' {member.serialization.get("name", key)}="{escaped(str(value[key]))}"'
        for key, member in shape.members.items()
        if member.serialization.get("xmlAttribute") and value.get(key) is not None
    )
    if attributes and (space := shape.serialization.get("xmlNamespace")):
        attributes = f' xmlns:{space["prefix"]}="{escaped(space["uri"])}"{attributes}'
    return f"<{name}{attributes}>{write_members(shape, value)}</{name}>"


def _write_items(shape: Any, value: Any) -> str:
    wire = shape.member.serialization.get("name", "member")
    return "".join(write(shape.member, item, wire) for item in value)


def _write_flattened(shape: Any, value: Any, name: str) -> str:
    if shape.type_name == "list":
        wire = shape.member.serialization.get("name", name)
        return "".join(write(shape.member, item, wire) for item in value)
    return "".join(_write_entry(shape, key, item, name) for key, item in value.items())


def _write_entry(shape: Any, key: str, value: Any, name: str) -> str:
    wire_key = shape.key.serialization.get("name", "key")
    wire_value = shape.value.serialization.get("name", "value")
    return element(name, write(shape.key, key, wire_key) + write(shape.value, value, wire_value))


def _read_structure(shape: Any, node: ElementTree.Element, where: str) -> dict[str, Any]:
    children: dict[str, list[ElementTree.Element]] = {}
    for child in node:
        children.setdefault(_local(child.tag), []).append(child)
    members: dict[str, Any] = {}
    for name, member in shape.members.items():
        path = f"{where}.{name}" if where else name
        wire = member.serialization.get("name", name)
        if member.serialization.get("xmlAttribute"):
            values = [value for key, value in node.attrib.items() if _local(key) == wire.rpartition(":")[2]]
            if values:
                members[name] = values[0]
        elif member.serialization.get("flattened") and member.type_name == "list":
            wire = member.member.serialization.get("name", wire)
            if wire in children:
                members[name] = [read(member.member, child, f"{path}.member") for child in children[wire]]
        elif member.serialization.get("flattened"):
            if wire in children:
                members[name] = _read_entries(member, children[wire], path)
        elif wire in children:
            members[name] = read(member, children[wire][0], path)
    return members


def _read_entries(shape: Any, entries: list[ElementTree.Element], where: str) -> dict[str, Any]:
    wire_key = shape.key.serialization.get("name", "key")
    wire_value = shape.value.serialization.get("name", "value")
    result = {}
    for entry in entries:
        parts = {_local(child.tag): child for child in entry}
        if wire_key not in parts or wire_value not in parts:
            raise not_of_type(where, "...", "a map of keys and values")
        key = parts[wire_key].text or ""
        result[key] = read(shape.value, parts[wire_value], f"{where}.{key}.member")
    return result


def _local(tag: str) -> str:
    """A tag without its namespace, which clients set differently or leave out."""
    return tag.rpartition("}")[2]

#!/usr/bin/env python3
"""Writes builtin.txt, the table of the built-in kinds' shapes, from OpenAPI v3 documents.

    generate.py DIRECTORY > builtin.txt

DIRECTORY holds the documents that a kube-apiserver serves below /openapi/v3, one JSON file each.
The format of the table is described in src/builtin/line.rs.
"""

import glob
import json
import os
import sys

PREFIX = "#/components/schemas/"
# Definitions whose meaning OpenAPI cannot say; they are words of the table.
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
}
FORMATS = {"int32": "int32", "int64": "int64", "double": "double", "byte": "byte", "date-time": "date-time"}


def node(schema):
    """One node in the notation of the table."""
    ref = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", [])), None)
    if ref:
        text = "@" + ref.removeprefix(PREFIX)
    elif "properties" in schema:
        text = "(" + " ".join(fields(schema)) + ")"
    elif "additionalProperties" in schema:
        text = "{" + node(schema["additionalProperties"]) + "}"
    elif "items" in schema:
        text = "[" + node(schema["items"]) + "]"
    elif "format" in schema:
        text = FORMATS[schema["format"]]
    else:
        text = schema.get("type", "any")
    return text + attributes(schema)


def fields(schema):
    required = set(schema.get("required", []))
    for name, value in sorted(schema["properties"].items()):
        yield f"{name}{'!' if name in required else ''}:{node(value)}"


def attributes(schema):
    text = ""
    if "x-kubernetes-list-type" in schema:
        text += "~" + schema["x-kubernetes-list-type"]
        if "x-kubernetes-list-map-keys" in schema:
            text += ":" + ",".join(schema["x-kubernetes-list-map-keys"])
    if "x-kubernetes-map-type" in schema:
        text += "&" + schema["x-kubernetes-map-type"]
    if "x-kubernetes-patch-strategy" in schema:
        text += "%" + schema["x-kubernetes-patch-strategy"]
    if "x-kubernetes-patch-merge-key" in schema:
        text += "^" + schema["x-kubernetes-patch-merge-key"]
    if "enum" in schema:
        text += "?" + json.dumps(schema["enum"], separators=(",", ":"))
    if "default" in schema:
        text += "=" + json.dumps(schema["default"], separators=(",", ":"))
    return text


def kinds(schema):
    for kind in schema.get("x-kubernetes-group-version-kind", []):
        yield "/".join(part for part in (kind["group"], kind["version"], kind["kind"]) if part)


def main():
    bodies, gvks = {}, {}
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.json"))):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            bodies[name] = SPECIAL.get(name) or node(schema)
            gvks.setdefault(name, set()).update(kinds(schema))
    print("# The built-in kinds' shapes. Written by generate.py; the notation is described in src/builtin/line.rs.")
    for name in sorted(bodies):
        print(f"{name}|{','.join(sorted(gvks[name]))}|{bodies[name]}")


main()

#!/usr/bin/env python3
"""docs/api.md from gateway/openapi.json: python3 gateway/api/api_doc.py > docs/api.md"""

import json
import pathlib

GATEWAY = pathlib.Path(__file__).resolve().parents[1]
HEAD = """# REST interface

<!-- Made by `python3 gateway/api/api_doc.py` from gateway/openapi.json: change it there. -->

"""


def resolve(document, one):
    """What a reference stands for."""
    if "$ref" not in one:
        return one
    for key in one["$ref"].removeprefix("#/").split("/"):
        document = document[key]
    return document


def cell(text):
    return str(text or "").replace("|", "\\|").replace("\n", " ")


def type_of(schema):
    """A schema in a word or two; a schema of ours as a link."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(type_of(one) for one in schema[key])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = schema.get("type", "any")
    if kinds == "array" or isinstance(kinds, list) and "array" in kinds:
        inner = f"list of {type_of(schema.get('items', {}))}"
        return inner + (" or null" if "null" in kinds else "")
    text = " or ".join(kinds) if isinstance(kinds, list) else kinds
    return f"{text} ({schema['format']})" if "format" in schema else text


def bounds(schema):
    found = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to"),
                                                        ("maxLength", "at most, in characters:"),
                                                        ("default", "default")) if key in schema]
    return ", ".join(found)


def parameters(document, operation):
    rows = []
    for one in operation.get("parameters", []):
        one = resolve(document, one)
        schema = one.get("schema", {})
        rows.append(f"| `{one['name']}` | {one['in']} | {cell(type_of(schema))} | "
                    f"{cell(bounds(schema))} | {cell(one.get('description'))} |")
    if not rows:
        return ""
    return "| parameter | in | type | bounds | what it is |\n| --- | --- | --- | --- | --- |\n" + \
        "\n".join(rows) + "\n\n"


def body(document, operation):
    if "requestBody" not in operation:
        return ""
    content = resolve(document, operation["requestBody"])["content"]
    return "Body: " + ", ".join(f"`{kind}`: {type_of(one['schema'])}"
                                for kind, one in content.items()) + ".\n\n"


def responses(document, operation):
    rows = []
    for code, one in operation["responses"].items():
        one = resolve(document, one)
        if one.get("x-every-request"):
            continue
        content = one.get("content", {})
        kinds = ", ".join(f"`{kind}`" + (f": {type_of(body['schema'])}" if "schema" in body else "")
                          for kind, body in content.items())
        rows.append(f"| {code} | {cell(one.get('description'))} | {cell(kinds)} |")
    return "| status | meaning | body |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n\n"


def every_request(document):
    """The statuses that any request may get, which are not repeated at each."""
    first = next(iter(document["paths"].values()))["get"]["responses"]
    return "| status | meaning |\n| --- | --- |\n" + "".join(
        f"| {code} | {cell(resolve(document, one).get('description'))} |\n"
        for code, one in first.items() if resolve(document, one).get("x-every-request")) + "\n"


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not isinstance(operation, dict):
                continue
            yield f"### `{method.upper()} {path}`\n\n{operation['summary']}.\n\n"
            if operation.get("description"):
                yield operation["description"] + "\n\n"
            yield parameters(document, operation) + body(document, operation)
            yield responses(document, operation)


def schemas(document):
    for name, schema in document["components"]["schemas"].items():
        yield f"### {name}\n\n"
        if schema.get("description"):
            yield schema["description"] + "\n\n"
        if "properties" not in schema:
            yield type_of(schema).capitalize() + ".\n\n"
            continue
        yield "| field | type | what it is |\n| --- | --- | --- |\n"
        for field, one in schema["properties"].items():
            about = one.get("description") or resolve(document, one).get("description") \
                if "$ref" not in one else ""
            yield f"| `{field}` | {cell(type_of(one))} | {cell(about)} |\n"
        yield "\n"


def make(document):
    text = HEAD + document["info"]["description"] + "\n\n"
    text += "Live changes come over [WebSocket](websocket.md). The document itself, in OpenAPI, is at " \
            "`/api/v1/openapi.json` of a running gateway.\n\n"
    text += "Any request may also get one of these, as a problem document " \
            "([http.md](http.md) says when):\n\n" + every_request(document)
    text += "## Requests\n\n" + "".join(operations(document))
    text += "## Objects\n\n" + "".join(schemas(document))
    return text.rstrip("\n") + "\n"


if __name__ == "__main__":
    print(make(json.loads((GATEWAY / "openapi.json").read_text())), end="")

"""What the OpenAPI document cannot say: requests that it allows and that are rightly refused are not made."""

import schemathesis

# The shortest limit that counts bytes of UTF-8, where the document can only count characters.
BYTES = 128


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def names_itself_twice(case):
    """By its header and by a field; one of them the server would have to ignore."""
    key = any(name.lower() == "idempotency-key" for name in case.headers or {})
    given = [part.get("request_id") for part in (case.body, case.query) if isinstance(part, dict)]
    return key and any(given)


def longer_than_it_looks(case):
    parts = (case.body, case.query)
    long = (text for part in parts for text in texts(part) if not text.isascii())
    return any(len(text.encode(errors="surrogatepass")) > BYTES for text in long)


def whole(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return value


@schemathesis.hook
def map_body(ctx, body):
    """JSON Schema takes 7.0 for an integer; the server takes only 7."""
    return whole(body)


@schemathesis.hook
def filter_case(ctx, case):
    return not names_itself_twice(case) and not longer_than_it_looks(case)

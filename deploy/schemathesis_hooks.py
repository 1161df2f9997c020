"""What the OpenAPI document cannot say: texts of its own formats are made here, and requests that it
allows and that are rightly refused are not made."""

import os
import re
from datetime import date, datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st

# The shortest limit that counts bytes of UTF-8, where the document can only count characters.
BYTES = 128

# A pattern for each type of rule.
RULES = {"area_code": "201", "exchange": "555", "prefix": "201555", "regex": r"^\+1201555[0-9]{4}$"}

# What can be in a tenant's terms: registries that exist (deploy/schemathesis.sh makes them).
REGISTRIES = ("federal", "partners")

# Shards of the cluster, at least.
SHARDS = 4

# Of these a search takes one, and a time goes with some of them.
SEARCHED = ("number", "prefix", "reason", "added_by", "not_verified_since", "removed")
# Of these one is explained.
EXPLAINED = ("phone_number", "shard", "node")
TIMED = ("reason", "added_by", "removed")

MAPPING = {
    "layout": {"delimited": {"delimiter": "|", "quoted": False}},
    "columns": {"number": {"whole": {"column": 1}}, "country": None, "time": None, "action": None},
}

# Where backups go.
PLACE = f"file://{os.environ.get('BACKUPS', '/nowhere')}"

FORMATS = {
    # What is given ends ahead, and happened before; the document cannot say when now is.
    "date-time": st.integers(1, 9_999).map(
        lambda days: (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
    "date": st.integers(1, 300).map(lambda days: str(date.today() - timedelta(days=days))),
    # Only the server makes them, each for one search.
    "cursor": st.just(""),
    "mapping": st.just(""),
    "cron": st.sampled_from(["0 3 * * *", "*/15 * * * 1-5", "0 0 29 2 *"]),
    "time-zone": st.sampled_from(["America/New_York", "Asia/Singapore", "UTC"]),
    # Nobody listens there.
    "list-url": st.sampled_from(["http://127.0.0.1:9/lists/", "file:///nowhere/lists"]),
    "lookup-url": st.just("http://127.0.0.1:9/lookup/{number}"),
    "provider-key": st.just("key"),
    # deploy/schemathesis.sh makes it.
    "backup-place": st.just(PLACE),
    "rule": st.sampled_from(list(RULES.values())),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)

# Lists are no JSON that a schema could describe.
ENTRY = (
    b'{"suppression_id":"%032x","phone_number":"+12015550177","registry":"internal","scope":"tenant",'
    b'"origin":"consumer","reason":"","source":"","added_by":"","added_at":"2026-01-02T03:04:05Z",'
    b'"consumer_name":"","notes":"","expires_at":null,"last_verified_at":"2026-01-02T03:04:05Z","metadata":{}}\n'
)
schemathesis.openapi.media_type("application/octet-stream", st.just(b"phone_number\n2015550100\n"))
schemathesis.openapi.media_type("application/x-ndjson", st.integers(1, 99).map(lambda id: ENTRY % id))
schemathesis.openapi.media_type("text/csv", st.just(b""))


# === requests that are not made ===


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def is_positive(case):
    return case.meta is None or case.meta.generation.mode.is_positive


def breaks_nothing(case):
    """What was broken in it was mended again by the hooks below, or could not be sent."""
    return not is_positive(case) and all(part.mode.is_positive for part in case.meta.components.values())


def longer_than_it_looks(case):
    parts = (case.body, case.query)
    long = (text for part in parts for text in texts(part) if not text.isascii())
    return any(len(text.encode(errors="surrogatepass")) > BYTES for text in long)


def is_told_of_bad_items(case):
    """With `partial`, a bad item is no bad request."""
    return not is_positive(case) and isinstance(case.body, dict) and case.body.get("partial") is True


def leaves_it_out(case):
    """An empty parameter is as one that is left out."""
    return not is_positive(case) and isinstance(case.query, dict) and "" in case.query.values()


def has_a_header_too_many(case):
    """Which a server has to ignore."""
    return not is_positive(case) and any("unknown-property" in name.lower() for name in case.headers or {})


@schemathesis.hook
def filter_case(ctx, case):
    refused = (breaks_nothing, longer_than_it_looks, is_told_of_bad_items, leaves_it_out, has_a_header_too_many)
    return not any(is_so(case) for is_so in refused)


@schemathesis.hook
def filter_failure(ctx, failure, case, response):
    """Nobody answers a look-up where the registries of this test look up: a 503 is the right answer."""
    return not (response.status_code == 503 and case.operation.path.endswith("/lookup"))


# === requests that are changed, because they would rightly be refused ===


def without(fields, *names):
    return {name: value for name, value in fields.items() if name not in names}


def whole(value):
    """JSON Schema takes 7.0 for an integer; the server takes only 7."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return value


def named_once(fields, has_key):
    """A request is named by its header or by a field, and not by an id of a time that may lie ahead."""
    if not isinstance(fields, dict) or not isinstance(fields.get("request_id"), str):
        return fields
    digits = fields["request_id"].replace("-", "")
    is_id = re.fullmatch("([0-9a-fA-F]{32})?", digits)
    return without(fields, "request_id") if is_id and (has_key or digits[12:13] == "7") else fields


def entry(fields):
    """It ends once, and ahead; the name of a brand is not as long as that of a campaign may look."""
    if isinstance(fields.get("scope"), str):
        fields = {**fields, "scope": fields["scope"][: len("brand ") + BYTES].rstrip()}
    at = fields.get("expires_at")
    if at is not None and (fields.get("expires_in") is not None or datetime.fromisoformat(at) <= datetime.now(timezone.utc)):
        return without(fields, "expires_at")
    return fields


def item(fields):
    """It is named by the bulk, and its registry exists."""
    return {**entry(without(fields, "request_id")), "registry": ""}


def registry(fields):
    """What fetching needs means nothing without a place to fetch from."""
    if not isinstance(fields.get("url"), str) or fields.get("type") == "internal":
        fields = without(fields, "url", "lookup_url", "api_key", "schedule")
    if fields.get("owner"):
        fields = {**fields, "owner": "default"}
    if (fields.get("reading") or {}).get("mapping") is not None:
        fields = {**fields, "reading": {**fields["reading"], "mapping": MAPPING}}
    return fields


def terms(fields):
    """Their registries exist."""
    known = lambda areas: dict(zip(REGISTRIES, areas.values())) if isinstance(areas, dict) else areas
    fields = {**fields, "holds": known(fields["holds"])} if "holds" in fields else fields
    requires = fields.get("requires") or {}
    if "registries" in requires:
        fields = {**fields, "requires": {**requires, "registries": known(requires["registries"])}}
    return fields


def plan(fields):
    """Only a node that is lost is replaced."""
    return fields if fields.get("lost") else without(fields, "replacement")


def body(path, fields):
    if path.endswith("/cluster/plan"):
        return plan(fields)
    if path.endswith(("/registries", "/registries/{id}")):
        return registry(fields)
    if path.endswith(("/tenants", "/tenants/{name}")):
        return terms(fields)
    if path.endswith("/rules"):
        return {**fields, "pattern": RULES[fields["type"]]}
    if path.endswith("/suppression/bulk"):
        return {**fields, "items": [item(fields) for fields in fields["items"]]}
    if path.endswith("/cache/warm") and "shards" in fields:
        return {**fields, "shards": [shard % SHARDS for shard in fields["shards"]]}
    return entry(fields)


def ordered(fields, first, last):
    if first in fields and last in fields and fields[first] > fields[last]:
        return {**fields, first: fields[last], last: fields[first]}
    return fields


def query(path, fields):
    if path.endswith("/suppression"):
        chosen = [name for name in SEARCHED if fields.get(name)][:1]
        timed = not chosen or chosen[0] in TIMED
        fields = without(fields, *set(SEARCHED) - set(chosen), *(() if timed else ("from", "until")))
    if path.endswith("/dnc/import"):
        # How the list of this test is read, whatever its registry says.
        read_as = {"file_name": "list.csv", "covers": "201", "default_country": 1, "national_digits": 10}
        unfit = ("csv_column", "everywhere")
        fields = {**without(fields, *unfit), **read_as}
    if path.endswith("/cluster/backups"):
        fields = {**fields, "place": PLACE}
    if path.endswith("/cluster/why"):
        fields = dict([item for item in fields.items() if item[0] in EXPLAINED][:1]) or {"shard": 0}
    return ordered(ordered(fields, "from", "until"), "start_date", "end_date")


@schemathesis.hook
def map_case(ctx, case):
    has_key = any(name.lower() == "idempotency-key" for name in case.headers or {})
    asked, sent = named_once(case.query, has_key), named_once(whole(case.body), has_key)
    if is_positive(case):
        path = ctx.operation.path
        asked = query(path, asked) if isinstance(asked, dict) else asked
        sent = body(path, sent) if isinstance(sent, dict) else sent
    # What is set anew is looked at anew, and bytes are no text by any schema.
    if repr(asked) != repr(case.query):
        case.query = asked
    if repr(sent) != repr(case.body):
        case.body = sent
    return case


@schemathesis.hook
def before_add_examples(ctx, examples):
    for case in examples:
        map_case(ctx, case)

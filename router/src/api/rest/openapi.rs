//! The document that describes REST, made from the handlers, and a page to browse it.
//!
//! # How a handler gets into the document
//!
//! 1. Annotate it with `#[utoipa::path(...)]`: method, `path`, `operation_id` (`verb_thing`, unique),
//!    `tag` (one of [`TAGS`]), `params(...)`, `request_body`, `responses(...)`. The doc comment's first
//!    line is the summary, the rest the description.
//! 2. Register it in the file's `routes()` by `.routes(routes!(handler))`; several methods of one path
//!    go into one `routes!`. That makes the route and the entry in the document; generics are inferred.
//! 3. Types of bodies and answers derive `ToSchema`, types for [`super::read::Params`] derive
//!    `IntoParams` with `#[into_params(parameter_in = Query)]`. Name a type for the reader, since all
//!    names share one space: `#[schema(as = NewRegistry)]`. A phone number is `#[schema(value_type =
//!    PhoneText)]`. Write down every limit that the handler keeps: `max_length`, `max_items`,
//!    `minimum`, `pattern` (a text that must not be blank is `pattern = r"\S"`). Words are
//!    `#[schema(pattern = "^(a|b)$")]`. A field that may be left out is an `Option` or has
//!    `#[serde(default)]`.
//! 4. Headers: [`TenantHeader`] where the handler takes `Tenant`, [`KeyHeader`] where it takes
//!    `WriteId`. `x-request-id` and `Retry-After` are added by [`document`].
//! 5. Errors: [`document`] adds those that every handler can answer with, and the body of all of them.
//!    So name only what is special, by `(status = 404, description = "...")` and nothing more.
//! 6. Streams: `request_body(content = Vec<u8>, content_type = "application/octet-stream")`; for
//!    multipart a struct that only describes, `#[schema(value_type = String, format = Binary)]` for its
//!    files. Streamed answers: `body = String, content_type = "text/csv"`. Register them in
//!    [`super::long`], where no time limit cuts them off.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Components, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Content, Header, InfoBuilder, LicenseBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response as Described,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::problem::{self, Problem};
use crate::api::caller::{REQUEST_ID, TENANT};
use crate::options::Options;

/// Where the document is.
pub const DOCUMENT: &str = "/api/v1/openapi.json";

/// Where the page is.
pub const PAGE: &str = "/api/v1/docs";

/// What operations are sorted by, and what each is about.
pub const TAGS: [(&str, &str); 10] = [
    ("check", "May this number be called?"),
    ("suppression", "Opt-outs: who is not to be called."),
    ("rule", "Patterns that list numbers without naming them."),
    ("exemption", "Who may be called although a federal or state list names them."),
    ("registry", "Sources of numbers, and what each holds."),
    ("import", "Lists, loaded from files or fetched from their sources."),
    ("tenant", "Who asks, and which lists must cover a number for them."),
    ("report", "What was checked and found."),
    ("cluster", "How the cluster stands, and which replicas move where. For operators."),
    ("process", "This router: life, readiness, metrics."),
];

const ABOUT: &str = "Only `CLEAR` may be called. Whatever goes wrong is answered as \
    `application/problem+json` (RFC 9457); its `code` does not change and is for programs. A request \
    that was answered with 408, 429 or 503, or not at all, may be repeated; a write with the same \
    `Idempotency-Key` is done once.";

/// A phone number as text: E.164, or ten digits of the North American plan, a 1 in front or not.
///
/// Spaces, dots, hyphens, slashes and parentheses between digits are read too, though the pattern
/// does not say so; what could be read in two ways is refused.
pub struct PhoneText;

/// What [`PhoneText`] matches: the country codes of E.164, and no trunk prefix behind them but where
/// it belongs to the number.
const PHONE_PATTERN: &str = concat!(
    r"^(?:(?:\+?1)?[2-9][0-8][0-9](?:[2-9][02-9][0-9]|[2-9]1[02-9])[0-9]{4}",
    r"|\+(?:7[1-9][0-9]{5,13}|39[0-9]{5,13}|(?:225|229|24[12]|37[89])[0-9]{4,12}",
    r"|(?:2[07]|3[0-46]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])[1-9][0-9]{4,12}",
    r"|(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[035789]|9[679])[0-9][1-9][0-9]{3,11}))$"
);

/// The header that names the tenant.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `read::Tenant` reads")]
pub struct TenantHeader {
    /// For whom. Without it, the tenant `default`.
    #[param(
        rename = "x-dnc-tenant",
        nullable = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9._-]*$"
    )]
    tenant: Option<String>,
}

/// The header that makes a write safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `write_id::WriteId` reads")]
pub struct KeyHeader {
    /// Chosen by the caller, new for each write. Repeating a write with the key that it had does it
    /// once. Holds for one tenant, method and path.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    key: Option<String>,
}

// === impl PhoneText ===

impl PartialSchema for PhoneText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("A phone number: E.164, or ten digits of the North American plan."))
            .max_length(Some(dnc_core::number::MAX_QUERY_CHARS))
            .pattern(Some(PHONE_PATTERN))
            .examples([json!("+12015550100")])
            .into()
    }
}

impl ToSchema for PhoneText {
    fn name() -> std::borrow::Cow<'static, str> {
        "PhoneNumber".into()
    }

    fn schemas(_: &mut Vec<(String, RefOr<Schema>)>) {}
}

/// Splits the routes into what serves them and what describes them, completed.
pub fn split(routes: OpenApiRouter, options: &Options) -> Router {
    let (router, described) = routes.split_for_parts();
    let document = document(described, options);
    let text = Bytes::from(document.to_json().expect("a document of texts and numbers is JSON"));
    router
        .route(DOCUMENT, get(async move || ([(header::CONTENT_TYPE, "application/json")], text)))
        .route(PAGE, get(page))
}

/// The page: it shows the document, and loads nothing else.
async fn page() -> Response {
    const POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, include_str!("openapi.html")).into_response()
}

// === the document ===

/// Completes what the handlers say of themselves: what holds for all of them, and this router's limits.
pub fn document(mut described: OpenApi, options: &Options) -> OpenApi {
    described.info = InfoBuilder::new()
        .title("Do-Not-Call checks")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let tags = TAGS.into_iter().map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    described.tags = Some(tags.collect());
    let components = described.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    limit_bulks(components, options.max_bulk_rest);
    for (path, item) in &mut described.paths.paths {
        let of_the_api = path.starts_with("/api/") || path.starts_with("/internal/");
        operations(item).for_each(|operation| complete(operation, of_the_api));
    }
    described
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// How many numbers a bulk check may have is a setting.
fn limit_bulks(components: &mut Components, max: usize) {
    if let Some(RefOr::T(Schema::Object(bulk))) = components.schemas.get_mut("BulkCheck")
        && let Some(RefOr::T(Schema::Array(numbers))) = bulk.properties.get_mut("phone_numbers")
    {
        numbers.max_items = Some(max);
    }
}

fn complete(operation: &mut Operation, of_the_api: bool) {
    if of_the_api {
        for (status, why) in errors(operation) {
            let described = || RefOr::T(Described::new(why));
            operation.responses.responses.entry(status.into()).or_insert_with(described);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete_response(status, response);
        }
    }
    operation.parameters.get_or_insert_default().push(RefOr::T(request_id()));
}

/// The errors that any operation like this one can answer with.
fn errors(operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let header = |name: &str| {
        operation.parameters.iter().flatten().any(|parameter| {
            matches!(parameter, RefOr::T(Parameter { name: own, parameter_in: ParameterIn::Header, .. }) if own == name)
        })
    };
    let mut errors = vec![
        ("400", "The request is malformed, or a value in it is not valid."),
        ("408", "The request was not complete in time, or not answered. It can be repeated."),
        ("500", "A fault of the cluster."),
        ("503", "It could not be done now, or it is not known whether it was. The same request can be repeated."),
    ];
    if header(TENANT) {
        errors.push(("404", "There is no such tenant, or nothing of this name."));
    }
    if header("Idempotency-Key") {
        errors.push(("409", "It is not possible as things are, or exists already and is another one."));
        errors.push(("429", "Too much at once."));
    }
    if operation.request_body.is_some() {
        errors.push(("413", "The body is too large."));
        errors.push(("415", "The body is of another media type."));
    }
    errors
}

fn complete_response(status: &str, response: &mut Described) {
    let text = |about: &str| {
        let mut header = Header::new(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build());
        header.description = Some(about.into());
        RefOr::T(header)
    };
    response.headers.insert(REQUEST_ID.into(), text("The id of the request."));
    if !status.starts_with(['4', '5']) {
        return;
    }
    if matches!(status, "429" | "503") {
        let seconds = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(0)).build();
        let mut header = Header::new(seconds);
        header.description = Some("When it is worth trying again, in seconds.".into());
        response.headers.insert("Retry-After".into(), RefOr::T(header));
    }
    let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
    response.content.entry(problem::MEDIA_TYPE.into()).or_insert(RefOr::T(problem));
}

fn request_id() -> Parameter {
    ParameterBuilder::new()
        .name(REQUEST_ID)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names the request in logs and traces, and comes back: 1 to 128 visible ASCII characters. \
             Anything else is replaced by a new id.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build()))
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dnc_core::number::PhoneNumber;
    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::Value;

    use super::*;
    use crate::testing::Fake;

    fn whole() -> Value {
        let parts = super::super::brief::<Fake>().into_iter().chain(super::super::long());
        let process = super::super::process::routes::<Fake>(std::sync::Arc::new(String::new));
        let routes = parts.fold(process, OpenApiRouter::merge);
        let options = Options { max_bulk_rest: 7, ..Options::default() };
        serde_json::to_value(document(routes.into_openapi(), &options)).expect("JSON")
    }

    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().expect("paths");
        let of = |(path, item): (&String, _)| {
            let path = path.clone();
            let methods: &serde_json::Map<_, _> = Value::as_object(item).expect("an item");
            methods.iter().map(move |(method, operation)| (format!("{method} {path}"), operation)).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_tag_and_the_common_errors() {
        let document = whole();
        let mut names = BTreeSet::new();
        for (what, operation) in operations(&document) {
            assert!(names.insert(operation["operationId"].to_string()), "{what}: its operation_id is taken");
            let tag = operation["tags"][0].as_str().expect("a tag");
            assert!(TAGS.iter().any(|(name, _)| *name == tag), "{what}: {tag} is not in TAGS");
            assert!(operation["summary"].is_string(), "{what}: no summary");
            let responses = operation["responses"].as_object().expect("responses");
            for (status, response) in responses {
                assert!(response["headers"][REQUEST_ID].is_object(), "{what} {status}");
                let is_problem = response["content"][problem::MEDIA_TYPE].is_object();
                assert_eq!(is_problem, status.starts_with(['4', '5']), "{what} {status}");
            }
            let of_the_api = operation["tags"][0] != "process";
            assert_eq!(responses.contains_key("400"), of_the_api, "{what}");
            assert_eq!(
                operation["requestBody"].is_object(),
                responses.contains_key("415"),
                "{what}: a body can be of the wrong media type"
            );
        }
    }

    /// Two types of one name would silently become one.
    #[test]
    fn every_schema_has_a_name_of_its_own() {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for part in super::super::brief::<Fake>().into_iter().chain(super::super::long()) {
            let described = serde_json::to_value(part.into_openapi()).expect("JSON");
            for (name, schema) in described["components"]["schemas"].as_object().into_iter().flatten() {
                let own = known.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(own, schema, "two types are shown as {name}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn visit(value: &Value, document: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(to)) = fields.get("$ref") {
                        let pointer = to.strip_prefix('#').expect("within the document");
                        assert!(document.pointer(pointer).is_some(), "{to}");
                    }
                    fields.values().for_each(|value| visit(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| visit(value, document)),
                _ => {}
            }
        }
        let document = whole();
        visit(&document, &document);
    }

    #[test]
    fn the_limit_of_a_bulk_is_the_one_that_is_set() {
        let document = whole();
        assert_eq!(document["components"]["schemas"]["BulkCheck"]["properties"]["phone_numbers"]["maxItems"], 7);
    }

    #[test]
    fn a_key_is_asked_for_wherever_something_is_written() {
        let document = whole();
        for (what, operation) in operations(&document) {
            let writes = !what.starts_with("get") && !what.contains("/check");
            let parameters = operation["parameters"].as_array().expect("parameters");
            let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
            assert_eq!(has("Idempotency-Key"), writes, "{what}");
            assert!(!writes || has(TENANT), "{what}: a key holds for a tenant");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_pattern_of_a_number_matches_what_is_read(text in r"(\+?1?[0-9]{10})|(\+[0-9]{5,17})|([0-9+]{0,16})") {
            let pattern = Regex::new(PHONE_PATTERN).expect("a pattern");
            prop_assert_eq!(pattern.is_match(&text), PhoneNumber::parse(&text).is_ok(), "{}", text);
        }
    }
}

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

mod texts;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Components, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Content, Header, InfoBuilder, LicenseBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response as Described,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

pub use self::texts::{AreaText, IdText, KeyHeader, NameText, PhoneText, RegistryPath, TenantHeader};
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
    that was answered with 408, 429 or 503, or not at all, may be repeated; a write that takes an \
    `Idempotency-Key` is done once for each. An empty parameter is as one that is left out.";

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
        ("429", "Too much at once."),
        ("500", "A fault of the cluster."),
        ("503", "It could not be done now, or it is not known whether it was. The same request can be repeated."),
    ];
    if header(TENANT) {
        errors.push(("404", "There is no such tenant, or nothing of this name."));
    }
    if header("Idempotency-Key") {
        errors.push(("409", "It is not possible as things are, or exists already and is another one."));
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
mod tests;

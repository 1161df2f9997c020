//! The document against its rules, and its texts against what is read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::testing::Fake;

fn whole() -> Value {
    let parts = crate::api::rest::brief::<Fake>().into_iter().chain(crate::api::rest::long());
    let process = crate::api::rest::process::routes::<Fake>(std::sync::Arc::new(String::new));
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
        assert!(responses.keys().any(|status| status.starts_with('2')), "{what}: how does it succeed?");
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
    for part in crate::api::rest::brief::<Fake>().into_iter().chain(crate::api::rest::long()) {
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
fn a_key_is_asked_for_wherever_a_repetition_would_do_more() {
    let document = whole();
    for (what, operation) in operations(&document) {
        // An import names its entries, a removed rule is gone; all else that is written is the same when written twice.
        let of_entries = ["suppression", "exemption", "rule"].iter().any(|tag| operation["tags"][0] == *tag);
        let once = what.ends_with("/suppression/import") || what.starts_with("delete /api/v1/dnc/suppression/rules");
        let begins_plan = ["/apply", "/drain", "/replace", "post /api/v1/cluster/recovery"];
        let begins_plan = begins_plan.iter().any(|end| what.ends_with(end));
        let writes = of_entries && !what.starts_with("get") && !once;
        let parameters = operation["parameters"].as_array().expect("parameters");
        let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        assert_eq!(has("Idempotency-Key"), writes || begins_plan, "{what}");
        assert!(!writes || has(TENANT), "{what}: a key holds for a tenant");
    }
}

/// A route that is added past the document would be served all the same.
#[test]
fn every_route_is_added_together_with_its_description() {
    let rest = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/rest");
    let files = std::fs::read_dir(rest).expect("this folder").map(|file| file.expect("a file").path());
    for file in files.filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
        let text = std::fs::read_to_string(&file).expect("a source");
        // Those of the document itself.
        let own = if file.ends_with("openapi.rs") { 2 } else { 0 };
        assert_eq!(text.matches(".route(").count(), own, "{}: use `routes!`", file.display());
    }
}

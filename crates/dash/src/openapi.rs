//! The description of the API (OpenAPI 3.1), from the types that are served and one table of paths.

use crate::model;
use crate::panel::Range;
use bytes::Bytes;
use std::sync::OnceLock;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApiBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// What a path takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Range,
    Stream,
    Profile,
    /// A number in the path.
    Id,
    Silence,
}

/// One path of the API.
pub(crate) struct Described {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    summary: &'static str,
    takes: Takes,
    /// Media type of the answer, and its schema if it is JSON.
    kind: &'static str,
    pub(crate) schema: Option<&'static str>,
}

const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

const fn panel(path: &'static str, summary: &'static str, schema: &'static str) -> Described {
    Described { method: "get", path, summary, takes: Takes::Range, kind: JSON, schema: Some(schema) }
}

const fn other(path: &'static str, summary: &'static str, takes: Takes, kind: &'static str) -> Described {
    Described { method: "get", path, summary, takes, kind, schema: None }
}

/// Every path that is served, but for pages and their files.
pub(crate) const PATHS: [Described; 20] = [
    panel("/api/v1/overview", "The state of the service in one glance", "Overview"),
    panel("/api/v1/io-map", "Offset over time, of one file", "Part_IoMap"),
    panel("/api/v1/latency", "Latencies by operation and path, and over time", "Latency"),
    panel("/api/v1/resources", "What the process and the machine use", "Resources"),
    panel("/api/v1/patterns", "Access patterns, prefetching and the cache", "Patterns"),
    panel("/api/v1/decisions", "What the optimizer decided", "Decisions"),
    panel("/api/v1/alerts", "Alerts, open and past, and silences", "Alerts"),
    panel(
        "/api/v1/configuration",
        "Every setting with its origin, and the tuned parameters",
        "Configuration",
    ),
    panel("/api/v1/recommendations", "What would help", "Recommendations"),
    Described {
        method: "get",
        path: "/api/v1/decisions/{id}",
        summary: "A decision and the history around it",
        takes: Takes::Id,
        kind: JSON,
        schema: Some("DecisionDetail"),
    },
    Described {
        method: "post",
        path: "/api/v1/alerts/silence",
        summary: "Keeps quiet about a metric; needs control to be switched on",
        takes: Takes::Silence,
        kind: JSON,
        schema: Some("Silenced"),
    },
    other(
        "/api/v1/stream",
        "A panel, live: events named `panel` with its JSON",
        Takes::Stream,
        "text/event-stream",
    ),
    other("/api/v1/openapi.json", "This description", Takes::Nothing, JSON),
    other("/metrics", "What Prometheus scrapes", Takes::Nothing, "application/openmetrics-text"),
    other("/healthz", "The program lives", Takes::Nothing, "text/plain"),
    other("/readyz", "The engine takes operations; 503 if not", Takes::Nothing, "text/plain"),
    other(
        "/debug/pprof/profile",
        "A CPU profile for `go tool pprof`; 409 while another is taken",
        Takes::Profile,
        BINARY,
    ),
    other(
        "/debug/pprof/flamegraph",
        "A CPU profile as a flame graph; 409 while another is taken",
        Takes::Profile,
        "image/svg+xml",
    ),
    other("/debug/pprof/heap", "A heap profile for `go tool pprof`", Takes::Nothing, BINARY),
    other("/debug/trace", "Spans and events of the last seconds, for ui.perfetto.dev", Takes::Nothing, JSON),
];

/// The description as JSON.
pub(crate) fn text() -> Bytes {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    TEXT.get_or_init(|| Bytes::from(document().to_pretty_json().unwrap_or_default())).clone()
}

fn document() -> utoipa::openapi::OpenApi {
    let info = InfoBuilder::new()
        .title("RustFS Rio dashboard")
        .description(Some(
            "Everything the dashboard shows. Where a token is set, send `Authorization: Bearer TOKEN`. Times are seconds since 1970; a \
             suffix names the unit. Errors are JSON with a text under `error`.",
        ))
        .version(env!("CARGO_PKG_VERSION"))
        .build();
    let mut paths = PathsBuilder::new();
    for described in &PATHS {
        let method = if described.method == "post" { HttpMethod::Post } else { HttpMethod::Get };
        paths = paths.path(described.path, PathItem::new(method, operation(described).build()));
    }
    let mut components = Components::new();
    components.schemas.extend(schemas());
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components)).build()
}

fn operation(described: &Described) -> OperationBuilder {
    let schema = described.schema.map(|name| RefOr::<Schema>::Ref(Ref::from_schema_name(name)));
    let content = ContentBuilder::new().schema(schema).build();
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut operation = OperationBuilder::new()
        .summary(Some(described.summary))
        .response(
            "200",
            ResponseBuilder::new().description("As asked").content(described.kind, content).build(),
        )
        .response(
            "default",
            ResponseBuilder::new().description("What was wrong").content(JSON, problem).build(),
        );
    let parameters = match described.takes {
        Takes::Range => Range::into_params(|| Some(ParameterIn::Query)),
        Takes::Stream => crate::server::StreamWish::into_params(|| Some(ParameterIn::Query)),
        Takes::Profile => crate::server::ProfileWish::into_params(|| Some(ParameterIn::Query)),
        Takes::Nothing | Takes::Id | Takes::Silence => Vec::new(),
    };
    for parameter in parameters {
        operation = operation.parameter(parameter);
    }
    if described.takes == Takes::Id {
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(id.schema(Some(u64::schema())).build());
    }
    if described.takes == Takes::Silence {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("SilenceRequest"))).build();
        operation = operation.request_body(Some(RequestBodyBuilder::new().content(JSON, content).build()));
    }
    operation
}

fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut all = Vec::new();
    fn add<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
        all.push((T::name().into_owned(), T::schema()));
        T::schemas(all);
    }
    add::<model::Overview>(&mut all);
    add::<model::IoMapPart>(&mut all);
    add::<model::IoMap>(&mut all);
    add::<model::Latency>(&mut all);
    add::<model::Resources>(&mut all);
    add::<model::Patterns>(&mut all);
    add::<model::Decisions>(&mut all);
    add::<model::DecisionDetail>(&mut all);
    add::<model::Alerts>(&mut all);
    add::<model::Configuration>(&mut all);
    add::<model::Recommendations>(&mut all);
    add::<model::SilenceRequest>(&mut all);
    add::<model::Silenced>(&mut all);
    add::<model::Problem>(&mut all);
    // The name of a type with parameters is its own only; a reference has them in it.
    for (name, schema) in &mut all {
        if name == "Part" {
            *schema = model::IoMapPart::schema();
            *name = "Part_IoMap".to_owned();
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup_by(|a, b| a.0 == b.0);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.push(reference.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_is_described() {
        let document: Value = serde_json::from_slice(&text()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 30);
        for reference in found {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not described");
        }
    }

    #[test]
    fn every_field_has_words() {
        let document: Value = serde_json::from_slice(&text()).unwrap();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                // What may be null has its words beside the reference.
                let variants = property["oneOf"].as_array().into_iter().flatten();
                let described = variants.chain([property]).any(|part| part.get("description").is_some());
                assert!(described, "{name}.{field} has no description");
            }
        }
    }
}

//! The endpoints over real connections: what they answer, who gets an answer, and what bounds hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rustfs_rio_dash::{DashError, Dashboard, TraceRing};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Live, ask, get, raw, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOKEN: &str = "a-token-of-the-test-7f3a";
const PANELS: [&str; 9] = [
    "overview",
    "io-map",
    "latency",
    "resources",
    "patterns",
    "decisions",
    "alerts",
    "configuration",
    "recommendations",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_shows_the_live_load_as_it_is_described() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).trace(TraceRing::new()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let overview =
        until(address, "/api/v1/overview", |json| json["history"]["data"]["iops"][0].as_f64() > Some(0.0))
            .await;
    assert!(overview["live"]["data"]["iops"].as_f64().unwrap() > 0.0, "{overview}");
    let map =
        until(address, "/api/v1/io-map", |json| json["data"]["files"][0]["reads"].as_u64() > Some(0)).await;
    assert!(map["data"]["files"][0]["path"].as_str().unwrap().ends_with("objects.bin"), "{map}");
    let latency =
        until(address, "/api/v1/latency", |json| json["rows"]["data"][0]["count"].as_u64() > Some(0)).await;
    assert!(latency["heat"]["data"]["per_s"].as_array().is_some_and(|rows| !rows.is_empty()));
    until(address, "/api/v1/resources", |json| json["series"]["rss_bytes"][0].as_u64() > Some(0)).await;
    let document = get(address, "/api/v1/openapi.json").await.json();
    for panel in PANELS {
        let path = format!("/api/v1/{panel}");
        let answer = get(address, &path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{panel}"
        );
        let schema =
            document["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
                .clone();
        conforms(&answer.json(), &schema, &document, panel);
    }
    for (path, kind) in [
        ("/metrics", "application/openmetrics-text"),
        ("/healthz", "text/plain"),
        ("/readyz", "text/plain"),
        ("/debug/trace", "application/json"),
        ("/", "text/html"),
        ("/latency", "text/html"),
    ] {
        let answer = get(address, path).await;
        assert!(
            answer.status == 200 && answer.header("content-type").unwrap().starts_with(kind),
            "{path}: {}",
            answer.head
        );
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods.get("get").is_some()
            && !path.contains("{id}")
            && !path.contains("/stream")
            && !path.contains("pprof")
        {
            assert_eq!(get(address, path).await.status, 200, "{path} is described and not served");
        }
    }
    server.shutdown().await;
    live.end().await;
}

/// Every field of an answer is described, and every field that is described is there.
fn conforms(
    value: &serde_json::Value,
    schema: &serde_json::Value,
    document: &serde_json::Value,
    place: &str,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return conforms(value, &document["components"]["schemas"][name], document, place);
    }
    let variants = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(variants) = variants {
        if value.is_null() {
            return;
        }
        let named =
            |variant: &&serde_json::Value| match (value.as_object(), variant["properties"].as_object()) {
                (Some(value), Some(properties)) => value.keys().all(|key| properties.contains_key(key)),
                _ => variant["type"] != "null",
            };
        let variant =
            variants.iter().find(named).unwrap_or_else(|| panic!("{place}: {value} is none of {variants:?}"));
        return conforms(value, variant, document, place);
    }
    match value {
        serde_json::Value::Object(fields) => {
            let properties = schema["properties"]
                .as_object()
                .unwrap_or_else(|| panic!("{place}: no object is described: {schema}"));
            for (key, value) in fields {
                let property =
                    properties.get(key).unwrap_or_else(|| panic!("{place}.{key} is not described"));
                conforms(value, property, document, &format!("{place}.{key}"));
            }
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(required.as_str().unwrap()), "{place}.{required} is missing");
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().take(3).for_each(|item| conforms(item, &schema["items"], document, place));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_the_token_is_answered() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).token(TOKEN).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    for path in [
        "/",
        "/api/v1/overview",
        "/metrics",
        "/debug/trace",
        "/debug/pprof/profile",
        "/assets/app.js",
        "/nothing",
    ] {
        assert_eq!(get(address, path).await.status, 401, "{path}");
    }
    for path in ["/healthz", "/readyz", "/login", "/assets/style.css"] {
        assert_eq!(get(address, path).await.status, 200, "{path}");
    }
    let to_login = ask(address, "GET", "/latency?range=60", "Accept: text/html\r\n", "").await;
    assert_eq!((to_login.status, to_login.header("location")), (303, Some("/login?next=/latency?range=60")));
    for bad in ["Bearer", "Bearer x", "Basic YTpi", "Bearer a-token-of-the-test-7f3b"] {
        assert_eq!(
            ask(address, "GET", "/metrics", &format!("Authorization: {bad}\r\n"), "").await.status,
            401,
            "{bad}"
        );
    }
    let good = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask(address, "GET", "/metrics", &good, "").await.status, 200);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let refused = ask(address, "POST", "/login", form, "token=wrong&next=%2F").await;
    assert_eq!(
        (refused.status, refused.header("location"), refused.header("set-cookie")),
        (303, Some("/login?failed=1"), None)
    );
    let foreign =
        ask(address, "POST", "/login", form, &format!("token={TOKEN}&next=%2F%2Fevil.example")).await;
    assert_eq!(foreign.header("location"), Some("/"), "a login must not lead to another site");
    let admitted = ask(address, "POST", "/login", form, &format!("token={TOKEN}&next=%2Flatency")).await;
    assert_eq!((admitted.status, admitted.header("location")), (303, Some("/latency")));
    let cookie = admitted.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(TOKEN),
        "{cookie}"
    );
    let session = format!("Cookie: other=1; {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(ask(address, "GET", "/api/v1/overview", &session, "").await.status, 200);
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_origins_of_others_are_refused() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched())
        .allow_control()
        .allow_host("Rio.example")
        .serve("127.0.0.1:0")
        .await
        .unwrap();
    let address = server.address();
    for (host, status) in [
        ("localhost", 200),
        ("localhost:1234", 200),
        ("[::1]:80", 200),
        ("10.1.2.3", 200),
        ("rio.example:9", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:80", 421),
        ("", 400),
    ] {
        let answer = ask(address, "GET", "/api/v1/overview", &format!("Host: {host}\r\n"), "").await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
    }
    let twice =
        ask(address, "GET", "/api/v1/overview", "Host: localhost\r\nHost: evil.example\r\n", "").await;
    assert_eq!(twice.status, 400);
    let json = "Content-Type: application/json\r\n";
    let body = "{\"metric\":\"iops\",\"seconds\":60}";
    for (headers, status) in [
        (format!("{json}Origin: http://evil.example\r\n"), 403),
        (format!("{json}Origin: null\r\n"), 403),
        (format!("{json}Sec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{json}Origin: http://{address}\r\n"), 200),
        (json.to_owned(), 200),
    ] {
        assert_eq!(
            ask(address, "POST", "/api/v1/alerts/silence", &headers, body).await.status,
            status,
            "{headers}"
        );
    }
    let answer = get(address, "/").await;
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silences_need_control_and_sense() {
    let live = Live::start().await;
    let read_only = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let json = "Content-Type: application/json\r\n";
    let body = "{\"metric\":\"p99_latency_us\",\"seconds\":60}";
    let refused = ask(read_only.address(), "POST", "/api/v1/alerts/silence", json, body).await;
    assert!(refused.status == 403 && refused.text().contains("allow_control"), "{}", refused.text());
    read_only.shutdown().await;
    let server = Dashboard::new(&live.watched()).allow_control().serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    for (headers, body, status) in [
        (json, "{\"metric\":\"\",\"seconds\":60}", 422),
        (json, "{\"metric\":\"x\",\"seconds\":0}", 422),
        (json, "{\"metric\":\"x\",\"seconds\":86401}", 422),
        (json, "{\"metric\":\"x\",\"seconds\":60,\"more\":1}", 422),
        (json, "{\"metric\":", 400),
        ("", body, 415),
    ] {
        assert_eq!(
            ask(address, "POST", "/api/v1/alerts/silence", headers, body).await.status,
            status,
            "{body}"
        );
    }
    let large = format!("{{\"metric\":\"{}\",\"seconds\":1}}", "x".repeat(10_000));
    assert_eq!(ask(address, "POST", "/api/v1/alerts/silence", json, &large).await.status, 413);
    let taken = ask(address, "POST", "/api/v1/alerts/silence", json, body).await.json();
    assert_eq!(taken["silences"][0]["metric"], "p99_latency_us");
    assert_eq!(get(address, "/api/v1/alerts/silence").await.status, 405);
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_and_ends_with_the_server() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/v1/stream?panel=overview HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let three = async {
        let mut bytes = [0; 4096];
        while text.matches("event: panel").count() < 3 {
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the stream ended: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    tokio::time::timeout(support::PATIENCE, three).await.unwrap();
    assert!(text.contains("text/event-stream") && text.contains("retry: 1000"));
    let closed = tokio::spawn(async move {
        let mut rest = Vec::new();
        _ = stream.read_to_end(&mut rest).await;
    });
    server.shutdown().await;
    tokio::time::timeout(support::PATIENCE, closed).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is still taken");
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_bounded_and_come_back() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let mut open = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(
                format!("GET /api/v1/stream?panel=alerts HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes(),
            )
            .await
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        open.push(stream);
    }
    let refused = get(address, "/api/v1/stream?panel=alerts").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    // A browser that goes away mid-stream.
    drop(open);
    let again = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(
                    format!("GET /api/v1/stream?panel=alerts HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes(),
                )
                .await
                .unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            if &first == b"HTTP/1.1 200" {
                return;
            }
            // why: the server notices at its next event that the other side is gone
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, again).await.expect("streams of clients that are gone stay open");
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_opens_and_closes() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    live.warmed_up().await;
    live.fails.store(true, Ordering::Relaxed);
    let of_errors = |list: &serde_json::Value| {
        list.as_array().is_some_and(|all| all.iter().any(|alert| alert["metric"] == "error_rate"))
    };
    let open = until(address, "/api/v1/alerts", |json| of_errors(&json["open"])).await;
    assert!(open["open"][0]["actions"].as_array().is_some_and(|actions| !actions.is_empty()));
    live.fails.store(false, Ordering::Relaxed);
    until(address, "/api/v1/alerts", |json| of_errors(&json["past"]) && !of_errors(&json["open"])).await;
    server.shutdown().await;
    live.end().await;
}

#[tokio::test]
async fn bad_settings_are_named() {
    let live = Live::start().await;
    let dashboard = || Dashboard::new(&live.watched());
    let first = dashboard().serve("127.0.0.1:0").await.unwrap();
    let taken = dashboard().serve(&first.address().to_string()).await.unwrap_err();
    assert!(matches!(taken, DashError::Listen { .. }) && taken.to_string().contains("port 0"), "{taken}");
    let open = dashboard().serve("0.0.0.0:0").await.unwrap_err();
    assert!(matches!(open, DashError::TokenMissing { .. }), "{open}");
    let short = dashboard().token("short").serve("127.0.0.1:0").await.unwrap_err();
    assert!(matches!(short, DashError::Token { len: 5, .. }), "{short}");
    for bad in ["nonsense", "127.0.0.1", "127.0.0.1:99999"] {
        let error = dashboard().serve(bad).await.unwrap_err();
        assert!(matches!(error, DashError::Address { .. }), "{bad}: {error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let (missing, garbage) = (dir.path().join("missing.pem"), dir.path().join("garbage.pem"));
    std::fs::write(&garbage, "no certificate").unwrap();
    for path in [&missing, &garbage] {
        let error = dashboard().tls(path, path).serve("127.0.0.1:0").await.unwrap_err();
        assert!(matches!(error, DashError::Certificate { what: "certificate", .. }), "{error}");
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    let error = dashboard().tls(&certificate, &key).serve("127.0.0.1:0").await.unwrap_err();
    assert!(matches!(error, DashError::Tls(_)), "{error}");
    first.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_profiles_at_once_are_one() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    // Whichever of the two comes first is served; on a busy machine they may also come one after the other.
    let refused = async {
        loop {
            let (profile, graph) = tokio::join!(
                get(address, "/debug/pprof/profile?seconds=2"),
                get(address, "/debug/pprof/flamegraph?seconds=2&frequency=499"),
            );
            let of = |status| [&profile, &graph].into_iter().filter(|answer| answer.status == status).count();
            assert_eq!(of(200) + of(409), 2, "{} {}", profile.text(), graph.text());
            assert!(of(200) >= 1, "one of two is served");
            if let Some(refused) = [&profile, &graph].into_iter().find(|answer| answer.status == 409) {
                return refused.text();
            }
        }
    };
    let refused = tokio::time::timeout(support::PATIENCE, refused).await.unwrap();
    assert!(refused.contains("another profile"), "{refused}");
    for bad in
        ["seconds=0", "seconds=61", "frequency=0", "frequency=1000", "seconds=x", "more=1", "seconds=-1"]
    {
        assert_eq!(get(address, &format!("/debug/pprof/profile?{bad}")).await.status, 400, "{bad}");
    }
    assert_eq!(get(address, "/debug/pprof/heap").await.status, 404);
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_gets_an_error_or_nothing() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000));
    let headers = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(5000));
    for request in [
        "\r\n\r\n\r\n\r\nx\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        long.as_str(),
        headers.as_str(),
    ] {
        let answer = raw(address, request.as_bytes()).await;
        assert!(
            answer.as_ref().is_none_or(|answer| (300..500).contains(&answer.status)),
            "{:.60}: {answer:?}",
            request
        );
    }
    assert_eq!(get(address, "/healthz").await.status, 200);
    server.shutdown().await;
    live.end().await;
}

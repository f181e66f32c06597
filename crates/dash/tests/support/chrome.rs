//! Drives a headless Chromium by its DevTools protocol (<https://chromedevtools.github.io/devtools-protocol/>) over one WebSocket.

use super::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Where Debian puts it.
const PROGRAM: &str = "/usr/bin/chromium";

pub struct Chrome {
    process: Killed,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    next: u64,
    /// Requests that were made, errors that the page reported.
    pub requests: Vec<String>,
    pub errors: Vec<String>,
    _profile: tempfile::TempDir,
}

/// A browser that does not outlive its test. Not by tokio: its support for processes would take descriptors of every program in
/// the workspace.
struct Killed(Option<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(mut process) = self.0.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Chrome {
    /// A page in a browser of its own; `None` where there is no browser.
    pub async fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new(PROGRAM)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-port=0",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .args(["--disable-dev-shm-usage", "--mute-audio"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let process = Killed(Some(process));
        let (found, url) = tokio::sync::oneshot::channel();
        // Ends with the browser. Its pipe has to be read on, or it stops.
        std::thread::spawn(move || {
            let mut found = Some(found);
            for line in lines.map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("DevTools listening on ")
                    && let Some(found) = found.take()
                {
                    let _ = found.send(url.to_owned());
                }
            }
        });
        let url = tokio::time::timeout(PATIENCE, url).await.expect("the browser does not start");
        let url = url.expect("the browser ended without saying where it listens");
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut chrome = Self {
            process,
            socket,
            session: String::new(),
            next: 0,
            requests: Vec::new(),
            errors: Vec::new(),
            _profile: profile,
        };
        let target = chrome.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = chrome.call("Target.attachToTarget", attach).await;
        chrome.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chrome.call(&format!("{domain}.enable"), json!({})).await;
        }
        Some(chrome)
    }

    /// Calls a method of the protocol and takes notes of the events before its answer.
    pub async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut request = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(request.to_string())).await.unwrap();
        let answer = async {
            loop {
                let message = self.socket.next().await.expect("the browser went away").unwrap();
                let Ok(text) = message.to_text() else { continue };
                let Ok(mut value) = serde_json::from_str::<Value>(text) else { continue };
                if value["id"] == json!(id) {
                    assert!(value.get("error").is_none(), "{method}: {value}");
                    return value["result"].take();
                }
                self.note(&value);
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("{method} is not answered"))
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            Some("Runtime.exceptionThrown") => self.errors.push(parameters["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" => {
                self.errors.push(parameters["args"].to_string());
            }
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                self.errors.push(parameters["entry"].to_string());
            }
            _ => {}
        }
    }

    /// The value of an expression, awaited if it is a promise.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        self.call("Runtime.evaluate", parameters).await["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub async fn until(&mut self, expression: &str) {
        let waiting = async {
            while self.evaluate(expression).await != json!(true) {
                // why: the page draws on its own; this is the pace of looking
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let text = self.evaluate("location.href + '\\n' + document.body.innerText").await;
            panic!("never true: {expression}\n{}\n{:?}", text.as_str().unwrap_or_default(), self.errors);
        }
    }

    pub async fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url})).await;
        self.until("document.readyState === 'complete'").await;
    }

    /// Size of the window in pixels, and whether the system asks for dark pages.
    pub async fn look(&mut self, width: u32, height: u32, dark: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// A picture of the whole page as a file.
    pub async fn picture(&mut self, path: &Path, format: &str) {
        let size = self.evaluate("[document.documentElement.scrollWidth, Math.min(document.documentElement.scrollHeight, 3000)]").await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let mut parameters = json!({"format": format, "captureBeyondViewport": true, "clip": clip});
        if format != "png" {
            parameters["quality"] = json!(80);
        }
        let answer = self.call("Page.captureScreenshot", parameters).await;
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            answer["data"].as_str().unwrap(),
        )
        .unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub async fn end(mut self) {
        self.session.clear();
        self.call("Browser.close", json!({})).await;
        let process = self.process.0.take().unwrap();
        let wait = tokio::task::spawn_blocking(move || {
            let mut process = process;
            process.wait()
        });
        tokio::time::timeout(PATIENCE, wait).await.expect("the browser does not end").unwrap().unwrap();
    }
}

//! The page of `brolga view`, used in headless Chromium as a reader uses it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{DENSE, brolga_with, stdout_of};

/// A browser that `chromedriver` drives, by the protocol WebDriver.
struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

impl Browser {
    /// A browser with a page, or `None` and a line that says why not.
    fn open(path: &Path) -> Option<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(driver) = driver else {
            eprintln!(
                "left out: there is no chromedriver (Debian: chromium, chromium-driver), so the page is not used in a browser"
            );
            return None;
        };
        let mut browser = Self { driver, port, session: String::new() };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "chromedriver does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,950"];
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let session = browser.call(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": options } }),
        );
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser.post("/url", &json!({ "url": format!("file://{}", path.display()) }));
        browser.wait(
            "document.body.dataset.ready === 'true' || document.body.dataset.ready === 'failed'",
        );
        assert_eq!(
            browser.value("document.body.dataset.ready"),
            "true",
            "{}",
            browser.text("#page")
        );
        Some(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if method == "GET" { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0; 65536];
        // The answer says how long it is; the connection may stay open after it.
        let (head, length) = loop {
            let count = stream.read(&mut chunk).unwrap();
            answer.extend(&chunk[..count]);
            if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
                let length = head.split("content-length:").nth(1).expect("a length");
                break (end + 4, length.lines().next().unwrap().trim().parse::<usize>().unwrap());
            }
            assert!(count > 0, "the answer is cut off");
        };
        while answer.len() < head + length {
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the answer is cut off");
            answer.extend(&chunk[..count]);
        }
        let document: Value = serde_json::from_slice(&answer[head..head + length]).unwrap();
        assert!(document["value"]["error"].is_null(), "{path}: {document:#}");
        document["value"].clone()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    /// The value of an expression.
    fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn count(&self, selector: &str) -> u64 {
        self.value(&format!("document.querySelectorAll({selector:?}).length")).as_u64().unwrap()
    }

    fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({selector:?}).textContent"));
        text.as_str().unwrap().to_owned()
    }

    fn wait(&self, condition: &str) {
        let start = Instant::now();
        while self.value(condition) != true {
            assert!(start.elapsed() < PATIENCE, "{condition}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Keeps a picture where the environment asks for it.
    fn screenshot(&self, name: &str) {
        use base64::Engine as _;
        let picture =
            self.call("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        let picture =
            base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        if let Some(folder) = std::env::var_os("BROLGA_SCREENSHOTS") {
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, which outlives its driver otherwise.
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[test]
fn a_reader_finds_nodes_passes_memory_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mlp.html");
    let arguments = [
        "view",
        "mlp",
        "--batch",
        "4",
        "--values",
        "--time",
        "--isa",
        "128",
        "-o",
        path.to_str().unwrap(),
    ];
    let text = stdout_of(&arguments, "");
    assert!(text.contains("to be opened in a browser"), "{text}");
    let Some(browser) = Browser::open(&path) else { return };

    // Layers open and close.
    browser.screenshot("closed");
    let closed = browser.count("#pane .node");
    browser.click("#expand");
    let open = browser.count("#pane .node");
    assert!(open > closed, "{open} of {closed}");
    browser.screenshot("open");
    browser.click("#collapse");
    assert_eq!(browser.count("#pane .node"), closed);
    browser.click("#pane .group.closed");
    assert!(browser.count("#pane .node") > closed);

    // A search leads to a node, whose page tells everything.
    browser.write("#find", "matmul");
    browser.wait("document.querySelectorAll('.hit').length > 0");
    browser.click(".hit a");
    let page = browser.text("#page");
    for part in ["identity", "type", "layer", "operands", "values", "hash", "kernel", "code", "µs"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(browser.count("#pane .picked"), 1);
    browser.click("#page details summary");
    browser.wait("document.querySelectorAll('#page .code tr').length > 10");
    browser.screenshot("node");
    let before = browser.text("#page h2");
    browser.click("#page dd a");
    assert_ne!(browser.text("#page h2"), before, "an operand has a page of its own");

    // Before and after a pass.
    browser.click("[data-tab=passes]");
    browser.click("#passes div:nth-child(4)");
    assert!(browser.count("#before .node") > 0 && browser.count("#after .node") > 0);
    assert!(browser.text("#page").contains("rewrites"));
    browser.screenshot("passes");
    browser.click("[data-tab=memory]");
    assert!(browser.count("#memory rect") > 5);
    browser.screenshot("memory");
    browser.click("[data-tab=timeline]");
    assert!(browser.count("#timeline rect") > 5);
    browser.screenshot("timeline");
}

#[test]
fn five_thousand_nodes_stay_usable() {
    // A chain with a second operand from further above, in layers of twenty nodes.
    let mut text = "graph large(%x: f32[8]) {\n".to_owned();
    for node in 0..5000 {
        let first = if node == 0 { "%x".to_owned() } else { format!("%{}", node - 1) };
        let second = if node < 7 { "%x".to_owned() } else { format!("%{}", node - 7) };
        text += &format!(
            "  %{node}: f32[8] = add {first}, {second}   @block_{}/layer_{}\n",
            node / 500,
            node / 20
        );
    }
    text += "  return %4999\n}\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.html");
    let ran = brolga_with(&["view", "-", "--isa", "128", "-o", path.to_str().unwrap()], &text);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let Some(browser) = Browser::open(&path) else { return };
    // The graph as it was written, which has the most boxes.
    browser.post("/execute/sync", &json!({ "script": "setStage(0)", "args": [] }));
    let milliseconds = |script: &str| {
        let timed = format!(
            "(() => {{ const start = performance.now(); {script}; document.body.getBoundingClientRect(); return performance.now() - start; }})()"
        );
        browser.value(&timed).as_f64().unwrap()
    };
    let one = milliseconds("panes.graph.toggle(panes.graph.tree.all[2])");
    let find = milliseconds("go('n4321')");
    assert_eq!(browser.text("#page dd"), "n4321");
    let all = milliseconds("panes.graph.all(true)");
    assert!(browser.count("#pane .node") > 5000);
    browser.screenshot("large");
    eprintln!("open one group: {one:.0} ms, find a node: {find:.0} ms, open all: {all:.0} ms");
    // Orders of magnitude, on a machine that does other things too.
    assert!(one < 3000.0 && find < 5000.0 && all < 60000.0, "{one} {find} {all}");
}

#[test]
fn pages_have_a_name_and_a_limit_of_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dense.html");
    let arguments = ["view", "-", "--code-lines", "0", "-o", path.to_str().unwrap()];
    let text = stdout_of(&arguments, DENSE);
    assert!(text.contains("2 kernels have no code in it: more than 0 lines"), "{text}");
}

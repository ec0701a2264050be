//! A server of `byol label --images` with images and a run, for tests that ask it.

#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byol"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Draws images of three classes, `red-00.bmp`, `green-01.bmp`, `blue-02.bmp` and on: squares, bars and crosses.
pub fn drawn(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let name = ["red", "green", "blue"][number % 3];
        let jitter = |by: usize| ((number * by) % 7) as i32;
        let pixel = |x: i32, y: i32| {
            let (x, y) = (x - 10 - jitter(3) / 2, y - 10 - jitter(5) / 2);
            let inside = match number % 3 {
                0 => x.abs() < 6 && y.abs() < 6,
                1 => x.abs() < 3 || x.abs() > 8,
                _ => x.abs() < 3 || y.abs() < 3,
            };
            let mut color = [20 + number as u8; 3];
            if inside {
                color[number % 3] = 190 + 9 * jitter(4) as u8;
            }
            color
        };
        fs::write(folder.join(format!("{name}-{number:02}.bmp")), bitmap(24, &pixel)).unwrap();
    }
}

/// A square image as BMP of 24 bits.
fn bitmap(side: i32, pixel: &dyn Fn(i32, i32) -> [u8; 3]) -> Vec<u8> {
    let content = (3 * side * side) as u32;
    let mut bytes = b"BM".to_vec();
    let number = |bytes: &mut Vec<u8>, value: u32| bytes.extend(value.to_le_bytes());
    for value in [54 + content, 0, 54, 40, side as u32, side as u32] {
        number(&mut bytes, value);
    }
    bytes.extend([1, 0, 24, 0]);
    for value in [0, content, 2835, 2835, 0, 0] {
        number(&mut bytes, value);
    }
    for y in (0..side).rev() {
        for x in 0..side {
            let [red, green, blue] = pixel(x, y);
            bytes.extend([blue, green, red]);
        }
    }
    bytes
}

/// A pre-training of such images without labels, made once.
pub fn pretrained() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, run) = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (photos, run) = (folder.path().join("photos"), folder.path().join("pretrained"));
        drawn(&photos, 90);
        let mut command =
            program(&["pretrain", "--preset", "demo", "--quiet", "--device", "cpu", "--precision", "fp32", "--data"]);
        command.arg(&photos).arg("--out").arg(&run);
        for pair in [
            "image_size=16",
            "width=0.0625",
            "pretrain.epochs=3",
            "pretrain.batch_size=32",
            "pretrain.stop_on_collapse=false",
            "finetune.epochs=4",
            "finetune.minimum_steps=8",
        ] {
            command.args(["--set", pair]);
        }
        let output = command.output().expect("the program can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (folder, run)
    });
    run
}

/// A server for a folder, ready to be asked.
pub fn labelling(photos: &Path, run: &Path, more: &[&str]) -> Served {
    let mut command = program(&["label", "--json", "--quiet", "--device", "cpu", "--images"]);
    command.arg(photos).arg("--from").arg(run).args(more);
    if !more.contains(&"--port") {
        command.args(["--port", "0"]);
    }
    Served::begin(command)
}

/// The same, which can write files of so many blocks of 512 bytes alone.
pub fn limited(photos: &Path, run: &Path, blocks: usize) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
    command.args([
        "-c",
        &script,
        env!("CARGO_BIN_EXE_byol"),
        "label",
        "--json",
        "--quiet",
        "--device",
        "cpu",
        "--port",
        "0",
    ]);
    command.arg("--images").arg(photos).arg("--from").arg(run).stdin(Stdio::null());
    command
}

/// The rows of a table below its first line.
pub fn table(path: &Path) -> Vec<[String; 3]> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let cells = |line: &str| {
        // Quoted cells of tests hold commas alone.
        let (mut cells, mut quoted) = (vec![String::new()], false);
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => {
                    letters.next();
                    cells.last_mut().unwrap().push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                letter => cells.last_mut().unwrap().push(letter),
            }
        }
        <[String; 3]>::try_from(cells).unwrap_or_else(|cells| panic!("{cells:?}"))
    };
    text.lines().skip(1).map(cells).collect()
}

/// A server that is killed when it goes out of scope.
pub struct Served {
    child: Child,
    address: String,
}

impl Served {
    pub fn begin(mut command: Command) -> Served {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program can be started");
        // Notes on the way come first.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let read =
            |line: String| serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let event = lines.map(read).find(|event| event["event"] == "labelling").expect("it says where it is");
        let address = event["address"].as_str().unwrap_or_default().to_owned();
        Served { child, address }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as nothing can be held against.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn host(&self) -> &str {
        self.address.trim_start_matches("http://").trim_end_matches('/')
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.host()).expect("it listens");
        stream.write_all(request.replace("HERE", self.host()).as_bytes()).expect("it reads");
        stream
    }

    /// Head and body of a request as it is written; HERE stands for the server's own name.
    pub fn ask(&self, request: &str) -> (String, String) {
        let mut answer = Vec::new();
        self.send(request).read_to_end(&mut answer).expect("it answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
        (head.to_owned(), body.to_owned())
    }

    pub fn state(&self, by: &str) -> Value {
        let (head, body) = self.ask(&format!("GET /state?by={by} HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
        let body =
            if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunked(&body) } else { body };
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    /// The state once an image is asked for.
    pub fn asked(&self, by: &str) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.state(by);
            if !state["current"].is_null() {
                return state;
            }
            assert!(begun.elapsed() < PATIENCE, "no image is asked for: {state}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn posted(path: &str, token: &str, sent: &Value) -> String {
        let content = sent.to_string();
        format!(
            "POST {path} HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\nX-Byol: {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{content}",
            content.len()
        )
    }

    pub fn post(&self, path: &str, token: &str, sent: &Value) -> (u16, Value) {
        let (head, body) = self.ask(&Self::posted(path, token, sent));
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        let body =
            if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { unchunked(&body) } else { body };
        (code, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The same, without waiting for the answer.
    pub fn post_unheard(&self, path: &str, token: &str, sent: &Value) {
        drop(self.send(&Self::posted(path, token, sent)));
    }
}

/// The content of a body in chunks.
fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or_default();
        if length == 0 || after.len() < length {
            break;
        }
        whole.push_str(&after[..length]);
        rest = after[length..].trim_start_matches("\r\n");
    }
    whole
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

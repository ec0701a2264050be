//! A small HTTP server with ranges, and with the troubles that downloads meet.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server does beside sending the archive.
#[derive(Clone, Copy, Default)]
pub struct Conduct {
    /// The first so many connections end after [`CUT`] bytes of the body.
    pub cuts: usize,
    pub knows_no_ranges: bool,
    pub says_no_length: bool,
    pub refuses: bool,
    /// The first so many requests get 503.
    pub busy: usize,
}

pub const CUT: usize = 3_000;

pub struct Server {
    pub url: String,
    /// The `Range` header of each request, in order.
    requests: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    /// Serves until the test program ends.
    pub fn start(body: Vec<u8>, conduct: Conduct) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/small.tar.gz", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for connection in listener.incoming() {
                // A client that hangs up early is none of the server's troubles.
                let _ = answer(&mut connection.unwrap(), &body, conduct, &log);
            }
        });
        Server { url, requests }
    }

    pub fn ranges(&self) -> Vec<Option<String>> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(
    connection: &mut TcpStream,
    body: &[u8],
    conduct: Conduct,
    log: &Mutex<Vec<Option<String>>>,
) -> io::Result<()> {
    let mut headers = HashMap::new();
    for line in BufReader::new(&*connection).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
    }
    let range = headers.remove("range");
    let number = {
        let mut log = log.lock().unwrap();
        log.push(range.clone());
        log.len()
    };
    if conduct.refuses {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    }
    if number <= conduct.busy {
        return connection.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let start = range.filter(|_| !conduct.knows_no_ranges);
    let start: Option<usize> = start.map(|range| range["bytes=".len()..range.len() - 1].parse().unwrap());
    let head = match start {
        Some(start) if start >= body.len() => {
            let head = format!("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\n", body.len());
            return connection.write_all((head + "Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
        }
        Some(start) => {
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\n",
                body.len() - 1,
                body.len()
            )
        }
        None => "HTTP/1.1 200 OK\r\n".into(),
    };
    let rest = &body[start.unwrap_or(0)..];
    let length = if conduct.says_no_length { String::new() } else { format!("Content-Length: {}\r\n", rest.len()) };
    connection.write_all(format!("{head}{length}Connection: close\r\n\r\n").as_bytes())?;
    let sent = if number <= conduct.cuts { &rest[..CUT.min(rest.len())] } else { rest };
    connection.write_all(sent)
}

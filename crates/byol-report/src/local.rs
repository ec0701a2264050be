//! A web server for this machine alone: it listens on 127.0.0.1, answers requests that name this machine as host, and knows nothing of
//! what is asked for.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::report::language::watch::refused;
use crate::run::event::Interrupt;

/// How long a thread waits for a request before it looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(200);
/// Threads that answer: a browser that reads slowly keeps no other waiting.
const THREADS: usize = 4;
/// Ports that are tried where none is named.
const TRIED: u16 = 32;
/// Bytes of a request's content at most.
const MOST_SENT: u64 = 1 << 20;

/// A page cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The port cannot be had.
    #[error("port {port} of 127.0.0.1 {reason}; choose another --port, or 0 for any that is free")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// Why not, as the end of a sentence.
        reason: String,
    },
    /// A connection failed in a way that ends the server.
    #[error("the server failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whether something is sent with it, to be done.
    pub is_post: bool,
    /// Without what follows a question mark.
    pub path: String,
    /// What follows it.
    pub query: String,
    /// The header `X-Byol`: a page of another site cannot send it without being allowed to, and nobody is.
    pub token: Option<String>,
    /// What is sent with it.
    pub content: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As HTTP numbers them.
    pub code: u16,
    /// The content's type.
    pub kind: &'static str,
    /// The content.
    pub content: Vec<u8>,
    /// Whether the browser may keep it.
    pub lasting: bool,
}

impl Answer {
    /// A page.
    pub fn page(text: &str) -> Answer {
        Answer { code: 200, kind: "text/html; charset=utf-8", content: text.as_bytes().to_vec(), lasting: false }
    }

    /// Values for the page's script.
    pub fn json(code: u16, value: &impl serde::Serialize) -> Answer {
        match serde_json::to_vec(value) {
            Ok(content) => Answer { code, kind: "application/json", content, lasting: false },
            Err(error) => Answer::plain(500, &error.to_string()),
        }
    }

    /// An image, which stays what it is while the server runs.
    pub fn jpeg(content: Vec<u8>) -> Answer {
        Answer { code: 200, kind: "image/jpeg", content, lasting: true }
    }

    /// A line.
    pub fn plain(code: u16, text: &str) -> Answer {
        Answer { code, kind: "text/plain; charset=utf-8", content: format!("{text}\n").into_bytes(), lasting: false }
    }

    /// That there is no such page.
    pub fn not_found() -> Answer {
        Answer::plain(404, refused::PATH)
    }
}

/// Where a server is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Here; 0 takes any that is free.
    Named(u16),
    /// Here, or at the next that is free.
    From(u16),
}

impl Port {
    /// The port that was named, or else one from `first` on.
    pub fn named_or_from(named: Option<u16>, first: u16) -> Port {
        named.map_or(Port::From(first), Port::Named)
    }
}

impl From<u16> for Port {
    fn from(port: u16) -> Port {
        Port::Named(port)
    }
}

/// A server that listens.
pub struct Local {
    server: Server,
    address: SocketAddr,
}

impl Local {
    /// Listens on 127.0.0.1.
    ///
    /// # Errors
    /// The port is taken, or the first one and all that are tried after it.
    pub fn bind(port: impl Into<Port>) -> Result<Local, LocalError> {
        match port.into() {
            Port::Named(port) => Local::listen(port),
            Port::From(first) => (first..first.saturating_add(TRIED))
                .find_map(|port| Local::listen(port).ok())
                .map_or_else(|| Local::listen(first), Ok),
        }
    }

    fn listen(port: u16) -> Result<Local, LocalError> {
        let listen = |reason: String| LocalError::Listen { port, reason };
        let server = Server::http((Ipv4Addr::LOCALHOST, port)).map_err(|error| listen(taken(&*error)))?;
        let address = server.server_addr().to_ip().ok_or_else(|| listen("gives no address".to_owned()))?;
        Ok(Local { server, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is asked to stop. `posts` says whether anything may be sent.
    ///
    /// # Errors
    /// Requests cannot be received any more.
    pub fn serve(
        &self,
        interrupt: &Interrupt,
        posts: bool,
        answer: &(dyn Fn(&Asked) -> Answer + Sync),
    ) -> Result<(), LocalError> {
        let work = || -> std::io::Result<()> {
            while !interrupt.requested() {
                if let Some(request) = self.server.recv_timeout(PATIENCE)? {
                    respond(request, posts, answer);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(ended) => ended.map_err(LocalError::from),
                Err(_) => Err(LocalError::Serve(std::io::Error::other("a thread that answers requests panicked"))),
            })
        })
    }
}

fn respond(mut request: Request, posts: bool, answer: &(dyn Fn(&Asked) -> Answer + Sync)) {
    let answer = answer_of(&mut request, posts, answer);
    let allow = (answer.code == 405).then(|| header("Allow", if posts { "GET, HEAD, POST" } else { "GET, HEAD" }));
    let cache = if answer.lasting && answer.code == 200 { "private, max-age=3600" } else { "no-store" };
    let mut response = Response::from_data(answer.content)
        .with_status_code(answer.code)
        .with_header(header("Content-Type", answer.kind))
        .with_header(header("Cache-Control", cache))
        .with_header(header("X-Content-Type-Options", "nosniff"))
        .with_header(header("Referrer-Policy", "no-referrer"));
    if let Some(allow) = allow {
        response = response.with_header(allow);
    }
    // Whoever asked may have gone.
    let _ = request.respond(response);
}

fn answer_of(request: &mut Request, posts: bool, answer: &(dyn Fn(&Asked) -> Answer + Sync)) -> Answer {
    // A page of another site, whose name leads here, must not read this one's answers.
    let named = |header: &Header| header.field.equiv("Host") && is_this_machine(header.value.as_str());
    if !request.headers().iter().any(named) {
        return Answer::plain(403, refused::ELSEWHERE);
    }
    let is_post = *request.method() == Method::Post;
    let reads = matches!(request.method(), Method::Get | Method::Head);
    if !(reads || is_post && posts) {
        return Answer::plain(405, if posts { refused::METHOD_OR_POST } else { refused::METHOD });
    }
    let (path, rest) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let path = path.split('#').next().unwrap_or_default().to_owned();
    let query = rest.split('#').next().unwrap_or_default().to_owned();
    let token = request.headers().iter().find(|header| header.field.equiv("X-Byol"));
    let token = token.map(|header| header.value.as_str().to_owned());
    let mut content = Vec::new();
    let read = request.as_reader().take(MOST_SENT + 1).read_to_end(&mut content);
    if read.is_err() || content.len() as u64 > MOST_SENT {
        return Answer::plain(413, refused::TOO_LONG);
    }
    answer(&Asked { is_post, path, query, token, content })
}

/// Why a port cannot be had, without the system's number for it.
fn taken(error: &(dyn std::error::Error + 'static)) -> String {
    use std::io::ErrorKind;
    match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(ErrorKind::AddrInUse) => "is in use by another program".to_owned(),
        Some(ErrorKind::PermissionDenied) => "needs rights that this user does not have".to_owned(),
        _ => format!("cannot be listened on ({error})"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost")
}

/// A header of plain ASCII, as all of these are.
fn header(name: &'static str, value: &'static str) -> Header {
    Header::from_bytes(name, value).expect("a header of plain ASCII")
}

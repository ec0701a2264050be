//! One file over HTTP: resumed where it ended, tried again when the connection is cut. What was downloaded is verified
//! by the caller.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode, Uri, header};
use ureq::{Agent, Body, Proxy};

use super::{FetchError, FetchOptions, FetchProgress};

/// New tries after a connection that brought less than [`WORTHWHILE`].
const RETRIES: u32 = 5;

/// A connection that brought this many bytes before it was cut starts the count of tries anew.
const WORTHWHILE: u64 = 1 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that sends nothing for this long counts as a cut connection.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a try ended early.
enum End {
    /// Another try may go on.
    Cut(String),
    /// No connection came about.
    Unreachable(String),
    Fatal(FetchError),
}

/// Downloads `url` to `part`, continuing what `part` holds.
pub(super) fn download(url: &str, part: &Path, options: &FetchOptions) -> Result<(), FetchError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("byol/", env!("CARGO_PKG_VERSION")))
        .proxy(proxy(url))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(SILENCE_TIMEOUT))
        .timeout_per_read(Some(SILENCE_TIMEOUT))
        .build();
    let mut attempt = Attempt { agent: Agent::new_with_config(config), url, part, options, received: 0 };
    let (mut failures, mut received_before) = (0, 0);
    loop {
        let reason = match attempt.run() {
            Ok(()) => return Ok(()),
            Err(End::Fatal(error)) => return Err(error),
            Err(End::Unreachable(reason)) if attempt.received == 0 => {
                let option = options.url_option;
                return Err(FetchError::Unreachable { url: url.into(), reason, option });
            }
            Err(End::Unreachable(reason) | End::Cut(reason)) => reason,
        };
        if attempt.received - received_before >= WORTHWHILE {
            failures = 0;
        }
        received_before = attempt.received;
        failures += 1;
        if failures > RETRIES {
            let bytes = part.metadata().map_or(0, |metadata| metadata.len());
            return Err(FetchError::Interrupted { url: url.into(), tries: failures, reason, part: part.into(), bytes });
        }
        options.report(FetchProgress::Retrying { attempt: failures, of: RETRIES, reason });
        thread::sleep(options.pause * 2u32.pow(failures - 1));
    }
}

/// The proxy that the environment names, except to this machine.
fn proxy(url: &str) -> Option<Proxy> {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    match host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        true => None,
        false => Proxy::try_from_env(),
    }
}

struct Attempt<'a> {
    agent: Agent,
    url: &'a str,
    part: &'a Path,
    options: &'a FetchOptions,
    /// Bytes of all tries together.
    received: u64,
}

impl Attempt<'_> {
    fn run(&mut self) -> Result<(), End> {
        let error = |source| End::Fatal(FetchError::Io { action: "write", path: self.part.to_path_buf(), source });
        let file = OpenOptions::new().append(true).create(true).open(self.part).map_err(error)?;
        let have = file.metadata().map_err(error)?.len();
        // A packed transfer would change the meaning of byte offsets.
        let mut request = self.agent.get(self.url).header(header::ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(|error| self.classify(error))?;
        let range = content_range(response.headers());
        match response.status() {
            StatusCode::PARTIAL_CONTENT if have > 0 && range.start == Some(have) => {
                self.receive(response.body_mut(), file, have)
            }
            // The server knows no ranges, or none was asked for.
            StatusCode::OK => {
                file.set_len(0).map_err(error)?;
                self.receive(response.body_mut(), file, 0)
            }
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 && range.total == Some(have) => Ok(()),
            status @ (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) => {
                file.set_len(0).map_err(error)?;
                Err(End::Cut(format!("the server answered {status} with another range, starting afresh")))
            }
            status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => {
                Err(End::Cut(format!("the server answered {status}")))
            }
            status if status.is_server_error() => Err(End::Cut(format!("the server answered {status}"))),
            status => {
                let (url, status) = (self.url.into(), status.to_string());
                Err(End::Fatal(FetchError::Refused { url, status, option: self.options.url_option }))
            }
        }
    }

    fn receive(&mut self, body: &mut Body, mut file: File, have: u64) -> Result<(), End> {
        let total = body.content_length().map(|length| have + length);
        let (mut done, mut buffer) = (have, vec![0; 1 << 18]);
        let mut reader = body.as_reader();
        loop {
            self.options.report(FetchProgress::Downloading { done, total });
            let count = match reader.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(End::Cut(error.to_string())),
            };
            if count == 0 {
                break;
            }
            file.write_all(&buffer[..count]).map_err(|error| End::Fatal(FetchError::io("write", self.part)(error)))?;
            done += count as u64;
            self.received += count as u64;
        }
        match total {
            Some(total) if done < total => Err(End::Cut(format!("it ended after {done} of {total} bytes"))),
            _ => Ok(()),
        }
    }

    fn classify(&self, error: ureq::Error) -> End {
        let reason = error.to_string();
        match error {
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => End::Unreachable(reason),
            ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => End::Unreachable(reason),
            ureq::Error::Io(cause) if is_unreachable(&cause) => End::Unreachable(reason),
            ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::Protocol(_) => End::Cut(reason),
            _ => {
                let option = self.options.url_option;
                End::Fatal(FetchError::Unreachable { url: self.url.into(), reason, option })
            }
        }
    }
}

/// Whether no connection came about. A name that could not be looked up has no kind of its own in std, but its text.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        || error.to_string().contains("lookup address")
}

/// `Content-Range: bytes START-END/TOTAL`, as far as it is given.
#[derive(Default)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

fn content_range(headers: &HeaderMap) -> ContentRange {
    let value = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Some((range, total)) = value.and_then(|value| value.trim().strip_prefix("bytes ")?.split_once('/')) else {
        return ContentRange::default();
    };
    let start = range.split_once('-').and_then(|(start, _)| start.trim().parse().ok());
    ContentRange { start, total: total.trim().parse().ok() }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    use super::*;

    #[test]
    fn a_name_that_nobody_knows_is_no_cut_connection() {
        // RFC 2606 keeps the domain free.
        let error = "nowhere.invalid:80".to_socket_addrs().unwrap_err();
        assert!(is_unreachable(&error), "{error}");
        assert!(!is_unreachable(&io::Error::from(io::ErrorKind::ConnectionReset)));
    }
}

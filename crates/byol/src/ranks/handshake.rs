//! How ranks meet, before anything else: each says who it is and what it was given, rank 0 compares, and all hear what it found.
//! Nearly every mistake in starting ranks would else end with all of them waiting for each other.

use std::thread::sleep;
use std::time::{Duration, Instant};

use byol_torch::group::{Place, Refused, Store};
use serde::{Deserialize, Serialize};

use super::error::{Mismatch, RanksError};
use super::work::Work;
use crate::config::Experiment;
use crate::config::resolve::differences;

const VERDICT: &str = "verdict";
const TROUBLE: &str = "trouble";
const HEARD: &str = "heard";
/// Rank 0 looks for those that have not come so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// It says for whom it waits so often.
const BETWEEN_NOTES: Duration = Duration::from_secs(30);
/// Rank 0 waits so long at most until the others have read that they do not fit.
const TO_BE_HEARD: Duration = Duration::from_secs(5);
/// The value of a key that is known to be there.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What a rank says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// How many ranks it counts.
    pub size: usize,
    /// The program's version, with that of libtorch.
    pub version: String,
    /// The command of the program.
    pub command: String,
    /// The resolved configuration as TOML; empty where rank 0's is to be taken.
    pub configuration: String,
    /// The name of its host.
    pub host: String,
    /// What tells hosts of one name apart.
    pub boot: String,
    /// The processor's cores that it may use.
    pub cores: String,
    /// The address where other ranks reach it, where only this host can.
    pub loopback: Option<String>,
}

/// What a rank knows of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The name of its host.
    pub host: String,
    /// How many ranks share its cores, itself included.
    pub sharing: usize,
}

/// What rank 0 has found.
#[derive(Serialize, Deserialize)]
struct Verdict {
    refused: Option<Mismatch>,
    peers: Vec<Peer>,
    /// Rank 0's configuration.
    configuration: String,
}

/// All ranks, once they have met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// In the order of the ranks.
    pub peers: Vec<Peer>,
    /// Rank 0's configuration.
    pub configuration: String,
}

/// How long rank 0 waits for the others, and who is told of it.
pub struct Patience<'a> {
    /// How long.
    pub limit: Duration,
    /// Told the ranks that have not come, now and then.
    pub note: &'a mut dyn FnMut(&[usize]),
}

/// Meets the others in a store.
///
/// # Errors
/// A rank does not fit, was started twice, or has not come; each rank has the same error. Or the store is gone.
pub fn meet(store: &Store, place: Place, own: &Hello, patience: Patience) -> Result<Met, RanksError> {
    let limit = patience.limit;
    let came = store.add(&format!("came/{}", place.rank), 1).map_err(RanksError::Unjoined)?;
    if came > 1 {
        let first =
            said::<Hello>(store, &hello_of(place.rank)).map_or_else(|_| "another host".into(), |first| first.host);
        let twice = Mismatch::Twice { rank: place.rank, first, second: own.host.clone() };
        say(store, TROUBLE, &twice).map_err(RanksError::Unjoined)?;
        return Err(twice.into());
    }
    say(store, &hello_of(place.rank), own).map_err(RanksError::Unjoined)?;
    if place.rank == 0 {
        let verdict = match gather(store, own, patience)? {
            Ok(hellos) => Verdict { refused: None, peers: peers(&hellos), configuration: own.configuration.clone() },
            Err(refused) => Verdict { refused: Some(refused), peers: Vec::new(), configuration: String::new() },
        };
        say(store, VERDICT, &verdict).map_err(RanksError::Unjoined)?;
        if verdict.refused.is_some() {
            wait_to_be_heard(store, own.size);
        }
        return verdict.told();
    }
    // Rank 0 may have begun to wait later; its own limit ends this.
    let told = store.get(VERDICT, limit * 2).map_err(|refused| RanksError::of(&refused, limit * 2, Work::Meeting))?;
    // Where nobody counts any more, nobody waits for it either.
    let _ = store.add(HEARD, 1);
    read::<Verdict>(&told).map_err(RanksError::Unjoined)?.told()
}

impl Verdict {
    fn told(self) -> Result<Met, RanksError> {
        match self.refused {
            Some(refused) => Err(refused.into()),
            None => Ok(Met { peers: self.peers, configuration: self.configuration }),
        }
    }
}

/// Until those who have come have read the verdict, or might have: the store may end with this process.
fn wait_to_be_heard(store: &Store, size: usize) {
    let come = (1..size).filter(|&rank| store.has(&hello_of(rank)).unwrap_or(false)).count() as i64;
    let began = Instant::now();
    while store.add(HEARD, 0).is_ok_and(|heard| heard < come) && began.elapsed() < TO_BE_HEARD {
        sleep(BETWEEN_LOOKS);
    }
}

fn hello_of(rank: usize) -> String {
    format!("hello/{rank}")
}

fn say(store: &Store, key: &str, what: &impl Serialize) -> Result<(), Refused> {
    let text = serde_json::to_vec(what).map_err(|error| Refused(error.to_string()))?;
    store.set(key, &text)
}

fn read<T: for<'t> Deserialize<'t>>(text: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(text).map_err(|error| Refused(error.to_string()))
}

fn said<T: for<'t> Deserialize<'t>>(store: &Store, key: &str) -> Result<T, Refused> {
    read(&store.get(key, AT_ONCE)?)
}

/// Everybody's hello, or the first thing that does not fit.
fn gather(store: &Store, own: &Hello, patience: Patience) -> Result<Result<Vec<Hello>, Mismatch>, RanksError> {
    let Patience { limit, note } = patience;
    let (began, mut noted) = (Instant::now(), Instant::now());
    let mut hellos = vec![None; own.size];
    hellos[0] = Some(own.clone());
    loop {
        let mut missing = Vec::new();
        for (rank, hello) in hellos.iter_mut().enumerate().filter(|(_, hello)| hello.is_none()) {
            match store.has(&hello_of(rank)).map_err(RanksError::Unjoined)? {
                true => {
                    let found: Hello = said(store, &hello_of(rank)).map_err(RanksError::Unjoined)?;
                    if let Some(mismatch) = compare(rank, &found, own) {
                        return Ok(Err(mismatch));
                    }
                    *hello = Some(found);
                }
                false => missing.push(rank),
            }
        }
        if store.has(TROUBLE).map_err(RanksError::Unjoined)? {
            return Ok(Err(said(store, TROUBLE).map_err(RanksError::Unjoined)?));
        }
        if missing.is_empty() {
            let hellos: Vec<Hello> = hellos.into_iter().flatten().collect();
            return Ok(elsewhere(&hellos).map_or(Ok(hellos), Err));
        }
        if began.elapsed() >= limit {
            return Ok(Err(Mismatch::Missing { ranks: missing, waited: limit }));
        }
        if noted.elapsed() >= BETWEEN_NOTES {
            note(&missing);
            noted = Instant::now();
        }
        sleep(BETWEEN_LOOKS);
    }
}

/// What of a rank does not fit rank 0.
fn compare(rank: usize, there: &Hello, here: &Hello) -> Option<Mismatch> {
    if there.size != here.size {
        return Some(Mismatch::Sizes { rank, there: there.size, here: here.size });
    }
    let differ = |there: &String, here: &String| (there != here).then(|| (there.clone(), here.clone()));
    if let Some((there, here)) = differ(&there.version, &here.version) {
        return Some(Mismatch::Versions { rank, there, here });
    }
    if let Some((there, here)) = differ(&there.command, &here.command) {
        return Some(Mismatch::Commands { rank, there, here });
    }
    if there.configuration.is_empty() || there.configuration == here.configuration {
        return None;
    }
    let [theirs, own] = [&there.configuration, &here.configuration].map(|text| Experiment::from_toml(text).ok());
    let found = differences(&theirs?, &own?).ok()?.into_iter().next()?;
    Some(Mismatch::Configurations { rank, key: found.key, there: found.a, here: found.b })
}

/// A rank that others on another host cannot reach.
fn elsewhere(hellos: &[Hello]) -> Option<Mismatch> {
    let alone = hellos.iter().enumerate().find_map(|(rank, hello)| Some((rank, hello, hello.loopback.clone()?)));
    let (rank, hello, address) = alone?;
    let other = hellos.iter().position(|other| other.boot != hello.boot)?;
    Some(Mismatch::Loopback { rank, address, other })
}

fn peers(hellos: &[Hello]) -> Vec<Peer> {
    let of = |hello: &Hello| {
        let same = |other: &&Hello| (&other.boot, &other.cores) == (&hello.boot, &hello.cores);
        Peer { host: hello.host.clone(), sharing: hellos.iter().filter(same).count() }
    };
    hellos.iter().map(of).collect()
}

impl Hello {
    /// Of this process: `command` of so many, with a configuration as TOML, which it may leave to rank 0.
    pub(super) fn of(size: usize, command: &str, configuration: &str, loopback: Option<String>) -> Hello {
        let first_line = |path: &str, begin: &str| {
            let text = std::fs::read_to_string(path).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(begin))?;
            Some(line.trim().to_owned())
        };
        let libtorch = byol_torch::about::about().version.unwrap_or_default();
        Hello {
            size,
            version: format!("{} with libtorch {libtorch}", crate::version()),
            command: command.to_owned(),
            configuration: configuration.to_owned(),
            host: crate::run::lock::host(),
            boot: first_line("/proc/sys/kernel/random/boot_id", "").unwrap_or_else(crate::run::lock::host),
            cores: first_line("/proc/self/status", "Cpus_allowed:").unwrap_or_default(),
            loopback,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(120);

    fn hello(size: usize) -> Hello {
        let configuration = Experiment::preset("demo").unwrap().to_toml().unwrap();
        Hello {
            host: "a".into(),
            boot: "1".into(),
            cores: "3".into(),
            ..Hello::of(size, "pretrain", &configuration, None)
        }
    }

    /// What each of these processes hears, which are threads; rank 0 comes last.
    fn meeting(hellos: Vec<(usize, Hello)>, limit: Duration) -> Vec<Result<Met, RanksError>> {
        let store = Store::in_process().unwrap();
        std::thread::scope(|scope| {
            let start = |(number, (rank, hello)): (usize, (usize, Hello))| {
                let store = store.under("").unwrap();
                scope.spawn(move || {
                    // One after the other, so that it is told which came first.
                    sleep(Duration::from_millis(200 * (number as u64 + 1)));
                    let place = Place { rank, size: hello.size };
                    meet(&store, place, &hello, Patience { limit, note: &mut |_| {} })
                })
            };
            let threads: Vec<_> = hellos.into_iter().enumerate().map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn sentences(hellos: Vec<(usize, Hello)>, limit: Duration) -> Vec<String> {
        meeting(hellos, limit).into_iter().map(|met| met.unwrap_err().to_string()).collect()
    }

    #[test]
    fn ranks_that_fit_know_each_other() {
        let cores = Hello { cores: "c".into(), ..hello(3) };
        let elsewhere = Hello { host: "b".into(), boot: "2".into(), ..hello(3) };
        let silent = Hello { configuration: String::new(), ..hello(3) };
        let peer = |host: &str, sharing| Peer { host: host.into(), sharing };
        let configuration = hello(3).configuration;
        for met in meeting(vec![(2, cores), (1, silent), (0, hello(3))], LONG) {
            let peers = vec![peer("a", 2), peer("a", 2), peer("a", 1)];
            assert_eq!(met, Ok(Met { peers, configuration: configuration.clone() }));
        }
        for met in meeting(vec![(1, elsewhere), (2, hello(3)), (0, hello(3))], LONG) {
            assert_eq!(met.unwrap().peers, [peer("a", 2), peer("b", 1), peer("a", 2)]);
        }
    }

    #[test]
    fn each_mistake_has_its_sentence_on_all_ranks() {
        let mut other = Experiment::preset("demo").unwrap();
        other.pretrain.batch_size /= 2;
        let here = Experiment::preset("demo").unwrap().pretrain.batch_size;
        let configured = Hello { configuration: other.to_toml().unwrap(), ..hello(2) };
        let own = hello(2);
        let cases = [
            (Hello { size: 3, ..hello(2) }, "rank 1 counts 3 processes, rank 0 counts 2".to_owned()),
            (
                Hello { version: "0.9 with libtorch 2.11.0".into(), ..hello(2) },
                format!("rank 1 runs byol 0.9 with libtorch 2.11.0, rank 0 byol {}", own.version),
            ),
            (
                Hello { command: "run".into(), ..hello(2) },
                "rank 1 was started as 'byol run', rank 0 as 'byol pretrain'".to_owned(),
            ),
            (
                configured,
                format!(
                    "rank 1 was given another configuration: pretrain.batch_size={}, rank 0 has {here}",
                    other.pretrain.batch_size
                ),
            ),
            (
                Hello { loopback: Some("127.0.0.1".into()), boot: "2".into(), ..hello(2) },
                "rank 1 knows its host as 127.0.0.1 only, and rank 0 is elsewhere; set GLOO_SOCKET_IFNAME to the network \
                 interface between the hosts"
                    .to_owned(),
            ),
        ];
        for (first, sentence) in cases {
            let found = sentences(vec![(1, first), (0, hello(2))], LONG);
            assert_eq!(found, [sentence.clone(), sentence]);
        }
    }

    #[test]
    fn a_rank_that_is_there_twice_and_one_that_is_missing() {
        let second = Hello { host: "b".into(), ..hello(3) };
        let found = sentences(vec![(1, hello(3)), (1, second), (0, hello(3))], LONG);
        assert_eq!(found, vec!["rank 1 was started twice (on a and b)"; 3]);
        let found = sentences(vec![(1, hello(4)), (0, hello(4))], Duration::from_secs(1));
        assert_eq!(found, vec!["ranks 2 and 3 have not come within 1 second"; 2]);
    }

    #[test]
    fn ranks_of_one_host_need_no_other_address_than_loopback() {
        let loopback = Hello { loopback: Some("127.0.0.1".into()), ..hello(2) };
        assert!(meeting(vec![(1, loopback.clone()), (0, loopback)], LONG).iter().all(Result::is_ok));
    }
}

//! Temporary files that the ranks of one host have together: one of them makes and writes each, and the others open it before its
//! name is removed, so that it ends with the last process that has it.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::{Ranks, RanksError, Together};
use crate::data::spool::{Companions, Sharing};

/// How often a rank looks whether another one has come so far.
const EVERY: Duration = Duration::from_millis(5);

/// The ranks of this host.
struct HostFiles {
    together: Arc<Together>,
    /// The first of them makes the files.
    ranks: Vec<usize>,
}

impl Ranks {
    /// The other ranks of this host, where there are any: they have temporary files of opened data together.
    #[doc(hidden)]
    pub fn companions(&self) -> Option<Arc<dyn Companions>> {
        let together = self.together.as_ref()?;
        let host = &together.peers.get(together.place.rank)?.host;
        let same = |rank: &usize| together.peers[*rank].host == *host;
        let ranks: Vec<usize> = (0..together.peers.len()).filter(same).collect();
        (ranks.len() > 1).then(|| Arc::new(HostFiles { together: Arc::clone(together), ranks }) as Arc<dyn Companions>)
    }

    /// That this rank has opened its data: it will ask for no further file, and nobody need wait for it.
    ///
    /// # Errors
    /// A rank is gone.
    #[doc(hidden)]
    pub fn has_opened(&self) -> Result<(), RanksError> {
        match &self.together {
            Some(together) => together.say(opened(together.place.rank), String::new()),
            None => Ok(()),
        }
    }
}

fn opened(rank: usize) -> String {
    format!("opened/{rank}")
}

impl Together {
    fn say(&self, key: String, value: String) -> Result<(), RanksError> {
        match self.asked(self.timeout, move |store| store.set(&key, value.as_bytes())) {
            Some(said) => said.map_err(|refused| self.told(&refused)),
            None => Err(RanksError::Silence { waited: self.timeout, work: self.work }),
        }
    }

    /// Waits for one of two keys; whether it was the first.
    fn either(&self, key: &str, other: &str) -> Result<bool, RanksError> {
        let begun = Instant::now();
        loop {
            if self.has(key)? {
                return Ok(true);
            }
            if self.has(other)? {
                // It may have come to both since.
                return self.has(key);
            }
            if begun.elapsed() > self.timeout {
                return Err(RanksError::Silence { waited: self.timeout, work: self.work });
            }
            sleep(EVERY);
        }
    }
}

impl HostFiles {
    /// A key about a file of this host.
    fn key(&self, what: &str, number: usize) -> String {
        format!("file/{}/{number}/{what}", self.ranks[0])
    }

    /// Makes the file, and removes its name when all others of this host have it.
    fn make(&self, number: usize) -> io::Result<(File, Sharing)> {
        let file = NamedTempFile::new()?;
        let path = file.path().to_str().ok_or_else(|| io::Error::other("the folder for temporary files is no text"))?;
        self.together.say(self.key("path", number), path.to_owned()).map_err(io::Error::other)?;
        for &rank in &self.ranks[1..] {
            self.together.either(&self.key(&rank.to_string(), number), &opened(rank)).map_err(io::Error::other)?;
        }
        Ok((file.into_file(), Sharing::Writes(number)))
    }

    /// Opens the file that the first has made, or makes an own one where it cannot be reached.
    fn join(&self, number: usize) -> io::Result<(File, Sharing)> {
        let path = self.key("path", number);
        let known = self.together.either(&path, &opened(self.ranks[0])).map_err(io::Error::other)?;
        let own = || tempfile::tempfile().map(|file| (file, Sharing::Own));
        if !known {
            return own();
        }
        let found = self.together.asked(self.together.timeout, move |store| store.get(&path, Duration::from_secs(1)));
        let found = found.and_then(Result::ok).and_then(|path| File::open(String::from_utf8(path).ok()?).ok());
        let seen = self.key(&self.together.place.rank.to_string(), number);
        self.together.say(seen, String::new()).map_err(io::Error::other)?;
        found.map_or_else(own, |file| Ok((file, Sharing::Reads(number))))
    }
}

impl Companions for HostFiles {
    fn next(&self) -> io::Result<(File, Sharing)> {
        let number = self.together.files.fetch_add(1, Ordering::Relaxed);
        match self.together.place.rank == self.ranks[0] {
            true => self.make(number),
            false => self.join(number),
        }
    }

    fn settle(&self, sharing: Sharing) -> io::Result<()> {
        let settled = match sharing {
            Sharing::Own => Ok(()),
            Sharing::Writes(number) => self.together.say(self.key("written", number), String::new()),
            Sharing::Reads(number) => {
                self.together.either(&self.key("written", number), &opened(self.ranks[0])).map(|_| ())
            }
        };
        settled.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;
    use crate::ranks::testing;

    /// Threads, as if they were of one host.
    fn host_files(ranks: &Ranks) -> HostFiles {
        HostFiles { together: Arc::clone(ranks.together.as_ref().unwrap()), ranks: (0..ranks.count()).collect() }
    }

    #[test]
    fn one_writes_what_all_read() {
        let read = testing::threads(3, |ranks| {
            let files = host_files(&ranks);
            let texts = ["first", "second"].map(|text| {
                let (mut file, sharing) = files.next().unwrap();
                match ranks.is_first() {
                    true => file.write_all(text.as_bytes()).unwrap(),
                    false => assert!(matches!(sharing, Sharing::Reads(_)), "{sharing:?}"),
                }
                files.settle(sharing).unwrap();
                let mut text = String::new();
                file.rewind().unwrap();
                file.read_to_string(&mut text).unwrap();
                text
            });
            ranks.wait_for_all().unwrap();
            texts
        });
        assert_eq!(read, vec![["first", "second"]; 3]);
    }

    /// Whoever opens other data is waited for by nobody, and waits for nobody.
    #[test]
    fn ranks_with_other_data_do_not_wait() {
        for who in 0..2 {
            let sharing = testing::threads(2, |ranks| {
                let asks = ranks.place().rank == who;
                let sharing = asks.then(|| host_files(&ranks).next().unwrap().1);
                ranks.has_opened().unwrap();
                ranks.wait_for_all().unwrap();
                sharing
            });
            let expected = if who == 0 { Sharing::Writes(0) } else { Sharing::Own };
            assert_eq!(sharing[who], Some(expected));
        }
    }

    #[test]
    fn threads_are_hosts_of_their_own() {
        assert!(Ranks::alone().companions().is_none());
        assert!(testing::threads(2, |ranks| ranks.companions().is_none()).into_iter().all(|none| none));
    }
}

//! Images that come into the folder while others of it are labelled: they are counted, so that the page can say so. Whoever begins again
//! is asked for them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Session;
use crate::data::folder::{is_image, name_within, walk};

/// The folder is searched so often,
const EVERY: Duration = Duration::from_secs(2);
/// or, where that takes long, after so many times as long.
const REST: u32 = 50;

impl Session {
    /// Counts the images that come into the folder, now and then, until [`Session::end`].
    pub fn look_for_added(&self) {
        // By names: what a link leads to has another path.
        let known: HashSet<&str> = self.names.iter().chain(&self.left_out).map(String::as_str).collect();
        let is_known =
            |path: &Path| known.contains(format!("{}{}", self.prefix, name_within(&self.folder, path)).as_str());
        let mut next = Instant::now();
        loop {
            let mut state = self.state();
            while !state.ended && Instant::now() < next {
                let left = next.saturating_duration_since(Instant::now());
                state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.ended {
                return;
            }
            drop(state);
            let begun = Instant::now();
            let files = walk(&self.folder).flatten().filter(|entry| entry.file_type().is_file());
            let added = files.filter(|entry| is_image(entry.path()) && !is_known(entry.path())).count();
            next = Instant::now() + EVERY.max(REST * begun.elapsed());
            let mut state = self.state();
            if state.added != added {
                state.added = added;
                state.changed();
            }
        }
    }
}

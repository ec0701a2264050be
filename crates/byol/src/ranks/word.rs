//! Words through the store: why a rank has left. A store whose host is gone does not answer, and libtorch's client would wait for it
//! without end; here nobody waits longer than he says.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use byol_torch::group::{Refused, Store};

use super::{RanksError, Together};

/// Why a rank has ended.
const FAILED: &str = "failed";
/// How long the store may take to say that.
const TO_ANSWER: Duration = Duration::from_secs(2);

impl Together {
    /// What a function makes of the store; nothing where that does not answer within `limit`. What waits for it then ends with the
    /// process.
    pub(super) fn asked<T: Send + 'static>(
        &self,
        limit: Duration,
        ask: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Option<T> {
        let (store, (answer, answered)) = (Arc::clone(&self.store), mpsc::channel());
        std::thread::spawn(move || {
            let answer_of_store = ask(&store);
            // Whoever waits may have the last store, which must end with it.
            drop(store);
            let _ = answer.send(answer_of_store);
        });
        answered.recv_timeout(limit).ok()
    }

    /// Tells the others why this rank leaves; where the store is gone, nobody can be told.
    pub(super) fn leave_word(&self, told: String) {
        let _ = self.asked(TO_ANSWER, move |store| store.set(FAILED, told.as_bytes()));
    }

    /// Whether one of two keys has a value: `key`, or the word of a rank that has left.
    ///
    /// # Errors
    /// A rank has left, or the store does not answer.
    pub(super) fn has(&self, key: &str) -> Result<bool, RanksError> {
        let key = key.to_owned();
        let found = self.asked(self.timeout, move |store| Ok::<_, Refused>((store.has(&key)?, store.has(FAILED)?)));
        match found {
            None => Err(RanksError::Silence { waited: self.timeout, work: self.work }),
            Some(Err(refused)) => Err(self.told(&refused)),
            Some(Ok((false, true))) => Err(self.told(&Refused(String::new()))),
            Some(Ok((has, _))) => Ok(has),
        }
    }

    /// What a refusal means: the word that another rank has left, or what can be told from it.
    pub(super) fn told(&self, refused: &Refused) -> RanksError {
        let word = self.asked(TO_ANSWER, |store| match store.has(FAILED) {
            Ok(true) => store.get(FAILED, Duration::from_secs(1)).ok(),
            _ => None,
        });
        match word.flatten() {
            Some(word) => RanksError::Failed { told: String::from_utf8_lossy(&word).into_owned(), work: self.work },
            None => RanksError::of(refused, self.timeout, self.work),
        }
    }
}

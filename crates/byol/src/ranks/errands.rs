//! What rank 0 asks the others to compute with it. Rank 0 alone knows what a run is to do next; the others wait for its word, and
//! for as long as it works by itself: through the store, for which there is no limit of time while it answers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ranks, RanksError, Together};

/// How often a rank asks whether there is an errand.
const EVERY: Duration = Duration::from_millis(10);

impl Ranks {
    /// Rank 0 gives the others an errand, which it goes about with them; nothing where it is alone.
    ///
    /// # Errors
    /// A rank is gone.
    pub(crate) fn give<T: Serialize + DeserializeOwned>(&self, errand: T) -> Result<(), RanksError> {
        let Some(together) = self.together.as_ref().filter(|_| self.is_first()) else { return Ok(()) };
        let key = together.next();
        let set = together.asked(together.timeout, move |store| store.set(&key, b"given"));
        match set {
            Some(set) => set.map_err(|refused| together.told(&refused))?,
            None => return Err(RanksError::Silence { waited: together.timeout, work: together.work }),
        }
        self.value_of_first(Some(errand)).map(|_| ())
    }

    /// The next errand, which a rank that is not the first waits for.
    ///
    /// # Errors
    /// A rank is gone.
    pub(crate) fn take<T: Serialize + DeserializeOwned>(&self) -> Result<Option<T>, RanksError> {
        let Some(together) = self.together.as_ref().filter(|_| !self.is_first()) else { return Ok(None) };
        let key = together.next();
        while !together.has(&key)? {
            std::thread::sleep(EVERY);
        }
        self.value_of_first(None)
    }
}

impl Together {
    fn next(&self) -> String {
        format!("errand/{}", self.errands.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use crate::ranks::{Ranks, testing};

    #[test]
    fn errands_come_in_order_however_long_it_takes() {
        testing::threads(3, |ranks| {
            if ranks.is_first() {
                for errand in ["a", "b"] {
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    ranks.give(errand.to_owned()).unwrap();
                }
            } else {
                let taken = [(); 2].map(|()| ranks.take::<String>().unwrap().unwrap());
                assert_eq!(taken, ["a", "b"]);
            }
        });
        assert_eq!(Ranks::alone().give(1), Ok(()));
        assert_eq!(Ranks::alone().take::<i32>(), Ok(None));
    }
}

//! `--sweep`: one thing of a measurement that takes several values.

use std::str::FromStr;

use byol::nearest::hint;

/// Threads that libtorch is asked for at most.
pub const MOST_THREADS: usize = 1024;

/// Images of a measured set at most: every one of them has its number in memory, for each thread.
pub const MOST_IMAGES: usize = 100_000_000;

/// What can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepKey {
    BatchSize,
    ImageSize,
    Threads,
    SetSize,
}

impl SweepKey {
    const ALL: [SweepKey; 4] = [SweepKey::BatchSize, SweepKey::ImageSize, SweepKey::Threads, SweepKey::SetSize];

    pub fn name(self) -> &'static str {
        match self {
            SweepKey::BatchSize => "batch_size",
            SweepKey::ImageSize => "image_size",
            SweepKey::Threads => "threads",
            SweepKey::SetSize => "set_size",
        }
    }

    /// The largest value; sizes of batches and images have their limits in the configuration.
    fn most(self) -> usize {
        match self {
            SweepKey::BatchSize | SweepKey::ImageSize => usize::MAX,
            SweepKey::Threads => MOST_THREADS,
            SweepKey::SetSize => MOST_IMAGES,
        }
    }
}

/// A key with the values to measure at, each at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    pub key: SweepKey,
    pub values: Vec<usize>,
}

/// A sweep that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    #[error("must be of the form KEY=N,N,..., as in batch_size=16,64,256")]
    Form,
    #[error(
        "there is no '{name}' to sweep; there are batch_size, image_size, threads and set_size{}",
        hint(name, SweepKey::ALL.map(SweepKey::name))
    )]
    Key { name: String },
    #[error("'{0}' is not a whole number, 1 or more")]
    Value(String),
    #[error("{value} is more than {most}")]
    TooMuch { value: usize, most: usize },
}

impl FromStr for Sweep {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Sweep, SweepError> {
        let (name, values) = text.split_once('=').ok_or(SweepError::Form)?;
        let key = SweepKey::ALL.into_iter().find(|key| key.name() == name);
        let key = key.ok_or_else(|| SweepError::Key { name: name.to_owned() })?;
        let value = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(SweepError::Value(text.to_owned())),
            Ok(value) if value > key.most() => Err(SweepError::TooMuch { value, most: key.most() }),
            Ok(value) => Ok(value),
        };
        let values = values.split(',').map(value).collect::<Result<_, _>>()?;
        Ok(Sweep { key, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_a_key_and_numbers() {
        let sweep = Sweep { key: SweepKey::SetSize, values: vec![1000, 1_000_000] };
        assert_eq!("set_size=1000,1000000".parse(), Ok(sweep));
        let error = |text: &str| text.parse::<Sweep>().unwrap_err();
        assert_eq!(error("threads"), SweepError::Form);
        assert_eq!(error("batch=3"), SweepError::Key { name: "batch".to_owned() });
        assert_eq!(error("threads=0"), SweepError::Value("0".to_owned()));
        assert_eq!(error("threads=9999"), SweepError::TooMuch { value: 9999, most: MOST_THREADS });
        assert_eq!(error("threads=1,,2"), SweepError::Value(String::new()));
    }
}

//! Which stored values are black and white, where an image holds more than the 256 levels that networks here see. One choice
//! for all images of a run, never one for each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is laid over the levels 0 to 255. Images of eight bits or fewer stay as they are, whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Levels {
    /// Everything that the file's type can hold: 0 to 65535 for 16 bits, -32768 to 32767 where they are signed, 0 to 1 for
    /// floating values.
    #[default]
    Full,
    /// 0 to 2^bits - 1: what a camera of so many bits counts to, whatever it is stored in.
    Bits(u8),
    /// From the value that is black to the one that is white; what lies outside is cut off.
    Between {
        /// The stored value that becomes level 0.
        black: f64,
        /// The stored value that becomes level 255; above `black`.
        white: f64,
    },
}

/// Text that is no [`Levels`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("full, a number of bits such as 12bit, or the values of black and white such as 0..4095")]
pub struct LevelsError;

impl fmt::Display for Levels {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Levels::Full => write!(formatter, "full"),
            Levels::Bits(bits) => write!(formatter, "{bits}bit"),
            Levels::Between { black, white } => write!(formatter, "{black}..{white}"),
        }
    }
}

impl FromStr for Levels {
    type Err = LevelsError;

    fn from_str(text: &str) -> Result<Self, LevelsError> {
        let text = text.trim();
        if text == "full" {
            return Ok(Levels::Full);
        }
        if let Some(bits) = text.strip_suffix("bit") {
            let bits = bits.trim_end_matches(['-', ' ']).parse().ok();
            return bits.filter(|bits| (1..=32).contains(bits)).map(Levels::Bits).ok_or(LevelsError);
        }
        let (black, white) = text.split_once("..").ok_or(LevelsError)?;
        let value = |text: &str| text.trim().parse().ok().filter(|value: &f64| value.is_finite());
        match (value(black), value(white)) {
            (Some(black), Some(white)) if black < white => Ok(Levels::Between { black, white }),
            _ => Err(LevelsError),
        }
    }
}

impl TryFrom<String> for Levels {
    type Error = LevelsError;

    fn try_from(text: String) -> Result<Self, LevelsError> {
        text.parse()
    }
}

impl From<Levels> for String {
    fn from(levels: Levels) -> String {
        levels.to_string()
    }
}

/// What one sample of an image is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// Whole numbers of so many bits.
    Unsigned(u8),
    /// Whole numbers of so many bits, half of them negative.
    Signed(u8),
    /// Floating-point numbers, 0 to 1 by convention.
    Floating,
}

impl SampleKind {
    /// The values that [`Levels::Full`] makes black and white.
    pub fn range(self) -> (f64, f64) {
        match self {
            SampleKind::Unsigned(bits) => (0.0, 2f64.powi(bits.into()) - 1.0),
            SampleKind::Signed(bits) => {
                let half = 2f64.powi(i32::from(bits) - 1);
                (-half, half - 1.0)
            }
            SampleKind::Floating => (0.0, 1.0),
        }
    }
}

/// From stored values to levels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    black: f64,
    span: f64,
}

impl Levels {
    /// The values of black and white for samples of a kind.
    pub fn range(self, kind: SampleKind) -> (f64, f64) {
        match self {
            Levels::Full => kind.range(),
            Levels::Bits(bits) => SampleKind::Unsigned(bits).range(),
            Levels::Between { black, white } => (black, white),
        }
    }

    /// The way from samples of that kind to levels.
    pub fn scale(self, kind: SampleKind) -> Scale {
        let (black, white) = self.range(kind);
        Scale { black, span: white - black }
    }
}

impl Scale {
    /// The nearest level; what is no number is black.
    pub fn level(self, value: f64) -> u8 {
        // A conversion to `u8` cuts off below 0 and above 255.
        ((value - self.black) * 255.0 / self.span + 0.5) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, levels) in [
            ("full", Levels::Full),
            ("10bit", Levels::Bits(10)),
            ("0..4095", Levels::Between { black: 0.0, white: 4095.0 }),
            ("-1000..3000.5", Levels::Between { black: -1000.0, white: 3000.5 }),
        ] {
            assert_eq!((text.parse(), levels.to_string().as_str()), (Ok(levels), text));
        }
        assert_eq!("12-bit".parse(), Ok(Levels::Bits(12)));
        for text in ["", "0bit", "33bit", "bit", "12", "5..5", "9..1", "0..", "0..inf", "NaN..1", "Full range"] {
            assert_eq!(text.parse::<Levels>(), Err(LevelsError), "{text}");
        }
    }

    #[test]
    fn ranges_are_laid_over_the_levels() {
        let level = |levels: Levels, kind, value| levels.scale(kind).level(value);
        let sixteen = SampleKind::Unsigned(16);
        for value in 0..=u16::MAX {
            // Exact in whole numbers.
            let nearest = (u32::from(value) + 128) / 257;
            assert_eq!(u32::from(level(Levels::Full, sixteen, value.into())), nearest, "{value}");
        }
        assert_eq!(
            [0.0, 511.0, 512.0, 1023.0, 5000.0].map(|v| level(Levels::Bits(10), sixteen, v)),
            [0, 127, 128, 255, 255]
        );
        let between = Levels::Between { black: 100.0, white: 1200.0 };
        assert_eq!([0.0, 100.0, 650.0, 1200.0].map(|v| level(between, sixteen, v)), [0, 0, 128, 255]);
        assert_eq!([-32768.0, 0.0, 32767.0].map(|v| level(Levels::Full, SampleKind::Signed(16), v)), [0, 128, 255]);
        let floating = [f64::NAN, f64::NEG_INFINITY, 0.0, 0.5, 1.0, f64::INFINITY];
        assert_eq!(floating.map(|v| level(Levels::Full, SampleKind::Floating, v)), [0, 0, 0, 128, 255, 255]);
    }
}

//! How much of their range the images of a set use, so that none is emptied by decoding without a word: ten bits in a file of
//! sixteen leave four levels of 256.

use std::collections::BTreeMap;

use super::Image;
use super::decode::deep::Stored;
use super::levels::{Levels, SampleKind};

/// Channels whose levels are nearer to each other than this, but for one in a thousand at either end, show nothing.
const ONE_LEVEL: f64 = 4.0;

/// Images of fewer pixels may well be of one colour.
const JUDGED_PIXELS: usize = 256;

/// What is less than this of the range from black to white is a small part of it: fourteen bits of sixteen, and what is below.
const SMALL_PART: f64 = 0.25;

/// Floating values beyond 0 to 1 by less than this are rounding, or highlights.
const BEYOND: f64 = 0.05;

/// Of the images of one set.
#[derive(Clone, Debug, Default)]
pub struct Depths {
    images: usize,
    /// How many are of (nearly) one level.
    flat: usize,
    /// Images of more than eight bits, by what their samples are.
    kinds: BTreeMap<SampleKind, Used>,
}

/// The values that images use.
#[derive(Clone, Copy, Debug)]
struct Used {
    images: usize,
    /// How many use a small part of what lies between black and white.
    narrow: usize,
    /// How many have values beyond black or white.
    beyond: usize,
    low: f64,
    high: f64,
}

impl Depths {
    /// Of one image as it was decoded.
    pub fn of(image: &Image, stored: Option<Stored>, levels: Levels) -> Self {
        Depths { flat: is_flat(image).into(), ..Self::of_stored(stored, levels) }
    }

    /// The same, without a look at the levels that came of it.
    pub fn of_stored(stored: Option<Stored>, levels: Levels) -> Self {
        let kinds = stored.map(|Stored { kind, low, high }| {
            let (black, white) = levels.range(kind);
            let slack = BEYOND * (white - black);
            let narrow = (high - low) < SMALL_PART * (white - black);
            let beyond = low < black - slack || high > white + slack;
            (kind, Used { images: 1, narrow: narrow.into(), beyond: beyond.into(), low, high })
        });
        Depths { images: 1, flat: 0, kinds: kinds.into_iter().collect() }
    }

    pub fn join(&mut self, other: Depths) {
        self.images += other.images;
        self.flat += other.flat;
        for (kind, used) in other.kinds {
            self.kinds.entry(kind).and_modify(|all| all.join(used)).or_insert(used);
        }
    }

    /// How many images the choice of levels concerns.
    pub fn deep(&self) -> usize {
        self.kinds.values().map(|used| used.images).sum()
    }

    /// What the images hold, one sentence each.
    pub fn notes(&self, levels: Levels) -> Vec<String> {
        let note = |(&kind, used): (&SampleKind, &Used)| {
            let (black, white) = levels.range(kind);
            let narrow = match used.narrow {
                0 => String::new(),
                narrow => format!("; {narrow} use less than a quarter of that"),
            };
            format!(
                "{} of {} images have {} with {}; {} to {} become black to white{narrow}",
                used.images,
                self.images,
                kind.words(),
                used.span(kind),
                kind.shown(black),
                kind.shown(white)
            )
        };
        self.kinds.iter().map(note).collect()
    }

    /// What is wrong with the levels, one sentence each, with the remedy.
    pub fn warnings(&self, levels: Levels) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .kinds
            .iter()
            .filter_map(|(&kind, used)| used.warning(kind, levels, &used.remedy(kind, levels)))
            .collect();
        if self.flat > 0 {
            let (are, show) = if self.flat == 1 { ("is", "shows") } else { ("are", "show") };
            let images = format!("{} of {} images {are}", self.flat, self.images);
            warnings.push(format!("{images} (nearly) of one level throughout and {show} nothing"));
        }
        warnings
    }

    /// The same where a network that was trained with these levels reads files.
    pub fn warnings_of_answers(&self, levels: Levels) -> Vec<String> {
        let remedy =
            format!("the network was trained with the levels {levels}, so its answers to these may mean nothing");
        self.kinds.iter().filter_map(|(&kind, used)| used.warning(kind, levels, &remedy)).collect()
    }
}

impl Used {
    fn join(&mut self, other: Used) {
        self.images += other.images;
        self.narrow += other.narrow;
        self.beyond += other.beyond;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    fn warning(&self, kind: SampleKind, levels: Levels, remedy: &str) -> Option<String> {
        let (black, white) = levels.range(kind);
        let (words, span) = (kind.words(), self.span(kind));
        let range = format!("{} to {}, which become black to white", kind.shown(black), kind.shown(white));
        let one = levels.scale(kind);
        let left = usize::from(one.level(self.high) - one.level(self.low)) + 1;
        if self.high - self.low < SMALL_PART * (white - black) {
            return Some(format!(
                "{} images of {words} use {span} of {range}, so that {left} of 256 levels are left; {remedy}",
                self.images
            ));
        }
        // Of types with an end, what lies beyond black or white was left out by choice.
        if self.beyond > 0 {
            return Some(format!(
                "{} of {} images of {words} have values outside {range} (they use {span}); {remedy}",
                self.beyond, self.images
            ));
        }
        // Two sources, perhaps, that no choice for all of them fits.
        (2 * self.narrow >= self.images && self.images > 1).then(|| {
            format!(
                "{} of {} images of {words} use less than a quarter of {range}, and others more; if they come from another \
                 source, bring them to the same range",
                self.narrow, self.images
            )
        })
    }

    fn remedy(&self, kind: SampleKind, levels: Levels) -> String {
        let exact =
            Levels::Between { black: kind.rounded(self.low, f64::floor), white: kind.rounded(self.high, f64::ceil) };
        if self.high <= self.low {
            return "look at the files".to_owned();
        }
        // What a sensor of so many bits counts to; a range that begins far from 0 is none.
        let bits = [8, 10, 12, 14, 16].into_iter().find(|&bits| self.high <= Levels::Bits(bits).range(kind).1);
        let counted = kind != SampleKind::Floating && self.low >= 0.0 && self.low < self.high / 2.0;
        let first = bits
            .map(Levels::Bits)
            .filter(|found| counted && *found != levels && found.range(kind) != levels.range(kind));
        match first {
            Some(bits) => format!(
                "--set levels={bits} makes all of them visible if that is what was recorded (levels={exact} is what is used; \
                 of `byol data`, --levels)"
            ),
            None => format!("--set levels={exact} lays what is used over all levels (of `byol data`, --levels)"),
        }
    }

    fn span(&self, kind: SampleKind) -> String {
        format!("values {} to {}", kind.shown(self.low), kind.shown(self.high))
    }
}

impl SampleKind {
    fn words(self) -> String {
        match self {
            SampleKind::Unsigned(bits) => format!("{bits} bits"),
            SampleKind::Signed(bits) => format!("{bits} bits, signed"),
            SampleKind::Floating => "floating values".to_owned(),
        }
    }

    /// Three digits of a floating value are enough to choose by.
    fn rounded(self, value: f64, toward: fn(f64) -> f64) -> f64 {
        if self != SampleKind::Floating || value == 0.0 {
            return value;
        }
        let unit = 10f64.powf(value.abs().log10().floor() - 2.0);
        format!("{:.2e}", toward(value / unit) * unit).parse().unwrap_or(value)
    }

    fn shown(self, value: f64) -> String {
        self.rounded(value, f64::round).to_string()
    }
}

fn is_flat(image: &Image) -> bool {
    let area = image.width * image.height;
    area >= JUDGED_PIXELS
        && image.pixels.chunks_exact(area).all(|plane| {
            let stored = Stored::of(SampleKind::Unsigned(8), area, |place| plane[place].into());
            stored.is_some_and(|Stored { low, high, .. }| high - low < ONE_LEVEL)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIXTEEN: SampleKind = SampleKind::Unsigned(16);

    fn image(levels: impl Fn(usize) -> u8) -> Image {
        Image { width: 32, height: 32, pixels: (0..3 * 1024).map(levels).collect() }
    }

    fn of(kind: SampleKind, spans: &[(f64, f64)], levels: Levels) -> Depths {
        let mut all = Depths::default();
        for &(low, high) in spans {
            all.join(Depths::of(&image(|place| place as u8), Some(Stored { kind, low, high }), levels));
        }
        all
    }

    #[test]
    fn a_small_part_of_the_range_is_told_with_the_bits_that_fit() {
        let text = of(SIXTEEN, &[(0.0, 900.0), (3.0, 1023.0)], Levels::Full).warnings(Levels::Full).concat();
        assert!(text.contains("2 images of 16 bits use values 0 to 1023 of 0 to 65535"), "{text}");
        assert!(text.contains("5 of 256 levels") && text.contains("--set levels=10bit"), "{text}");
        for (high, fits) in [(255.0, "8bit"), (1200.0, "12bit"), (4095.0, "12bit"), (16_383.0, "14bit")] {
            let text = of(SIXTEEN, &[(100.0, high)], Levels::Full).warnings(Levels::Full).concat();
            assert!(
                text.contains(&format!("levels={fits} ")) && text.contains(&format!("levels=100..{high}")),
                "{text}"
            );
        }
        let text = of(SIXTEEN, &[(30_000.0, 34_000.0)], Levels::Full).warnings(Levels::Full).concat();
        assert!(text.contains("--set levels=30000..34000") && !text.contains("bit "), "{text}");
        assert!(of(SIXTEEN, &[(0.0, 40_000.0)], Levels::Full).warnings(Levels::Full).is_empty());
    }

    #[test]
    fn levels_that_were_chosen_are_judged_as_well() {
        let twelve = Levels::Bits(12);
        assert!(of(SIXTEEN, &[(0.0, 3000.0)], twelve).warnings(twelve).is_empty());
        let text = of(SIXTEEN, &[(0.0, 60_000.0)], twelve).warnings(twelve).concat();
        assert!(text.contains("1 of 1 images of 16 bits have values outside 0 to 4095"), "{text}");
        assert!(text.contains("--set levels=16bit"), "{text}");
    }

    #[test]
    fn floating_values_are_told_where_they_leave_0_to_1() {
        let kind = SampleKind::Floating;
        assert!(of(kind, &[(0.0, 1.0), (-0.01, 1.03)], Levels::Full).warnings(Levels::Full).is_empty());
        let text = of(kind, &[(0.0, 812.345)], Levels::Full).warnings(Levels::Full).concat();
        assert!(text.contains("--set levels=0..813"), "{text}");
        let text = of(kind, &[(0.000_123_4, 0.012_345)], Levels::Full).warnings(Levels::Full).concat();
        assert!(text.contains("--set levels=0.000123..0.0124"), "{text}");
    }

    #[test]
    fn one_level_is_told_whatever_it_is_stored_as() {
        let flat = |levels: &dyn Fn(usize) -> u8| Depths::of(&image(levels), None, Levels::Full).flat == 1;
        assert!(flat(&|place| (place % 4) as u8));
        assert!(!flat(&|place| (place % 5) as u8));
        // Colours may differ from each other; a stray pixel shows nothing.
        assert!(flat(&|place| (place / 1024) as u8 * 80));
        assert!(flat(&|place| if place % 1024 == 7 { 255 } else { 0 }));
        assert!(!flat(&|place| if place % 1024 < 20 { 255 } else { 0 }));
        let text = Depths::of(&image(|_| 9), None, Levels::Full).warnings(Levels::Full).concat();
        assert_eq!(text, "1 of 1 images is (nearly) of one level throughout and shows nothing");
    }

    #[test]
    fn two_sources_are_told_apart() {
        let text = of(SIXTEEN, &[(0.0, 4000.0), (0.0, 60_000.0)], Levels::Full).warnings(Levels::Full).concat();
        assert!(text.contains("1 of 2 images of 16 bits use less than a quarter"), "{text}");
        let notes = of(SIXTEEN, &[(0.0, 4000.0), (0.0, 60_000.0)], Levels::Full).notes(Levels::Full).concat();
        assert!(
            notes
                .contains("2 of 2 images have 16 bits with values 0 to 60000; 0 to 65535 become black to white; 1 use"),
            "{notes}"
        );
    }
}

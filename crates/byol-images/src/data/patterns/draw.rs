//! Drawing one image: what differs within a class (position, slant, scale, bends, light, tint, blur, noise, small
//! occluders), and the pixels. The figures themselves are in [`super::figure`].
//!
//! Most of it is what augmented views change as well (position, scale, brightness, contrast, tint, blur) or is weak.
//! The slant is not: it takes the full circle, and the bends change it only a little from place to place.

use rand::Rng;

use super::figure::Figure;
use super::wave::{cosine, sine};

/// The side, in pixels, that lengths below are given for; images of another side show the same, finer or coarser.
const REFERENCE_SIDE: f32 = 32.0;

/// Occluders in an image, at most.
const OCCLUDERS: usize = 2;

/// A slow wave over the image.
struct Swell {
    x: f32,
    y: f32,
    turn: f32,
    strength: f32,
}

impl Swell {
    /// `length`: its wavelength in pixels of the reference side.
    fn draw(length: [f32; 2], strength: [f32; 2], draws: &mut Draws<impl Rng>) -> Self {
        let direction = draws.between([0.0, 1.0]);
        let frequency = 1.0 / draws.between(length);
        Swell {
            x: cosine(direction) * frequency,
            y: sine(direction) * frequency,
            turn: draws.between([0.0, 1.0]),
            strength: draws.between(strength),
        }
    }

    #[inline]
    fn at(&self, x: f32, y: f32) -> f32 {
        self.strength * sine(x * self.x + y * self.y + self.turn)
    }
}

/// A small plain disc in front of the figure.
#[derive(Clone, Copy, Default)]
struct Occluder {
    x: f32,
    y: f32,
    radius: f32,
    level: f32,
}

/// Everything that is drawn once for an image.
struct Look {
    figure: Figure,
    /// Cosine and sine of the slant, divided by the period in pixels.
    across: [f32; 2],
    offset: [f32; 2],
    bends: [Swell; 2],
    /// How steep edges are: blur the other way round.
    edge: f32,
    /// Added to the figure's height: how thick its lines are.
    weight: f32,
    base: f32,
    contrast: f32,
    fading: Swell,
    light: Swell,
    /// Colour of the ground and of the figure: what each channel adds to grey.
    tint: [[f32; 3]; 2],
    noise: f32,
    occluders: [Occluder; OCCLUDERS],
}

impl Look {
    fn draw(figure: Figure, draws: &mut Draws<impl Rng>) -> Self {
        let period = draws.between([4.4, 6.4]) * figure.period();
        let slant = draws.between([0.0, 1.0]);
        let hue = draws.between([0.0, 1.0]);
        let nearby = hue + draws.between([-0.1, 0.1]);
        let saturation = draws.between([0.0, 0.03]);
        let contrast = draws.between([0.14, 0.28]);
        let mut look = Look {
            figure,
            across: [cosine(slant) / period, sine(slant) / period],
            offset: [draws.between([0.0, 8.0]), draws.between([0.0, 8.0])],
            bends: [Swell::draw([26.0, 46.0], [0.5, 2.0], draws), Swell::draw([26.0, 46.0], [0.5, 2.0], draws)],
            edge: draws.between([1.2, 2.6]),
            weight: draws.between([-0.1, 0.1]),
            base: draws.between([0.44, 0.56]),
            contrast,
            fading: Swell::draw([24.0, 48.0], [0.0, 0.4], draws),
            light: Swell::draw([30.0, 70.0], [0.0, 0.06], draws),
            tint: [tint(hue, saturation), tint(nearby, saturation)],
            noise: contrast * draws.between([0.05, 0.3]),
            occluders: [Occluder::default(); OCCLUDERS],
        };
        let count = draws.between([0.0, OCCLUDERS as f32 + 1.0]) as usize;
        for occluder in look.occluders.iter_mut().take(count) {
            let half = REFERENCE_SIDE / 2.0;
            *occluder = Occluder {
                x: draws.between([-half, half]),
                y: draws.between([-half, half]),
                radius: draws.between([1.5, 3.5]),
                level: draws.between([0.3, 0.7]),
            };
        }
        look
    }

    /// Fills `line` with the points of one row: `y` and the columns' `xs` in pixels of the reference side.
    fn line(&self, xs: &[f32], y: f32, line: &mut Line) {
        for (&x, (u, v)) in xs.iter().zip(line.u.iter_mut().zip(&mut line.v)) {
            let bent = [x + self.bends[0].at(x, y), y + self.bends[1].at(x, y)];
            *u = bent[0] * self.across[0] - bent[1] * self.across[1] + self.offset[0];
            *v = bent[0] * self.across[1] + bent[1] * self.across[0] + self.offset[1];
        }
        self.figure.heights(&line.u, &line.v, &mut line.ink);
        for (&x, (ink, grey)) in xs.iter().zip(line.ink.iter_mut().zip(&mut line.grey)) {
            *ink = ((*ink + self.weight) * self.edge).clamp(-1.0, 1.0);
            *grey = self.base + self.light.at(x, y) + self.contrast * (1.0 + self.fading.at(x, y)) * *ink;
        }
    }

    /// Puts the occluders in front; there the tint is midway between that of the ground and that of the figure.
    fn occlude(&self, xs: &[f32], y: f32, line: &mut Line) {
        for occluder in &self.occluders {
            let reach = occluder.radius * occluder.radius - (y - occluder.y) * (y - occluder.y);
            for (&x, (ink, grey)) in xs.iter().zip(line.ink.iter_mut().zip(&mut line.grey)) {
                if (x - occluder.x) * (x - occluder.x) < reach {
                    (*ink, *grey) = (0.0, occluder.level);
                }
            }
        }
    }
}

/// One row of an image on its way: one value per column.
struct Line {
    /// Position in periods of the figure.
    u: Vec<f32>,
    v: Vec<f32>,
    /// -1 ground, 1 figure.
    ink: Vec<f32>,
    /// The level without tint and noise, 0-1.
    grey: Vec<f32>,
    noise: Vec<f32>,
}

impl Line {
    fn new(side: usize) -> Self {
        let zeros = || vec![0.0; side];
        Line { u: zeros(), v: zeros(), ink: zeros(), grey: zeros(), noise: zeros() }
    }
}

/// Draws the image that `rng` stands for into `pixels`: uint8, `[3, side, side]`.
pub(super) fn draw(figure: Figure, side: usize, rng: &mut impl Rng, pixels: &mut [u8]) {
    let mut draws = Draws { rng };
    let look = Look::draw(figure, &mut draws);
    let position = |place: usize| (place as f32 + 0.5) * (REFERENCE_SIDE / side as f32) - REFERENCE_SIDE / 2.0;
    let xs: Vec<f32> = (0..side).map(position).collect();
    let mut line = Line::new(side);
    for row in 0..side {
        let y = position(row);
        look.line(&xs, y, &mut line);
        look.occlude(&xs, y, &mut line);
        for noise in &mut line.noise {
            *noise = look.noise * draws.noise();
        }
        for channel in 0..3 {
            let [ground, figure] = look.tint.map(|tint| tint[channel]);
            let (middle, swing) = (0.5 * (figure + ground), 0.5 * (figure - ground));
            let out = &mut pixels[(channel * side + row) * side..][..side];
            for (column, out) in out.iter_mut().enumerate() {
                let value = line.grey[column] + line.noise[column];
                *out = level(value + middle + swing * line.ink[column]);
            }
        }
    }
}

/// What a hue (in turns) adds to the channels of a grey; sums to about 0.
fn tint(hue: f32, saturation: f32) -> [f32; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|third| saturation * cosine(hue - third))
}

#[inline]
fn level(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// Numbers from a generator's raw words, so that they change with neither a library's version nor the platform.
struct Draws<'a, R> {
    rng: &'a mut R,
}

impl<R: Rng> Draws<'_, R> {
    /// A number from `low..=high`.
    #[inline]
    fn between(&mut self, [low, high]: [f32; 2]) -> f32 {
        let unit = (self.rng.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32);
        low + (high - low) * unit
    }

    /// A number of mean 0 and deviation 1, nearly normal: the sum of four uniform ones.
    #[inline]
    fn noise(&mut self) -> f32 {
        let word = self.rng.next_u64();
        let part = |shift: u32| word >> shift & 0xffff;
        let sum = part(0) + part(16) + part(32) + part(48);
        // Each has variance 65536^2 / 12.
        (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
    }
}

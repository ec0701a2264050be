//! Drawing one picture: what differs within a class (position, slant, scale, bends, light, tint, blur, noise, small
//! occluders), and the pixels. The figures themselves are in [`super::figure`].
//!
//! Everything drawn once for the whole picture is either something that the augmented views change as well (scale,
//! position, brightness, contrast, tint, blur) or changes from place to place in the picture (slant, contrast, light),
//! so that two crops of one picture have the class in common and little else.

use rand::Rng;

use super::figure::Figure;
use super::wave::{cosine, sine};

/// The side, in pixels, that lengths below are given for; pictures of another side show the same, finer or coarser.
const REFERENCE_SIDE: f32 = 32.0;

/// Occluders in a picture, at most.
const OCCLUDERS: usize = 3;

/// A slow wave over the picture.
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

/// Everything that is drawn once for a picture.
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
        let period = draws.between([4.2, 6.8]) * figure.period();
        let slant = draws.between([0.0, 1.0]);
        let hue = draws.between([0.0, 1.0]);
        let nearby = hue + draws.between([-0.1, 0.1]);
        let saturation = draws.between([0.0, 0.04]);
        let sign = if draws.between([0.0, 1.0]) < 0.5 { -1.0 } else { 1.0 };
        let mut look = Look {
            figure,
            across: [cosine(slant) / period, sine(slant) / period],
            offset: [draws.between([0.0, 8.0]), draws.between([0.0, 8.0])],
            bends: [
                Swell::draw([26.0, 46.0], [1.0, 3.0], draws),
                Swell::draw([26.0, 46.0], [1.0, 3.0], draws),
            ],
            edge: draws.between([0.8, 2.6]),
            weight: draws.between([-0.2, 0.2]),
            base: draws.between([0.36, 0.64]),
            contrast: sign * draws.between([0.05, 0.22]),
            fading: Swell::draw([24.0, 48.0], [0.0, 0.6], draws),
            light: Swell::draw([30.0, 70.0], [0.0, 0.22], draws),
            tint: [tint(hue, saturation), tint(nearby, saturation)],
            noise: draws.between([0.02, 0.12]),
            occluders: [Occluder::default(); OCCLUDERS],
        };
        let count = draws.between([0.0, OCCLUDERS as f32 + 1.0]) as usize;
        for occluder in look.occluders.iter_mut().take(count) {
            let half = REFERENCE_SIDE / 2.0;
            *occluder = Occluder {
                x: draws.between([-half, half]),
                y: draws.between([-half, half]),
                radius: draws.between([1.5, 4.0]),
                level: draws.between([0.2, 0.8]),
            };
        }
        look
    }

    /// Red, green and blue, 0-1, at a point in pixels of the reference side from the centre.
    fn color(&self, x: f32, y: f32) -> [f32; 3] {
        for occluder in &self.occluders {
            let (dx, dy) = (x - occluder.x, y - occluder.y);
            if dx * dx + dy * dy < occluder.radius * occluder.radius {
                return [occluder.level; 3];
            }
        }
        let bent = [x + self.bends[0].at(x, y), y + self.bends[1].at(x, y)];
        let u = bent[0] * self.across[0] - bent[1] * self.across[1] + self.offset[0];
        let v = bent[0] * self.across[1] + bent[1] * self.across[0] + self.offset[1];
        let height = (self.figure.height(u, v) + self.weight) * self.edge;
        let ink = height.clamp(-1.0, 1.0);
        let level = self.base + self.light.at(x, y) + self.contrast * (1.0 + self.fading.at(x, y)) * ink;
        let share = 0.5 + 0.5 * ink;
        [0, 1, 2].map(|channel| {
            let [ground, figure] = [self.tint[0][channel], self.tint[1][channel]];
            level + ground + (figure - ground) * share
        })
    }
}

/// Draws the picture that `rng` stands for into `pixels`: uint8, `[3, side, side]`.
pub(super) fn draw(figure: Figure, side: usize, rng: &mut impl Rng, pixels: &mut [u8]) {
    let mut draws = Draws { rng };
    let look = Look::draw(figure, &mut draws);
    let plane = side * side;
    let step = REFERENCE_SIDE / side as f32;
    let middle = REFERENCE_SIDE / 2.0;
    for row in 0..side {
        let y = (row as f32 + 0.5) * step - middle;
        for column in 0..side {
            let x = (column as f32 + 0.5) * step - middle;
            let noise = look.noise * draws.noise();
            for (channel, value) in look.color(x, y).into_iter().enumerate() {
                pixels[channel * plane + row * side + column] = level(value + noise);
            }
        }
    }
}

/// What a hue (in turns) adds to the channels of a grey; sums to about 0.
fn tint(hue: f32, saturation: f32) -> [f32; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|third| saturation * cosine(hue - third))
}

fn level(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// Numbers from a generator's raw words, so that they change with neither a library's version nor the platform.
struct Draws<'a, R> {
    rng: &'a mut R,
}

impl<R: Rng> Draws<'_, R> {
    /// A number from `low..=high`.
    fn between(&mut self, [low, high]: [f32; 2]) -> f32 {
        let unit = (self.rng.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32);
        low + (high - low) * unit
    }

    /// A number of mean 0 and deviation 1, nearly normal: the sum of four uniform ones.
    fn noise(&mut self) -> f32 {
        let word = self.rng.next_u64();
        let sum: u64 = [0, 16, 32, 48].into_iter().map(|shift| word >> shift & 0xffff).sum();
        // Each has variance 65536^2 / 12.
        (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
    }
}

//! Simulated SAR target chips: ten classes of vehicles that do not exist, for tests and examples.
//!
//! **Simulated, not measured.** No class is any real vehicle, and accuracy on these chips says nothing about
//! real radar data. What the simulator keeps of the real thing is what makes the task one for a network:
//!
//! - A target is a body with **point scatterers** at fixed places, each seen only within a lobe of **aspect**
//!   angles, with a random phase each time, so that neighbors interfere.
//! - Every scatterer spreads by a **windowed sinc**, the impulse response of a band-limited radar.
//! - The body and the ground return **multiplicative speckle** (circular complex Gaussian), the ground with
//!   slow texture: **clutter**.
//! - A **shadow** falls behind the target, away from the radar, as long as the depression angle and the height
//!   say; only noise returns from it.
//! - Depression angle, position, gain, scatterer strength and drop-outs vary from chip to chip, and bright discrete clutter
//!   appears anywhere.
//!
//! Classes come in families that share a hull and most of its scatterers, so that telling them apart takes
//! more than the outline.
//!
//! Everything about a chip is determined by `(seed, split, index)`: its class is `index % 10`.

use std::f64::consts::TAU;

use crate::{Chip, ImageSet, Random, Sample, Samples, Split};

/// Rows and columns of a chip, in pixels.
pub const SIDE: usize = 64;

/// Class names; families of two or three share a hull.
pub const CLASSES: [&str; 10] = [
    "aspen-1",
    "aspen-2",
    "birch-1",
    "birch-2",
    "birch-3",
    "cedar-1",
    "cedar-2",
    "cedar-3",
    "dogwood-1",
    "dogwood-2",
];

/// Family of each class, and length, width and height of its hull in pixels.
const HULLS: [(u64, f64, f64, f64); 10] = [
    (0, 16.0, 9.0, 3.6),
    (0, 18.0, 9.5, 4.6),
    (1, 20.0, 11.0, 4.0),
    (1, 21.5, 10.0, 5.0),
    (1, 22.5, 11.5, 4.4),
    (2, 24.5, 9.5, 4.8),
    (2, 25.5, 10.5, 3.8),
    (2, 27.0, 10.0, 5.4),
    (3, 29.0, 12.0, 4.4),
    (3, 30.0, 13.0, 5.6),
];

/// Half width of the impulse response, in pixels.
const REACH: isize = 4;

/// The simulator: its seed and how many chips each split has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SarSim {
    /// Chooses the targets and every chip.
    pub seed: u64,
    /// Training chips.
    pub n_train: usize,
    /// Validation chips.
    pub n_validation: usize,
    /// Test chips.
    pub n_test: usize,
}

impl Default for SarSim {
    fn default() -> Self {
        Self { seed: 1, n_train: 3000, n_validation: 500, n_test: 1000 }
    }
}

impl SarSim {
    /// Number of chips of a split.
    pub fn n_chips(&self, split: Split) -> usize {
        match split {
            Split::Train => self.n_train,
            Split::Validation => self.n_validation,
            Split::Test => self.n_test,
        }
    }

    /// All chips of a split.
    pub fn load(&self, split: Split) -> ImageSet {
        self.load_first(split, self.n_chips(split))
    }

    /// The first `n` chips of a split (`n` may exceed [`Self::n_chips`]).
    pub fn load_first(&self, split: Split, n: usize) -> ImageSet {
        use rayon::prelude::*;
        let targets: Vec<Target> =
            (0..CLASSES.len()).map(|class| Target::new(self.seed, class)).collect();
        let sample = |idx: usize| Sample {
            name: format!("{split}/{idx}"),
            label: idx % CLASSES.len(),
            chip: render(&targets[idx % CLASSES.len()], &mut self.stream(split, idx)),
        };
        ImageSet {
            classes: CLASSES.map(str::to_owned).to_vec(),
            samples: (0..n).into_par_iter().map(sample).collect(),
            notes: Vec::new(),
        }
    }

    fn stream(&self, split: Split, idx: usize) -> Random {
        Random::new(&[self.seed, STREAM_CHIP, split as u64, idx as u64])
    }
}

const STREAM_FAMILY: u64 = 0;
const STREAM_CLASS: u64 = 1;
const STREAM_CHIP: u64 = 2;

/// A point that returns the radar's pulse.
#[derive(Debug, Clone, Copy)]
struct Scatterer {
    /// Along the hull, from its center, in pixels.
    along: f64,
    /// Across the hull, in pixels.
    across: f64,
    /// Amplitude; the ground's standard deviation is 1.
    amplitude: f64,
    /// Aspect at which it is brightest, in turns.
    lobe_center: f64,
    /// Half width of the lobe, in turns.
    lobe_width: f64,
}

impl Scatterer {
    fn random(random: &mut Random, length: f64, width: f64) -> Self {
        // Most edges and corners of a hull lie near its outline.
        let (mut along, mut across) = (random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5));
        if random.unit() < 0.5 {
            if random.unit() < 0.5 {
                along = 0.5_f64.copysign(along);
            } else {
                across = 0.5_f64.copysign(across);
            }
        }
        Self {
            along: along * length,
            across: across * width,
            amplitude: libm::exp(random.uniform(1.6, 3.2)),
            lobe_center: random.unit(),
            lobe_width: random.uniform(0.12, 0.45),
        }
    }

    /// Amplitude seen at an aspect, in turns: a raised cosine within the lobe, a faint rest outside.
    fn seen_at(&self, aspect: f64) -> f64 {
        let mut turns = aspect - self.lobe_center;
        turns -= turns.round();
        let inside = (turns / self.lobe_width).abs();
        let lobe = if inside < 1.0 { 0.5 + 0.5 * libm::cos(TAU * 0.5 * inside) } else { 0.0 };
        self.amplitude * (0.15 + 0.85 * lobe)
    }
}

/// One class: a hull and its scatterers.
#[derive(Debug, Clone)]
struct Target {
    length: f64,
    width: f64,
    height: f64,
    scatterers: Vec<Scatterer>,
}

impl Target {
    /// Scatterers that a family has in common.
    const N_SHARED: usize = 12;
    /// Scatterers of the class alone.
    const N_OWN: usize = 12;

    fn new(seed: u64, class: usize) -> Self {
        let (family, length, width, height) = HULLS[class];
        let mut shared = Random::new(&[seed, STREAM_FAMILY, family]);
        let mut own = Random::new(&[seed, STREAM_CLASS, class as u64]);
        let mut scatterers = Vec::with_capacity(Self::N_SHARED + Self::N_OWN);
        scatterers
            .extend((0..Self::N_SHARED).map(|_| Scatterer::random(&mut shared, length, width)));
        scatterers.extend((0..Self::N_OWN).map(|_| Scatterer::random(&mut own, length, width)));
        Self { length, width, height, scatterers }
    }

    /// Whether a point of the target's own frame is on the hull.
    fn covers(&self, along: f64, across: f64) -> bool {
        along.abs() <= 0.5 * self.length && across.abs() <= 0.5 * self.width
    }
}

/// A complex image of `SIDE` x `SIDE`.
struct Field {
    real: Vec<f64>,
    imaginary: Vec<f64>,
}

impl Field {
    /// Circular complex Gaussian speckle of unit power.
    fn speckle(random: &mut Random) -> Self {
        let mut draw = || {
            (0..SIDE * SIDE).map(|_| random.normal() * std::f64::consts::FRAC_1_SQRT_2).collect()
        };
        Self { real: draw(), imaginary: draw() }
    }

    /// Adds a point at (`row`, `column`), spread by the radar's impulse response.
    fn add_point(&mut self, row: f64, column: f64, amplitude: f64, phase: f64) {
        let (sin, cos) = libm::sincos(TAU * phase);
        let (center_row, center_column) = (row.round() as isize, column.round() as isize);
        for r in center_row - REACH..=center_row + REACH {
            for c in center_column - REACH..=center_column + REACH {
                if !(0..SIDE as isize).contains(&r) || !(0..SIDE as isize).contains(&c) {
                    continue;
                }
                let spread = impulse(r as f64 - row) * impulse(c as f64 - column) * amplitude;
                let idx = r as usize * SIDE + c as usize;
                self.real[idx] += spread * cos;
                self.imaginary[idx] += spread * sin;
            }
        }
    }
}

/// Sinc of a resolution of 1.4 pixels under a Hann window.
fn impulse(distance: f64) -> f64 {
    let reach = REACH as f64 + 0.5;
    if distance.abs() >= reach {
        return 0.0;
    }
    let x = TAU * 0.5 * distance / 1.4;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { libm::sin(x) / x };
    sinc * (0.5 + 0.5 * libm::cos(TAU * 0.5 * distance / reach))
}

/// Where the target stands on a chip and how it is seen.
struct Pose {
    sin: f64,
    cos: f64,
    row: f64,
    column: f64,
}

impl Pose {
    /// Point of the target's frame at a pixel.
    fn to_target(&self, row: f64, column: f64) -> (f64, f64) {
        let (down, right) = (row - self.row, column - self.column);
        (down * self.sin + right * self.cos, down * self.cos - right * self.sin)
    }

    /// Pixel of a point of the target's frame.
    fn to_chip(&self, along: f64, across: f64) -> (f64, f64) {
        (
            self.row + along * self.sin + across * self.cos,
            self.column + along * self.cos - across * self.sin,
        )
    }
}

/// Draws one chip. The radar is above the image: range grows with the row, and shadows fall downward.
fn render(target: &Target, random: &mut Random) -> Chip {
    let aspect = random.unit();
    let (sin, cos) = libm::sincos(TAU * aspect);
    let center = (SIDE / 2) as f64 - 0.5;
    let pose = Pose {
        sin,
        cos,
        row: center - 3.0 + random.uniform(-3.0, 3.0),
        column: center + random.uniform(-3.0, 3.0),
    };
    let depression = random.uniform(15.0, 17.0);
    let shadow_length = target.height / libm::tan(depression * (TAU / 360.0));

    let mut field = Field::speckle(random);
    let texture = Texture::new(random);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let (r, c) = (row as f64, column as f64);
            let (along, across) = pose.to_target(r, c);
            let level = if target.covers(along, across) {
                1.3
            } else if in_shadow(target, &pose, r, c, shadow_length) {
                0.3
            } else {
                texture.level(r, c)
            };
            let idx = row * SIDE + column;
            field.real[idx] *= level;
            field.imaginary[idx] *= level;
        }
    }
    for scatterer in &target.scatterers {
        // Every draw is made whether or not it is used, so that chips of two classes differ by the class alone.
        let (seen, jitter, phase) =
            (random.unit() >= 0.05, libm::exp(0.25 * random.normal()), random.unit());
        let (shift_along, shift_across) = (0.25 * random.normal(), 0.25 * random.normal());
        if seen {
            let (row, column) =
                pose.to_chip(scatterer.along + shift_along, scatterer.across + shift_across);
            field.add_point(row, column, scatterer.seen_at(aspect) * jitter, phase);
        }
    }
    for _ in 0..random.below(4) {
        let (row, column) = (random.uniform(0.0, SIDE as f64), random.uniform(0.0, SIDE as f64));
        field.add_point(row, column, libm::exp(random.uniform(0.5, 1.8)), random.unit());
    }
    let gain = 18.0 * libm::exp(0.25 * random.normal());
    let magnitude =
        |(re, im): (&f64, &f64)| (libm::hypot(*re, *im) * gain).round().min(255.0) as u8;
    let samples = field.real.iter().zip(&field.imaginary).map(magnitude).collect();
    Chip::new(SIDE, SIDE, 1, Samples::Eight(samples))
}

/// Whether the hull lies between the radar and this pixel, within reach of its shadow.
fn in_shadow(target: &Target, pose: &Pose, row: f64, column: f64, shadow_length: f64) -> bool {
    let steps = shadow_length.ceil() as usize;
    (1..=steps).any(|step| {
        let up = (step as f64).min(shadow_length);
        let (along, across) = pose.to_target(row - up, column);
        target.covers(along, across)
    })
}

/// Slow variation of the ground's strength.
struct Texture {
    waves: [(f64, f64, f64); 3],
}

impl Texture {
    fn new(random: &mut Random) -> Self {
        let mut wave = || (random.uniform(-0.06, 0.06), random.uniform(-0.06, 0.06), random.unit());
        Self { waves: [wave(), wave(), wave()] }
    }

    fn level(&self, row: f64, column: f64) -> f64 {
        let wave = |&(down, right, phase): &(f64, f64, f64)| {
            libm::cos(TAU * (down * row + right * column + phase))
        };
        libm::exp(0.15 * self.waves.iter().map(wave).sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_are_the_same_on_every_machine() {
        let sim = SarSim::default();
        let hash = |split| sim.load_first(split, 20).sha256();
        assert_eq!(
            hash(Split::Train),
            "a79c63b52e662d8623192810058dedc13e70c2978bc3807c1a237ec37c786ccb"
        );
        assert_eq!(
            hash(Split::Test),
            "0ca5e855f4219c8f871e22c26a5dcfa4f107e32da3c0a4b70ea25769774e95ad"
        );
    }

    #[test]
    fn a_chip_depends_on_seed_split_and_index_alone() {
        let sim = SarSim::default();
        let many = sim.load_first(Split::Train, 30);
        let few = sim.load_first(Split::Train, 20);
        assert_eq!(many.samples[..20], few.samples[..]);
        assert_ne!(many.samples[0].chip, sim.load_first(Split::Test, 1).samples[0].chip);
        assert_ne!(many.samples[0].chip, many.samples[10].chip);
        let other = SarSim { seed: 2, ..sim };
        assert_ne!(many.samples[0].chip, other.load_first(Split::Train, 1).samples[0].chip);
    }

    #[test]
    fn targets_are_bright_and_shadows_dark() {
        let set = SarSim::default().load_first(Split::Train, 200);
        let mean = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
            let pixels = rows.flat_map(|r| columns.clone().map(move |c| (r, c)));
            let values: Vec<f64> = pixels
                .flat_map(|(r, c)| {
                    set.samples.iter().map(move |s| f64::from(s.chip.sample(r, c, 0)) / 257.0)
                })
                .collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let (target, ground, shadow) =
            (mean(24..34, 27..37), mean(0..8, 0..64), mean(42..47, 29..35));
        assert!(target > 1.3 * ground, "target {target}, ground {ground}");
        assert!(shadow < 0.7 * ground, "shadow {shadow}, ground {ground}");
    }

    #[test]
    fn impulse_response_is_one_at_its_center_and_has_side_lobes() {
        assert_eq!(impulse(0.0), 1.0);
        assert!(impulse(1.4).abs() < 1e-12);
        assert!(impulse(2.0) < -0.05);
        assert_eq!(impulse(4.5), 0.0);
    }
}

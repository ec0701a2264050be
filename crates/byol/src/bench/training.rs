//! The loop that measures a training: a first step, steps that warm up, and windows of steps that are counted.

use std::time::Instant;

use tch::Tensor;

use super::{Arithmetic, BenchOptions, BenchResult, Breakdown, Together, machine};
use crate::device::{self, Hardware};
use crate::loader::{self, Batches, ImageSet, Schedule, ViewGroup};
use crate::ranks::Waited;
use crate::train::TrainError;
use crate::train::phases::{Phase, PhaseTimes};

/// Steps that a GPU's breakdown is made of.
const BREAKDOWN_STEPS: usize = 10;

/// A part of a step's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Part {
    pub fn is_last(self) -> bool {
        self.number + 1 == self.of
    }
}

/// What is trained.
pub trait Trainee {
    /// Computes one part of a step, after the last one the optimiser's step too.
    fn part(&mut self, images: &[Tensor], indices: &[usize], part: Part);

    /// Measures from here on how long the phases of a step take.
    fn measure_phases(&self);

    /// What has been measured since then.
    fn take_phases(&self) -> Option<PhaseTimes>;
}

/// What it is trained on.
pub struct Input {
    pub image_set: ImageSet,
    pub views: Vec<ViewGroup>,
    pub schedule: Schedule,
    /// Floating-point operations of a step per image.
    pub flops_per_image: u64,
}

/// Whether the parts of a step are measured, for which a GPU must be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Measured,
    Unmeasured,
}

/// Seconds of some steps.
struct Window {
    steps: usize,
    seconds: f64,
    idle: f64,
    transfer: f64,
    /// In collective functions.
    waited: Waited,
    phases: Option<PhaseTimes>,
}

impl Window {
    /// Milliseconds of a step.
    fn per_step(&self, seconds: f64) -> f64 {
        1000.0 * seconds / self.steps.max(1) as f64
    }

    /// `rendering` is the processor time of a step's views in seconds.
    fn breakdown(&self, rendering: f64) -> Option<Breakdown> {
        let phases = self.phases?;
        let phase = |phase| self.per_step(phases[phase]);
        Some(Breakdown {
            idle_ms: self.per_step(self.idle),
            transfer_ms: self.per_step(self.transfer),
            target_forward_ms: Some(phase(Phase::TargetForward)).filter(|spent| *spent > 0.0),
            online_forward_ms: phase(Phase::OnlineForward),
            backward_ms: phase(Phase::Backward),
            optimizer_ms: phase(Phase::Optimizer),
            average_ms: Some(phase(Phase::Average)).filter(|spent| *spent > 0.0),
            other_ms: self.per_step(self.seconds - self.idle - self.transfer - phases.total()),
            step_ms: self.per_step(self.seconds),
            render_ms: 1000.0 * rendering,
        })
    }
}

struct Run<'a> {
    hardware: &'a Hardware,
    batches: Batches,
    parts: usize,
    trainee: &'a mut dyn Trainee,
}

impl Run<'_> {
    fn window(&mut self, steps: usize, parts: Parts) -> Result<Window, TrainError> {
        let device = self.hardware.device;
        let (mut idle, mut transfer) = (0.0, 0.0);
        if parts == Parts::Measured {
            self.trainee.measure_phases();
        }
        self.hardware.ranks.take_waited();
        let begun = Instant::now();
        for _ in 0..steps {
            for number in 0..self.parts {
                let asked = Instant::now();
                let Some(batch) = self.batches.next() else { continue };
                let batch = batch?;
                let ready = Instant::now();
                if parts == Parts::Measured {
                    device::finish(device);
                }
                idle += (ready - asked).as_secs_f64();
                transfer += ready.elapsed().as_secs_f64();
                self.trainee.part(&batch.images, &batch.indices, Part { number, of: self.parts });
            }
        }
        device::finish(device);
        let seconds = begun.elapsed().as_secs_f64();
        let waited = self.hardware.ranks.take_waited();
        Ok(Window { steps, seconds, idle, transfer, waited, phases: self.trainee.take_phases() })
    }
}

pub fn run(
    hardware: &Hardware,
    options: BenchOptions,
    input: Input,
    trainee: &mut dyn Trainee,
) -> Result<BenchResult, TrainError> {
    let Input { mut image_set, views, schedule, flops_per_image } = input;
    image_set.make_resident()?;
    let (side, set_size) = (views.first().map_or(0, |group| group.sides.full()), image_set.source.len());
    let (batch_size, parts) = (schedule.batch_size, schedule.parts);
    let warmup_steps = options.warmup_steps.max(1);
    let extra_steps = if hardware.device.is_cuda() { BREAKDOWN_STEPS } else { 0 };
    let steps = warmup_steps + options.steps + extra_steps;
    // Workers go on rendering to the end: what they did ahead of the counted steps they do again for later ones.
    let batches = loader::scheduled(image_set, views, schedule, 0..steps + 2 * hardware.threads, hardware.threads);
    let mut run = Run { hardware, batches, parts, trainee };

    run.window(1, Parts::Unmeasured)?;
    let first_step_seconds = machine::process_age();
    run.window(warmup_steps - 1, Parts::Unmeasured)?;
    // Only a GPU is slowed down by measuring parts.
    let on_cpu = extra_steps == 0;
    let counted = run.window(options.steps, if on_cpu { Parts::Measured } else { Parts::Unmeasured })?;
    let memory = machine::memory();
    let rendering = run.batches.render_time().as_secs_f64() * parts as f64;
    let broken_down = if on_cpu { None } else { Some(run.window(extra_steps, Parts::Measured)?) };

    let images_per_second = (options.steps * batch_size) as f64 / counted.seconds.max(1e-9);
    let gflop_per_image = flops_per_image as f64 / 1e9;
    let gflops = images_per_second * gflop_per_image;
    let matmul_gflops = machine::matmul_gflops(hardware);
    Ok(BenchResult {
        images_per_second,
        batch_size,
        image_size: side,
        set_size,
        threads: hardware.threads,
        steps: options.steps,
        hardware: hardware.to_string(),
        step_ms: counted.per_step(counted.seconds),
        waiting_ms: counted.per_step(counted.idle),
        computing_ms: counted.per_step(counted.seconds - counted.idle),
        breakdown: broken_down.as_ref().unwrap_or(&counted).breakdown(rendering),
        arithmetic: Some(Arithmetic {
            gflop_per_image,
            gflops,
            matmul_gflops,
            share_of_matmul: gflops / matmul_gflops,
        }),
        evaluation_images_per_second: None,
        memory,
        first_step_seconds,
        beside: None,
        together: (!hardware.ranks.is_alone()).then(|| Together {
            processes: hardware.ranks.count(),
            collective_ms: counted.per_step(counted.waited.all.as_secs_f64()),
            gradient_ms: counted.per_step(counted.waited.for_means.as_secs_f64()),
            images_per_second_of_one: 0.0,
            efficiency: 0.0,
        }),
    })
}

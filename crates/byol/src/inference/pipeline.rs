//! From image files to rows of numbers, on every core.
//!
//! On the CPU each thread takes a batch of files, reads, decodes and resizes them, and computes the network's answers by
//! itself, with one thread of libtorch's. So some threads decode while others compute, nobody waits for the slowest part
//! of an operation, and no two pools of threads compete for the cores. On a GPU the threads prepare batches, and the
//! calling thread has them computed.
//!
//! A file is decoded once, whatever number of its views the network sees ([`Network::views`]); these go through it together.
//!
//! The order of the rows is that of the files, and a row does not depend on the number of threads. `divided` does the same by
//! several processes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use byol_kernels::views::layout::Input;
use half::bf16;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::InferenceError;
use super::network::Network;
use crate::augment::{FixedViews, Normalization, Renderer};
use crate::data::decode::{self, Detail};
use crate::data::depths::Depths;
use crate::data::error::ImageProblem;
use crate::data::{DataNote, Image, Levels};
use crate::device::Precision;
use crate::element::TensorElement;

/// How the work is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Files whose views go through the network together.
    pub batch_size: usize,
    /// Threads that read, decode and resize, and on the CPU compute, 1 or more.
    pub threads: usize,
}

impl Division {
    /// Batches of as many views as suit the network's device, and of all views of a file at least.
    pub fn fitting(network: &Network, threads: usize) -> Division {
        let batch_size = (network.fitting_batch() / network.views().count()).max(1);
        Division { batch_size, threads }
    }
}

/// What became of one file.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The network's answers for the file's views, one after the other: [`Network::columns`] values for each of
    /// [`Network::views`].
    Row(&'a [f32]),
    /// It cannot be read or decoded.
    Unreadable(ImageProblem),
}

/// Where the time went. The parts are sums over the threads: together they are at most `threads` times `elapsed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Timing {
    /// Images that were answered.
    pub images: usize,
    /// Files that could not be read or decoded.
    pub unreadable: usize,
    /// Threads that worked.
    pub threads: usize,
    /// From the first file to the last row.
    pub elapsed: Duration,
    /// Files into memory.
    pub read: Duration,
    /// Encoded bytes to pixels.
    pub decode: Duration,
    /// Resizing, cropping and normalising.
    pub resize: Duration,
    /// The network. On a GPU one thread waits for it.
    pub forward: Duration,
    /// Threads that waited for rows to be taken, or for one another.
    pub waiting: Duration,
    /// How much of their range the files use.
    depths: Depths,
}

impl Timing {
    /// Images that were answered per second of `elapsed`.
    pub fn images_per_second(&self) -> f64 {
        self.images as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// What a person should know of the files together, one sentence each.
    pub fn warnings(&self, network: &Network) -> Vec<DataNote> {
        self.depths.warnings_of_answers(network.levels())
    }

    /// Work that was done after this, or beside it.
    pub(super) fn add(&mut self, other: &Timing) {
        self.depths.join(other.depths.clone());
        self.read += other.read;
        self.decode += other.decode;
        self.resize += other.resize;
        self.forward += other.forward;
        self.waiting += other.waiting;
    }
}

/// Computes the network's answer for every file and hands them to `deliver` in the order of the files, from the calling
/// thread. A file that cannot be read stops nothing.
///
/// # Errors
/// The first error of `deliver`, after which nothing more is read.
pub fn run<E: From<InferenceError>>(
    network: &Network,
    files: &[PathBuf],
    division: Division,
    mut deliver: impl FnMut(&Path, Outcome) -> Result<(), E>,
) -> Result<Timing, E> {
    let begun = Instant::now();
    let batch_size = division.batch_size.max(1);
    let batches = files.len().div_ceil(batch_size);
    let threads = division.threads.clamp(1, batches.max(1));
    let range = |number: usize| number * batch_size..((number + 1) * batch_size).min(files.len());
    // Each thread may have a batch under way and some finished ones waiting for a slower one.
    let turn = Turn::new(batches, 4 * threads);
    let mut timing = Timing { threads, ..Timing::default() };
    let before = tch::get_num_threads();
    let result = std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (sender, turn) = (sender.clone(), &turn);
                scope.spawn(move || match network.precision() {
                    Precision::Full => work::<f32>(network, files, range, turn, &sender),
                    Precision::Bf16 => work::<bf16>(network, files, range, turn, &sender),
                })
            })
            .collect();
        drop(sender);
        let collect = || -> Result<(), E> {
            for (number, batch) in InOrder::new(receiver, batches) {
                let batch = batch.ok_or(InferenceError::WorkerLost)?;
                let answered = Instant::now();
                let rows = match batch.answers {
                    Answers::Rows(rows) => rows,
                    Answers::Prepared(images) => {
                        let rows = values(&network.forward(&images.to_device(network.device())));
                        timing.forward += answered.elapsed();
                        rows
                    }
                };
                let mut rows = rows.chunks_exact((network.columns() * network.views().count()).max(1));
                for (path, problem) in files[range(number)].iter().zip(batch.problems) {
                    let outcome = match problem {
                        Some(problem) => Outcome::Unreadable(problem),
                        None => Outcome::Row(rows.next().ok_or(InferenceError::WorkerLost)?),
                    };
                    match outcome {
                        Outcome::Row(_) => timing.images += 1,
                        Outcome::Unreadable(_) => timing.unreadable += 1,
                    }
                    deliver(path, outcome)?;
                }
                turn.delivered();
            }
            Ok(())
        };
        let result = collect();
        turn.stop();
        for worker in workers {
            match worker.join() {
                Ok(spent) => timing.add(&spent),
                Err(_) => return result.and(Err(InferenceError::WorkerLost.into())),
            }
        }
        result
    });
    tch::set_num_threads(before);
    timing.elapsed = begun.elapsed();
    result.map(|()| timing)
}

/// A batch of files, read and perhaps computed.
struct Batch {
    /// What is wrong with each file.
    problems: Vec<Option<ImageProblem>>,
    answers: Answers,
}

enum Answers {
    /// Rows of the files without problems, one after the other; of a file, those of its views.
    Rows(Vec<f32>),
    /// The views of the files without problems, in the same order, on the CPU.
    Prepared(Tensor),
}

fn work<T: Input + TensorElement>(
    network: &Network,
    files: &[PathBuf],
    range: impl Fn(usize) -> Range<usize>,
    turn: &Turn,
    sender: &Sender<(usize, Batch)>,
) -> Timing {
    let _alarm = Alarm(turn);
    // The other cores have threads of their own to work with.
    tch::set_num_threads(1);
    let mut timing = Timing::default();
    let mut reader = Reader::new(network);
    loop {
        let asked = Instant::now();
        let number = turn.next();
        timing.waiting += asked.elapsed();
        let Some(number) = number else { return timing };
        let (problems, images) = reader.batch::<T>(&files[range(number)], &mut timing);
        let answers = if network.device().is_cuda() {
            Answers::Prepared(images)
        } else {
            let begun = Instant::now();
            let rows = if images.size()[0] > 0 { values(&network.forward(&images)) } else { Vec::new() };
            timing.forward += begun.elapsed();
            Answers::Rows(rows)
        };
        // A receiver that is gone has failed and stops the others as well.
        let _ = sender.send((number, Batch { problems, answers }));
    }
}

/// Values of a tensor, in float32.
pub(super) fn values(rows: &Tensor) -> Vec<f32> {
    let rows = rows.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; rows.numel()];
    let count = values.len();
    rows.copy_data(&mut values, count);
    values
}

/// What one thread decodes with; its memory is reused from image to image.
struct Reader {
    image: Image,
    renderer: Renderer,
    evaluation_crop: f64,
    views: FixedViews,
    detail: Detail,
    normalization: Normalization,
    levels: Levels,
}

impl Reader {
    fn new(network: &Network) -> Reader {
        Reader {
            image: Image::default(),
            renderer: Renderer::new(network.side()),
            evaluation_crop: network.evaluation_crop(),
            views: network.views(),
            detail: network.views().detail(network.side(), network.evaluation_crop()),
            normalization: network.normalization(),
            levels: network.levels(),
        }
    }

    /// What is wrong with each file, and the views of the others, `[files * views, 3, side, side]`, channels-last in memory; those of
    /// one file stand together.
    fn batch<T: Input + TensorElement>(
        &mut self,
        files: &[PathBuf],
        timing: &mut Timing,
    ) -> (Vec<Option<ImageProblem>>, Tensor) {
        let side = self.renderer.side();
        let views = self.views.count();
        let images = Tensor::empty([(files.len() * views) as i64, side as i64, side as i64, 3], (T::KIND, Device::Cpu));
        let values = views * 3 * side * side;
        let mut place = 0;
        let problems = files
            .iter()
            .map(|path| {
                // SAFETY: the tensor is contiguous, of this type, with `values` values for each file, of which fewer than
                // all have taken a place, and nobody else holds it.
                let pixels = unsafe {
                    std::slice::from_raw_parts_mut(images.data_ptr().cast::<T>().add(place * values), values)
                };
                let problem = self.image(path, pixels, timing).err();
                place += usize::from(problem.is_none());
                problem
            })
            .collect();
        (problems, images.narrow(0, 0, (place * views) as i64).permute([0, 3, 1, 2]))
    }

    /// The views of one image that the network sees, one after the other.
    fn image<T: Input + TensorElement>(
        &mut self,
        path: &Path,
        pixels: &mut [T],
        timing: &mut Timing,
    ) -> Result<(), ImageProblem> {
        let begun = Instant::now();
        decode::file_size(path)?;
        let bytes = std::fs::read(path)?;
        let read = Instant::now();
        timing.read += read - begun;
        let decoded = decode::decode_bytes(&bytes, self.levels, self.detail, &mut self.image);
        let decoding = read.elapsed();
        timing.decode += decoding;
        timing.depths.join(Depths::of_stored(decoded?.stored, self.levels));
        let views = self.views.of(self.image.width, self.image.height, self.evaluation_crop);
        let per_view = pixels.len() / views.len();
        for (view, pixels) in views.iter().zip(pixels.chunks_exact_mut(per_view)) {
            self.renderer
                .render(&self.image, view, self.normalization, pixels)
                .map_err(|error| ImageProblem::Decode(error.to_string()))?;
        }
        timing.resize += read.elapsed() - decoding;
        Ok(())
    }
}

/// Who does which batch, and how far ahead of what was delivered.
struct Turn {
    state: Mutex<State>,
    changed: Condvar,
    batches: usize,
    ahead: usize,
}

struct State {
    taken: usize,
    delivered: usize,
    stopped: bool,
}

impl Turn {
    fn new(batches: usize, ahead: usize) -> Turn {
        let state = State { taken: 0, delivered: 0, stopped: false };
        Turn { state: Mutex::new(state), changed: Condvar::new(), batches, ahead }
    }

    /// The next batch, once it is near enough to what was delivered; none when all are taken.
    fn next(&self) -> Option<usize> {
        let state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let too_far = |state: &mut State| {
            !state.stopped && state.taken < self.batches && state.taken >= state.delivered + self.ahead
        };
        let mut state = self.changed.wait_while(state, too_far).unwrap_or_else(|poisoned| poisoned.into_inner());
        if state.stopped || state.taken == self.batches {
            return None;
        }
        state.taken += 1;
        Some(state.taken - 1)
    }

    fn delivered(&self) {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).delivered += 1;
        self.changed.notify_all();
    }

    fn stop(&self) {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).stopped = true;
        self.changed.notify_all();
    }
}

/// Stops the others when a thread ends by a panic, for its batch will never come.
struct Alarm<'a>(&'a Turn);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

/// Batches by number, sorted as far as they have come; `None` where one never will.
struct InOrder {
    receiver: Receiver<(usize, Batch)>,
    early: BTreeMap<usize, Batch>,
    next: usize,
    batches: usize,
}

impl InOrder {
    fn new(receiver: Receiver<(usize, Batch)>, batches: usize) -> InOrder {
        InOrder { receiver, early: BTreeMap::new(), next: 0, batches }
    }
}

impl Iterator for InOrder {
    type Item = (usize, Option<Batch>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.batches {
            return None;
        }
        let number = self.next;
        self.next += 1;
        loop {
            if let Some(batch) = self.early.remove(&number) {
                return Some((number, Some(batch)));
            }
            match self.receiver.recv() {
                Ok((number, batch)) => self.early.insert(number, batch),
                Err(_) => return Some((number, None)),
            };
        }
    }
}

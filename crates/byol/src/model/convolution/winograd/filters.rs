//! Transformed filters, tens of megabytes: the memory that they are kept in, and how lanes, which pass views through the same network at
//! the same time, transform them together and once.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use byol_kernels::winograd::{Filters, Transform};
use tch::Tensor;

use crate::model::slices::{Shared, values};

thread_local! {
    /// Of transformed filters, or of their gradient; the system would bring it anew each time.
    static MEMORY: RefCell<Vec<f32>> = RefCell::default();
    /// What this thread's lane transforms filters with.
    static TOGETHER: RefCell<Option<Arc<Together>>> = RefCell::default();
}

/// Makes this thread transform filters together with others.
pub(crate) fn transform_with(together: Arc<Together>) {
    TOGETHER.set(Some(together));
}

/// Calls a function with the transform of filters, `[outputs, 3, 3, inputs]`.
pub(super) fn with_filters<T>(weight: &Tensor, transform: Transform, then: impl FnOnce(Filters) -> T) -> T {
    match TOGETHER.with_borrow(Option::clone) {
        Some(together) => together.with(weight, transform, then),
        None => with_memory(transform.panels() * transform.panel_values(), |points| {
            let (weight, size) = (values(weight), transform.panel_values());
            let shared = Shared::new(points);
            byol_torch::parallel(transform.panels(), |number| {
                // SAFETY: every panel has a part of its own.
                transform.panel(weight, number, unsafe { shared.part(number * size, size) });
            });
            then(Filters::new(transform, points))
        }),
    }
}

/// Calls a function with memory of this thread, of so many values, whatever they are.
pub(super) fn with_memory<T>(values: usize, then: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut memory = MEMORY.take();
    if memory.len() < values {
        memory.resize(values, 0.0);
    }
    let result = then(&mut memory[..values]);
    MEMORY.set(memory);
    result
}

/// Filters that some lanes transform together: whoever needs them first begins, whoever comes meanwhile takes part, and the last one
/// that needs them gives their memory back.
pub(crate) struct Together {
    lanes: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    transformed: Vec<Arc<Transformed>>,
    memory: Vec<Vec<f32>>,
}

struct Transformed {
    /// Keeps the filters where they are, by which they are known.
    _weight: Mutex<Tensor>,
    place: usize,
    transform: Transform,
    points: Vec<f32>,
    shared: Shared<f32>,
    /// The next panel.
    next: AtomicUsize,
    panels: Mutex<Panels>,
    changed: Condvar,
    /// Lanes that have come for them.
    lanes: AtomicUsize,
}

#[derive(Default)]
struct Panels {
    done: usize,
    /// Somebody has panicked over one.
    failed: bool,
}

impl Together {
    pub(crate) fn new(lanes: usize) -> Together {
        Together { lanes, shelf: Mutex::default() }
    }

    /// Forgets filters that some lanes have not come for: whoever changes weights calls this before.
    pub(crate) fn clear(&self) {
        self.shelf().transformed.clear();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, weight: &Tensor, transform: Transform, then: impl FnOnce(Filters) -> T) -> T {
        let transformed = self.find(weight, transform);
        transformed.take_part(values(weight));
        transformed.wait();
        let result = then(Filters::new(transform, &transformed.points));
        if let Some(transformed) = Arc::into_inner(transformed) {
            self.shelf().memory.push(transformed.points);
        }
        result
    }

    fn find(&self, weight: &Tensor, transform: Transform) -> Arc<Transformed> {
        let place = weight.data_ptr() as usize;
        let mut shelf = self.shelf();
        let found = shelf.transformed.iter().position(|it| (it.place, it.transform) == (place, transform));
        let Some(number) = found else {
            let memory = shelf.memory.pop().unwrap_or_default();
            let transformed = Arc::new(Transformed::new(weight, transform, memory));
            if self.lanes > 1 {
                shelf.transformed.push(Arc::clone(&transformed));
            }
            return transformed;
        };
        let transformed = Arc::clone(&shelf.transformed[number]);
        if transformed.lanes.fetch_add(1, Ordering::Relaxed) + 1 == self.lanes {
            shelf.transformed.swap_remove(number);
        }
        transformed
    }
}

impl Transformed {
    fn new(weight: &Tensor, transform: Transform, mut points: Vec<f32>) -> Transformed {
        let values = transform.panels() * transform.panel_values();
        if points.len() < values {
            points.resize(values, 0.0);
        }
        Transformed {
            _weight: Mutex::new(weight.shallow_clone()),
            place: weight.data_ptr() as usize,
            transform,
            shared: Shared::new(&mut points),
            points,
            next: AtomicUsize::new(0),
            panels: Mutex::default(),
            changed: Condvar::new(),
            lanes: AtomicUsize::new(1),
        }
    }

    /// Transforms panels until none is left that nobody has begun.
    fn take_part(&self, weight: &[f32]) {
        let size = self.transform.panel_values();
        byol_torch::parallel(tch::get_num_threads().max(1) as usize, |_| {
            loop {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                if number >= self.transform.panels() {
                    break;
                }
                let begun = Begun { transformed: self, done: false };
                // SAFETY: every number is given out once, and nobody reads before all panels are done.
                self.transform.panel(weight, number, unsafe { self.shared.part(number * size, size) });
                begun.end();
            }
        });
    }

    /// Until all panels are done.
    ///
    /// # Panics
    /// Another lane did over one.
    fn wait(&self) {
        let mut panels = self.panels();
        while panels.done < self.transform.panels() && !panels.failed {
            panels = self.changed.wait(panels).unwrap_or_else(PoisonError::into_inner);
        }
        assert!(!panels.failed, "filters were not transformed");
    }

    fn panels(&self) -> MutexGuard<'_, Panels> {
        self.panels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A panel that somebody has begun; nobody waits for one that will not come.
struct Begun<'a> {
    transformed: &'a Transformed,
    done: bool,
}

impl Begun<'_> {
    fn end(mut self) {
        self.done = true;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let Transformed { transform, changed, .. } = self.transformed;
        let mut panels = self.transformed.panels();
        match self.done {
            true => panels.done += 1,
            false => panels.failed = true,
        }
        if panels.failed || panels.done == transform.panels() {
            changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use byol_kernels::winograd::{Direction, Grid, Scratch, Tile, convolve};
    use tch::{Device, Kind};

    use super::*;

    /// What they make of an image.
    fn through(grid: Grid, filters: Filters) -> Vec<f32> {
        let [from, to] = filters.channels();
        let pixels = grid.height() * grid.width();
        let x: Vec<f32> = (0..pixels * from).map(|place| (place as f32 * 0.7).sin()).collect();
        let mut y = vec![0.0; pixels * to];
        convolve(grid, &filters, &x, 0..grid.down(), &mut Scratch::default(), None, &mut y);
        y
    }

    /// Two lanes that pass through the filters of two layers, forward and back, in several steps whose weights differ, have what one alone has;
    /// memory is used again.
    #[test]
    fn lanes_have_what_each_alone_has() {
        let channels = [40, 70];
        let grids = [Grid::of(6, 6), Grid::of(8, 8)];
        assert_eq!(grids.map(Grid::tile), [Tile::Three, Tile::Four]);
        let transforms = grids.map(|grid| Transform::new(grid.tile(), channels, Direction::Forward));
        let weight = |seed: i64| {
            let wave = (Tensor::arange(70 * 9 * 40, (Kind::Float, Device::Cpu)) * (seed + 1) as f64).sin();
            wave.view([70, 3, 3, 40])
        };
        let together = Arc::new(Together::new(2));
        for step in 0..20 {
            let weights = [weight(2 * step), weight(2 * step + 1)];
            let expected = [0, 1].map(|layer| {
                let points = transforms[layer].all(values(&weights[layer]));
                through(grids[layer], Filters::new(transforms[layer], &points))
            });
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let (together, weights) = (Arc::clone(&together), weights.each_ref().map(Tensor::shallow_clone));
                    let expected = &expected;
                    scope.spawn(move || {
                        byol_torch::set_own_threads(1);
                        transform_with(together);
                        for layer in [0, 1] {
                            let found = with_filters(&weights[layer], transforms[layer], |filters| {
                                through(grids[layer], filters)
                            });
                            assert_eq!(found, expected[layer], "step {step}, layer {layer}");
                        }
                    });
                }
            });
            let shelf = together.shelf();
            assert!(shelf.transformed.is_empty() && shelf.memory.len() <= 2, "step {step}");
        }
    }

    /// A lane that comes alone gets its filters, and those of weights that changed in place are not the old ones once they are forgotten.
    #[test]
    fn filters_are_forgotten_between_steps() {
        let grid = Grid::of(4, 4);
        let transform = Transform::new(grid.tile(), [32, 32], Direction::Backward);
        let mut weight = Tensor::ones([32, 3, 3, 32], (Kind::Float, Device::Cpu));
        let together = Together::new(2);
        for factor in [1.0, 3.0] {
            let _ = weight.fill_(factor);
            let points = transform.all(values(&weight));
            let expected = through(grid, Filters::new(transform, &points));
            assert_eq!(together.with(&weight, transform, |filters| through(grid, filters)), expected);
            assert_eq!(together.shelf().transformed.len(), 1);
            together.clear();
        }
    }
}

//! Tensors as slices, and slices that several tasks write.

use tch::{Kind, Tensor};

use crate::element::TensorElement;

/// A type of values as they lie in a tensor's memory.
pub(super) trait Stored {
    const KIND: Kind;
}

impl<E: TensorElement> Stored for E {
    const KIND: Kind = E::KIND;
}

/// Of statistics alone.
impl Stored for f64 {
    const KIND: Kind = Kind::Double;
}

/// The values of a contiguous tensor in memory order.
pub(super) fn values<E: Stored>(tensor: &Tensor) -> &[E] {
    assert!(tensor.is_contiguous() && tensor.kind() == E::KIND && tensor.device() == tch::Device::Cpu);
    // SAFETY: the tensor is contiguous, of this type, in the CPU's memory, and lives as long as the slice.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// The values of a contiguous tensor that nobody else uses.
pub(super) fn values_mut<E: Stored>(tensor: &mut Tensor) -> &mut [E] {
    assert!(tensor.is_contiguous() && tensor.kind() == E::KIND && tensor.device() == tch::Device::Cpu);
    // SAFETY: as in `values`; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// A slice of which tasks write parts that do not overlap.
#[derive(Clone, Copy)]
pub(super) struct Shared<T> {
    start: *mut T,
    length: usize,
}

// SAFETY: `part` hands out parts under its caller's promise that they do not overlap.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(slice: &mut [T]) -> Shared<T> {
        Shared { start: slice.as_mut_ptr(), length: slice.len() }
    }

    /// # Safety
    /// The slice outlives the part, and no other part that is in use overlaps it.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part<'a>(&self, begin: usize, length: usize) -> &'a mut [T] {
        assert!(begin + length <= self.length);
        // SAFETY: within the slice; the caller promises the rest.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(begin), length) }
    }
}

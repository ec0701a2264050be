//! Groups of processes ("ranks") that compute together, by libtorch's `c10d`: a [`Store`] through which they find each other,
//! and a [`Group`] that adds up and hands round tensors, over Gloo (any device's tensors in the CPU's memory) or NCCL (on GPUs).
//!
//! Who is a rank, and where they meet, is decided elsewhere. All ranks of a group call the same functions in the same order with
//! tensors of the same sizes and types: over Gloo, sizes that differ end the process.

use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tch::{Device, Tensor};

use crate::CTensor;
use crate::about::owned;

enum CStore {}
enum CGroup {}

unsafe extern "C" {
    fn byol_store_open(
        host: *const c_char,
        port: u16,
        serve: bool,
        timeout: i64,
        result: *mut *mut CStore,
    ) -> *mut c_char;
    fn byol_store_in_process(result: *mut *mut CStore) -> *mut c_char;
    fn byol_store_under(store: *const CStore, prefix: *const c_char, result: *mut *mut CStore) -> *mut c_char;
    fn byol_store_port(store: *const CStore) -> u16;
    fn byol_store_close(store: *mut CStore);
    fn byol_store_set(store: *const CStore, key: *const c_char, value: *const u8, length: usize) -> *mut c_char;
    fn byol_store_has(store: *const CStore, key: *const c_char, result: *mut bool) -> *mut c_char;
    fn byol_store_get(
        store: *const CStore,
        key: *const c_char,
        timeout: i64,
        value: *mut *mut u8,
        length: *mut usize,
    ) -> *mut c_char;
    fn byol_store_add(store: *const CStore, key: *const c_char, amount: i64, sum: *mut i64) -> *mut c_char;
    fn byol_group_gloo(
        store: *const CStore,
        rank: c_int,
        size: c_int,
        address: *const c_char,
        is_interface: bool,
        timeout: i64,
        result: *mut *mut CGroup,
    ) -> *mut c_char;
    fn byol_group_nccl(
        store: *const CStore,
        rank: c_int,
        size: c_int,
        options_at: *mut c_void,
        group_at: *mut c_void,
        timeout: i64,
        result: *mut *mut CGroup,
    ) -> *mut c_char;
    fn byol_group_all_reduce(group: *const CGroup, tensor: *mut CTensor, maximum: bool) -> *mut c_char;
    fn byol_group_all_gather(group: *const CGroup, output: *mut CTensor, input: *mut CTensor) -> *mut c_char;
    fn byol_group_broadcast(group: *const CGroup, tensor: *mut CTensor, root: c_int) -> *mut c_char;
    fn byol_group_barrier(group: *const CGroup) -> *mut c_char;
    fn byol_group_end(group: *mut CGroup, failed: bool);
}

/// What a store or a group has refused, in libtorch's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// A message of the shim as a result.
///
/// # Safety
/// The pointer is null, or that of a C string from `malloc` that nobody else has.
unsafe fn succeeded(message: *mut c_char) -> Result<(), Refused> {
    // SAFETY: the caller's promise.
    match unsafe { owned(message) } {
        None => Ok(()),
        Some(text) => Err(Refused(String::from_utf8_lossy(&text).into_owned())),
    }
}

fn text(text: &str) -> Result<CString, Refused> {
    CString::new(text).map_err(|_| Refused(format!("{text:?} has a zero byte")))
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Which end of a [`Store`] this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It serves the store, and uses it too.
    Server,
    /// It uses a store that another process serves.
    Client,
}

/// Texts by key that all ranks share.
#[derive(Debug)]
pub struct Store(NonNull<CStore>);

// SAFETY: libtorch's stores lock what they have.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// The store at `port` of `host`; a server may ask for port 0, which is any free one. A client waits for its server as
    /// long as `timeout`.
    ///
    /// # Errors
    /// The port is in use, or no server has answered.
    pub fn open(host: &str, port: u16, end: End, timeout: Duration) -> Result<Store, Refused> {
        let (host, mut store) = (text(host)?, null_mut());
        // SAFETY: the pointers are those of a C string and of a place for the result.
        unsafe {
            succeeded(byol_store_open(host.as_ptr(), port, end == End::Server, milliseconds(timeout), &mut store))?;
        }
        Store::of(store)
    }

    /// A store for ranks that are threads of this process: [`Store::under`] an empty prefix gives each a handle.
    ///
    /// # Errors
    /// There is no memory.
    pub fn in_process() -> Result<Store, Refused> {
        let mut store = null_mut();
        // SAFETY: the pointer is that of a place for the result.
        unsafe { succeeded(byol_store_in_process(&mut store)) }?;
        Store::of(store)
    }

    /// The part of the store whose keys begin with `prefix`.
    ///
    /// # Errors
    /// There is no memory.
    pub fn under(&self, prefix: &str) -> Result<Store, Refused> {
        let (prefix, mut store) = (text(prefix)?, null_mut());
        // SAFETY: the pointers are those of a living store, a C string, and a place for the result.
        unsafe { succeeded(byol_store_under(self.0.as_ptr(), prefix.as_ptr(), &mut store)) }?;
        Store::of(store)
    }

    fn of(store: *mut CStore) -> Result<Store, Refused> {
        NonNull::new(store).map(Store).ok_or_else(|| Refused("no store was made".into()))
    }

    /// The port that it is served at; 0 of a store in this process.
    pub fn port(&self) -> u16 {
        // SAFETY: the store lives.
        unsafe { byol_store_port(self.0.as_ptr()) }
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// The server is gone.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        let key = text(key)?;
        // SAFETY: the pointers are those of a living store, a C string, and so many bytes.
        unsafe { succeeded(byol_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), value.len())) }
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// The server is gone.
    pub fn has(&self, key: &str) -> Result<bool, Refused> {
        let (key, mut has) = (text(key)?, false);
        // SAFETY: the pointers are those of a living store, a C string, and a place for the result.
        unsafe { succeeded(byol_store_has(self.0.as_ptr(), key.as_ptr(), &mut has)) }?;
        Ok(has)
    }

    /// The value of a key, for which it waits as long as `timeout`.
    ///
    /// # Errors
    /// Nobody has given the key a value by then, or the server is gone.
    pub fn get(&self, key: &str, timeout: Duration) -> Result<Vec<u8>, Refused> {
        let key = text(key)?;
        let (mut value, mut length): (*mut u8, usize) = (null_mut(), 0);
        // SAFETY: the pointers are those of a living store, a C string, and places for the results.
        unsafe {
            let (store, timeout) = (self.0.as_ptr(), milliseconds(timeout));
            succeeded(byol_store_get(store, key.as_ptr(), timeout, &mut value, &mut length))?;
        }
        // SAFETY: there are so many bytes, which are ours.
        let bytes = unsafe { std::slice::from_raw_parts(value, length) }.to_vec();
        // SAFETY: they came from `malloc`.
        unsafe { libc::free(value.cast()) };
        Ok(bytes)
    }

    /// Adds to the number under a key, which begins as 0, and returns the sum.
    ///
    /// # Errors
    /// The server is gone.
    pub fn add(&self, key: &str, amount: i64) -> Result<i64, Refused> {
        let (key, mut sum) = (text(key)?, 0);
        // SAFETY: the pointers are those of a living store, a C string, and a place for the result.
        unsafe { succeeded(byol_store_add(self.0.as_ptr(), key.as_ptr(), amount, &mut sum)) }?;
        Ok(sum)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: the store is ours, and nobody uses it any more.
        unsafe { byol_store_close(self.0.as_ptr()) };
    }
}

/// Which rank of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
}

impl Place {
    fn numbers(self) -> Result<[c_int; 2], Refused> {
        let Place { rank, size } = self;
        match [rank, size].map(c_int::try_from) {
            [Ok(number), Ok(count)] if number < count => Ok([number, count]),
            _ => Err(Refused(format!("there is no rank {rank} of {size}"))),
        }
    }
}

/// Where a group's other ranks reach this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At an address or name of this host.
    Host(String),
    /// At a network interface of this host, by its name.
    Interface(String),
}

/// How the tensors of all ranks become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// The largest of each element.
    Maximum,
}

/// The constructors of libtorch's group over NCCL, which lie in its GPU half.
#[derive(Clone, Copy, Debug)]
pub struct Nccl {
    options: NonNull<c_void>,
    group: NonNull<c_void>,
}

// SAFETY: they are addresses of functions.
unsafe impl Send for Nccl {}
// SAFETY: as above.
unsafe impl Sync for Nccl {}

impl Nccl {
    /// Finds them in a library that `dlopen` has opened; none where it lacks them.
    ///
    /// # Safety
    /// The library is libtorch's GPU half of the version whose headers this crate was compiled with.
    #[cfg(unix)]
    pub unsafe fn find(library: *mut c_void) -> Option<Nccl> {
        let options = c"_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb";
        let group = c"_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_EEEEiiNS2_INS0_7OptionsENS5_IS8_EEEE";
        // SAFETY: the handle is a library's, the names are C strings.
        let find = |name: &std::ffi::CStr| NonNull::new(unsafe { libc::dlsym(library, name.as_ptr()) });
        Some(Nccl { options: find(options)?, group: find(group)? })
    }
}

/// Ranks that compute together. One function runs at a time; the others wait.
#[derive(Debug)]
pub struct Group {
    group: NonNull<CGroup>,
    place: Place,
    /// Held while a function runs.
    turn: Mutex<()>,
    failed: AtomicBool,
}

// SAFETY: `turn` lets one thread at a time use the group.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

impl Group {
    /// A group over Gloo, for tensors in the CPU's memory. A function fails when another rank has not come within `timeout`.
    ///
    /// # Errors
    /// There is no such address here, or another rank cannot be reached at its own (Gloo tries for 25 s, whatever the timeout).
    pub fn gloo(store: &Store, place: Place, address: &Address, timeout: Duration) -> Result<Group, Refused> {
        let [rank, size] = place.numbers()?;
        let (address, is_interface) = match address {
            Address::Host(host) => (text(host)?, false),
            Address::Interface(name) => (text(name)?, true),
        };
        let mut group = null_mut();
        // SAFETY: the pointers are those of a living store, a C string, and a place for the result.
        unsafe {
            let (store, timeout) = (store.0.as_ptr(), milliseconds(timeout));
            succeeded(byol_group_gloo(store, rank, size, address.as_ptr(), is_interface, timeout, &mut group))?;
        }
        Group::of(group, place)
    }

    /// A group over NCCL, for tensors of the GPU that is current at its first use.
    ///
    /// # Errors
    /// There is no GPU.
    pub fn nccl(store: &Store, place: Place, nccl: Nccl, timeout: Duration) -> Result<Group, Refused> {
        let [rank, size] = place.numbers()?;
        let mut group = null_mut();
        // SAFETY: the pointers are those of a living store, of the two constructors, and of a place for the result.
        unsafe {
            let (store, timeout) = (store.0.as_ptr(), milliseconds(timeout));
            let (options_at, group_at) = (nccl.options.as_ptr(), nccl.group.as_ptr());
            succeeded(byol_group_nccl(store, rank, size, options_at, group_at, timeout, &mut group))?;
        }
        Group::of(group, place)
    }

    fn of(group: *mut CGroup, place: Place) -> Result<Group, Refused> {
        let group = NonNull::new(group).ok_or_else(|| Refused("no group was made".into()))?;
        Ok(Group { group, place, turn: Mutex::new(()), failed: AtomicBool::new(false) })
    }

    /// This process's place in it.
    pub fn place(&self) -> Place {
        self.place
    }

    fn run(&self, function: impl FnOnce(*const CGroup) -> *mut c_char) -> Result<(), Refused> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the function returns a message of the shim.
        let result = unsafe { succeeded(function(self.group.as_ptr())) };
        self.failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }

    /// Makes a tensor that of all ranks together, the same on each to the last bit.
    ///
    /// # Errors
    /// Another rank is gone, or has not come in time. The tensor may be anything then.
    pub fn all_reduce(&self, tensor: &mut Tensor, reduction: Reduction) -> Result<(), Refused> {
        let tensor = tensor.as_mut_ptr().cast();
        // SAFETY: the pointers are those of a living group and tensor.
        self.run(|group| unsafe { byol_group_all_reduce(group, tensor, reduction == Reduction::Maximum) })
    }

    /// The tensors of all ranks in their order.
    ///
    /// # Shapes
    /// `[...]` to `[ranks, ...]`.
    ///
    /// # Errors
    /// Another rank is gone, or has not come in time.
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Tensor, Refused> {
        let (size, shape) = (self.place.size as i64, tensor.size());
        let mut input = tensor.detach().contiguous().view(-1);
        let mut output = Tensor::empty([size * tensor.numel() as i64], (tensor.kind(), tensor.device()));
        let [to, from] = [&mut output, &mut input].map(|tensor| tensor.as_mut_ptr().cast());
        // SAFETY: the pointers are those of a living group and tensors.
        self.run(|group| unsafe { byol_group_all_gather(group, to, from) })?;
        Ok(output.view([&[size], shape.as_slice()].concat().as_slice()))
    }

    /// Makes a contiguous tensor that of rank `root`.
    ///
    /// # Errors
    /// As [`Group::all_reduce`].
    pub fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<(), Refused> {
        let tensor = tensor.as_mut_ptr().cast();
        let root = c_int::try_from(root).map_err(|_| Refused(format!("there is no rank {root}")))?;
        // SAFETY: the pointers are those of a living group and tensor.
        self.run(|group| unsafe { byol_group_broadcast(group, tensor, root) })
    }

    /// Waits until all ranks have come here.
    ///
    /// # Errors
    /// As [`Group::all_reduce`].
    pub fn barrier(&self) -> Result<(), Refused> {
        // SAFETY: the pointer is that of a living group.
        self.run(|group| unsafe { byol_group_barrier(group) })
    }

    /// Bytes of rank `root`, of any number; what the others give is not looked at.
    ///
    /// # Errors
    /// As [`Group::all_reduce`].
    pub fn broadcast_bytes(&self, bytes: &[u8], root: usize) -> Result<Vec<u8>, Refused> {
        let own = self.place.rank == root;
        let mut length = Tensor::from(if own { bytes.len() as i64 } else { 0 });
        self.broadcast(&mut length, root)?;
        let count = length.int64_value(&[]);
        let mut tensor = match own {
            true => Tensor::from_slice(bytes),
            false => Tensor::zeros([count], (tch::Kind::Uint8, Device::Cpu)),
        };
        if count > 0 {
            self.broadcast(&mut tensor, root)?;
        }
        Vec::try_from(tensor).map_err(|error: tch::TchError| Refused(error.to_string()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the group is ours, and nobody uses it any more.
        unsafe { byol_group_end(self.group.as_ptr(), self.failed.load(Ordering::Relaxed)) };
    }
}

#[cfg(test)]
mod tests;

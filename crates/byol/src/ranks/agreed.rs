//! What ranks agree on: few numbers and words, in the CPU's memory, wherever tensors are.

use byol_torch::group::{Group, Reduction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};

use super::{Ranks, RanksError};

impl Ranks {
    /// The largest of each of these numbers over all ranks.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn largest<const COUNT: usize>(&self, numbers: [i64; COUNT]) -> Result<[i64; COUNT], RanksError> {
        let Some(together) = &self.together else { return Ok(numbers) };
        self.check()?;
        let mut tensor = Tensor::from_slice(&numbers);
        together.agree(|group| group.all_reduce(&mut tensor, Reduction::Maximum))?;
        Ok(std::array::from_fn(|place| tensor.int64_value(&[place as i64])))
    }

    /// The sum of a number over all ranks.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn sum(&self, number: f64) -> Result<f64, RanksError> {
        let Some(together) = &self.together else { return Ok(number) };
        self.check()?;
        let mut tensor = Tensor::from_slice(&[number]).to_kind(Kind::Double);
        together.agree(|group| group.all_reduce(&mut tensor, Reduction::Sum))?;
        Ok(tensor.double_value(&[0]))
    }

    /// Rank 0's bytes.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn of_first(&self, bytes: &[u8]) -> Result<Vec<u8>, RanksError> {
        let Some(together) = &self.together else { return Ok(bytes.to_vec()) };
        self.check()?;
        together.agree(|group| group.broadcast_bytes(bytes, 0))
    }

    /// Rank 0's value.
    ///
    /// # Errors
    /// A rank is gone.
    pub(crate) fn value_of_first<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T, RanksError> {
        if self.is_alone() {
            return Ok(value);
        }
        let own = if self.is_first() { serde_json::to_vec(&value).map_err(RanksError::untold)? } else { Vec::new() };
        serde_json::from_slice(&self.of_first(&own)?).map_err(RanksError::untold)
    }

    /// The texts of all ranks, in their order.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn texts(&self, text: &str) -> Result<Vec<String>, RanksError> {
        let Some(together) = &self.together else { return Ok(vec![text.to_owned()]) };
        self.check()?;
        let told = (0..self.count()).map(|rank| {
            let bytes = together.agree(|group| group.broadcast_bytes(text.as_bytes(), rank))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        told.collect()
    }

    /// Waits until all have come here.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn wait_for_all(&self) -> Result<(), RanksError> {
        let Some(together) = &self.together else { return Ok(()) };
        self.check()?;
        together.agree(Group::barrier)
    }
}

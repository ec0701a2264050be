//! What libtorch calls the types of [`Element`].

use half::bf16;
use tch::Kind;

pub use byol_kernels::element::Element;

/// An element that tensors can hold.
pub trait TensorElement: Element {
    /// libtorch's name of the type.
    const KIND: Kind;
}

impl TensorElement for f32 {
    const KIND: Kind = Kind::Float;
}

impl TensorElement for bf16 {
    const KIND: Kind = Kind::BFloat16;
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn bf16_rounds_as_libtorch_does() {
        let numbers: Vec<f32> = (0..100_000u32)
            .map(|index| f32::from_bits(index.wrapping_mul(2_654_435_761)))
            .filter(|number| number.is_finite())
            .chain([0.0, -0.0, 1.0 + f32::EPSILON, f32::INFINITY, f32::NEG_INFINITY])
            .collect();
        let expected = Tensor::from_slice(&numbers).to_kind(Kind::BFloat16).to_kind(Kind::Float);
        let expected = Vec::<f32>::try_from(expected).unwrap();
        for (&number, expected) in numbers.iter().zip(expected) {
            assert_eq!(<bf16 as Element>::store(number).load().to_bits(), expected.to_bits(), "{number}");
        }
        assert!(<bf16 as Element>::store(f32::NAN).load().is_nan());
    }
}

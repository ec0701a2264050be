//! The types of numbers that a network's inputs and activations have in memory. Kernels compute in float32.

use half::bf16;
use tch::Kind;

/// float32 or bfloat16.
pub trait Element: Copy + Send + Sync + 'static {
    /// libtorch's name of the type.
    const KIND: Kind;
    /// Exactly.
    fn load(self) -> f32;
    /// To the nearest, ties to even.
    fn store(value: f32) -> Self;
}

impl Element for f32 {
    const KIND: Kind = Kind::Float;

    #[inline(always)]
    fn load(self) -> f32 {
        self
    }

    #[inline(always)]
    fn store(value: f32) -> f32 {
        value
    }
}

/// Without branches, unlike `half`'s own conversions, so that loops over it become vector code.
impl Element for bf16 {
    const KIND: Kind = Kind::BFloat16;

    #[inline(always)]
    fn load(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    /// The quiet NaN that arithmetic makes stays one.
    #[inline(always)]
    fn store(value: f32) -> bf16 {
        let bits = value.to_bits();
        bf16::from_bits((bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
    }
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

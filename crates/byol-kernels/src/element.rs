//! The types of numbers that a network's inputs and activations have in memory. Kernels compute in float32.

use half::bf16;

/// float32 or bfloat16.
pub trait Element: Copy + Send + Sync + 'static {
    /// Exactly.
    fn load(self) -> f32;
    /// To the nearest, ties to even.
    fn store(value: f32) -> Self;
}

impl Element for f32 {
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

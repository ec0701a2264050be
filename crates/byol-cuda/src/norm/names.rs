//! What the kernels of batch norm are called, by type and width of vector.

use super::{Element, Rows};

/// Names of the kernels for one type and width of vector.
pub(super) struct Names {
    pub(super) width: usize,
    pub(super) sums: &'static str,
    pub(super) apply: &'static str,
    pub(super) gradient_sums: &'static str,
    pub(super) relu_gradient_sums: &'static str,
    pub(super) add_relu_gradient_sums: &'static str,
    pub(super) input_gradient: &'static str,
    pub(super) relu_input_gradient: &'static str,
    pub(super) pool: &'static str,
    pub(super) pool_input_gradient: &'static str,
    pub(super) finish: &'static str,
}

macro_rules! names {
    ($element:literal, $width:literal) => {
        Names {
            width: $width,
            sums: concat!("byol_sums_", $element, "_", $width),
            apply: concat!("byol_apply_", $element, "_", $width),
            gradient_sums: concat!("byol_gradient_sums_", $element, "_", $width),
            relu_gradient_sums: concat!("byol_relu_gradient_sums_", $element, "_", $width),
            add_relu_gradient_sums: concat!("byol_add_relu_gradient_sums_", $element, "_", $width),
            input_gradient: concat!("byol_input_gradient_", $element, "_", $width),
            relu_input_gradient: concat!("byol_relu_input_gradient_", $element, "_", $width),
            pool: concat!("byol_pool_", $element, "_", $width),
            pool_input_gradient: concat!("byol_pool_input_gradient_", $element, "_", $width),
            finish: concat!("byol_finish_", $element),
        }
    };
}

static NAMES: [Names; 4] = [names!("f32", 4), names!("f32", 1), names!("bf16", 8), names!("bf16", 1)];
pub(super) const FINISH_GRADIENT: &str = "byol_finish_gradient";

/// The names of all kernels here.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let of = |names: &'static Names| {
        [
            names.sums,
            names.apply,
            names.gradient_sums,
            names.relu_gradient_sums,
            names.add_relu_gradient_sums,
            names.input_gradient,
            names.relu_input_gradient,
            names.pool,
            names.pool_input_gradient,
            names.finish,
        ]
    };
    NAMES.iter().flat_map(of).chain([FINISH_GRADIENT])
}

impl Rows {
    /// Those that fit its type, with wide vectors where whole ones make a row.
    pub(super) fn names(&self) -> &'static Names {
        let wide = match self.element {
            Element::F32 => 0,
            Element::Bf16 => 2,
        };
        let whole = self.channels.is_multiple_of(NAMES[wide].width);
        &NAMES[if whole { wide } else { wide + 1 }]
    }
}

//! Any text as `fold_indices.txt`: folds of valid indices, or an error.
#![no_main]

use std::path::Path;

use byol::data::splits::{STL10_FOLDS, parse_folds};
use libfuzzer_sys::fuzz_target;

const IMAGES: usize = 50;

fuzz_target!(|text: &str| {
    if let Ok(folds) = parse_folds(text, IMAGES, Path::new("fold_indices.txt")) {
        assert_eq!(folds.len(), STL10_FOLDS);
        assert!(folds.iter().all(|fold| !fold.is_empty() && fold.iter().all(|&index| index < IMAGES)));
    }
});

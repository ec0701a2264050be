//! Runs as their user sees them: how they begin, are stopped and go on.

mod earlier;
#[cfg(unix)]
mod lifecycle;
mod resume;
mod seeds;

use std::path::Path;
use std::process::{Command, Output};

fn byol(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byol")).args(arguments).current_dir(folder).output().expect("the program starts")
}

/// Standard error of a call that must end with this code.
fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = byol(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

/// An image of 16 by 16 pixels of one colour, as a BMP file.
fn image(path: &Path, colour: [u8; 3]) {
    let mut bytes = b"BM".to_vec();
    for number in [54 + 768u32, 0, 54, 40, 16, 16] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend(std::iter::repeat_n(colour, 256).flatten());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

//! Lets programs and tests of this workspace find libtorch at run time. Nothing here depends on the commit: each would compile the library
//! and the C++ shim anew.
//!
//! `tch` builds against the folder that `LIBTORCH` names, but its own link arguments do not reach the programs that use
//! it. Downloading libtorch is not done here but by `make libtorch`.

use std::env;
use std::path::{Path, PathBuf};

pub fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    // docs.rs, which sets this, links nothing.
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    match libraries() {
        Ok(folder) => {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
            if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
                // libtorch_cpu needs the CUDA runtime, which it finds by its own rpath when it is loaded.
                println!("cargo::rustc-link-arg=-Wl,--allow-shlib-undefined");
            }
        }
        Err(problem) => println!("cargo::error={problem}; run `make libtorch` in the checkout once"),
    }
}

/// The real folder of libtorch's libraries: their own rpaths start from there, not from the links in `LIBTORCH`.
fn libraries() -> Result<PathBuf, String> {
    let sdk = env::var("LIBTORCH").map_err(|_| "LIBTORCH is not set, so that libtorch cannot be found".to_owned())?;
    let name = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "libtorch_cpu.dylib",
        _ => "libtorch_cpu.so",
    };
    let library = Path::new(&sdk).join("lib").join(name);
    println!("cargo::rerun-if-changed={}", library.display());
    library
        .canonicalize()
        .ok()
        .and_then(|real| real.parent().map(Path::to_owned))
        .ok_or_else(|| format!("LIBTORCH={sdk} holds no lib/{name}"))
}

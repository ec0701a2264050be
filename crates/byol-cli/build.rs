//! The library's build script, and one thing more: where an installed program finds libtorch.

#[path = "../byol/build.rs"]
mod library;

fn main() {
    // Before the cache's folder, which the library's script adds: `make install` puts the libraries beside the program,
    // in the layout that their own rpaths expect.
    let program = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@executable_path",
        _ => "$ORIGIN",
    };
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,{program}/../lib/byol/torch/lib");
    library::main();
}

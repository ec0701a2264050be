//! Compiles the C++ shim against the headers of the libtorch that `LIBTORCH` names; the rest is the library's script.

use std::env;
use std::path::PathBuf;

#[path = "../byol/build.rs"]
mod library;

fn main() {
    library::main();
    println!("cargo::rerun-if-changed=src/shim.cpp");
    println!("cargo::rerun-if-changed=src/fused.cpp");
    println!("cargo::rerun-if-changed=src/group.cpp");
    println!("cargo::rerun-if-changed=gloo-names");
    // docs.rs, which sets this, links nothing.
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    // The library's script has said so where it is not set.
    let Some(sdk) = env::var_os("LIBTORCH").map(PathBuf::from) else { return };
    let include = sdk.join("include");
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .pic(true)
        // libtorch's headers warn by themselves.
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        // libtorch carries Gloo inside, but not its headers.
        .include("gloo-names")
        .file("src/shim.cpp")
        .file("src/fused.cpp")
        .file("src/group.cpp");
    // `at::parallel_for` uses OpenMP where libtorch does.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        build.flag("-fopenmp");
        println!("cargo::rustc-link-lib=gomp");
    }
    build.compile("byol_torch_shim");
}

//! The library's build script: where fuzz targets find libtorch.

#[path = "../crates/byol/build.rs"]
mod library;

fn main() {
    library::main();
}

//! Compiles the kernels for the host, where tests ask for it.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=host");
    println!("cargo::rerun-if-changed=kernels");
    if env::var_os("CARGO_FEATURE_HOST").is_some() {
        // Products and sums are rounded one by one, as the kernels for the GPU do.
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .flag_if_supported("-ffp-contract=off")
            .flag_if_supported("-Wno-unknown-pragmas")
            .flag_if_supported("-Wno-deprecated-declarations")
            // What a condition keeps from being read, the same one keeps from being used.
            .flag_if_supported("-Wno-maybe-uninitialized")
            .file("host/kernels.cpp")
            .compile("byol_cuda_host");
    }
}

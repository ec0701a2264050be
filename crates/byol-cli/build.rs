//! The library's build script, and what the program alone needs: where it finds libtorch once it is installed, and which commit it is built
//! from.

use std::env;
use std::path::Path;
use std::process::Command;

#[path = "../byol/build.rs"]
mod library;

fn main() {
    // Before the cache's folder, which the library's script adds: `make install` puts the libraries beside the program,
    // in the layout that their own rpaths expect.
    let program = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "@executable_path",
        _ => "$ORIGIN",
    };
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,{program}/../lib/byol/torch/lib");
    library::main();
    println!("cargo::rustc-env=BYOL_COMMIT={}", commit().unwrap_or_default());
}

/// The checkout's commit; none where the source is not a checkout of its own, or git is not there.
fn commit() -> Option<String> {
    let root = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).join("../..");
    if !root.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // HEAD names a branch, whose file names the commit; in a linked worktree neither lies under `.git`.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let path = root.join(git(&["rev-parse", "--git-path", name])?);
        // A path that does not exist would make every build start with this script.
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "--short", "HEAD"])
}

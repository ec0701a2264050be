//! How long the threads that libtorch computes with wait for each other in a loop before they sleep.

/// Turns of the loop: some tens of microseconds, longer than threads that all have a core wait for each other.
#[cfg(target_os = "linux")]
const TURNS: &str = "2000";

/// Makes waiting threads give way where cores are short: begins the program anew with `GOMP_SPINCOUNT`, which OpenMP reads before `main`,
/// unless somebody has chosen how threads wait. Where that fails, nothing changes.
///
/// By default a thread waits in a loop for milliseconds, on a core that another program holds the thread back from that it waits for. Beside two
/// busy threads on two cores, supervised training of the demo's network kept a tenth of its rate; so it keeps a quarter to nearly a half
/// (docs/experiments.md, 2026-11-29).
pub fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use std::env;
        use std::os::unix::process::CommandExt;
        use std::process::Command;

        if ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"].into_iter().any(|name| env::var_os(name).is_some()) {
            return;
        }
        let mut arguments = env::args_os();
        let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) else { return };
        // Comes back only if it fails.
        let _ = Command::new(program).arg0(name).args(arguments).env("GOMP_SPINCOUNT", TURNS).exec();
    }
}

//! Processes of the program that are ranks of one training, in a folder of their own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(300);

const SETTINGS: [&str; 7] = [
    "image_size=16",
    "width=0.0625",
    "pretrain.batch_size=16",
    "pretrain.checkpoint_every=1",
    "pretrain.monitor_every=1",
    "pretrain.stop_on_collapse=false",
    "pretrain.learning_rate=0.002",
];

const LAUNCHERS: [&str; 9] = [
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "OMPI_COMM_WORLD_RANK",
    "SLURM_PROCID",
    "PMI_RANK",
];

/// Processes that are to be ranks of one training, in a folder of their own with `photos` and `others`.
pub struct Place {
    home: tempfile::TempDir,
    pub port: u16,
}

/// A rank at work, killed if the test ends before it.
pub struct Rank(pub Option<Child>);

impl Drop for Rank {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a rank ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    pub said: String,
    pub printed: String,
}

impl Rank {
    pub fn signal(&self, signal: &str) {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success(), "it has ended by itself");
    }

    /// Waits for the end.
    pub fn end(mut self) -> End {
        let mut child = self.0.take().unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > LONG {
                let _ = child.kill();
                panic!("a rank does not end: {:?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let [said, printed] = [stderr, stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        End { code: status.code(), said, printed }
    }
}

impl Place {
    pub fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        for (folder, count) in [("photos", 48), ("others", 40)] {
            for number in 0..count {
                bitmap(&home.path().join(format!("{folder}/{number}.bmp")), number);
            }
        }
        Place { home, port: free_port() }
    }

    /// With `classes` too: three classes with images to train on and to test with, of the same number each.
    pub fn with_classes(train: u32, test: u32) -> Place {
        let place = Place::new();
        for (class, name) in ["a", "b", "c"].iter().enumerate() {
            for (split, count) in [("train", train), ("test", test)] {
                for number in 0..count {
                    let path = place.path(&format!("classes/{split}/{name}/{number}.bmp"));
                    bitmap(&path, 70 * class as u32 + 30 * u32::from(split == "test") + number);
                }
            }
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A process without a launcher's variables, which begins a run on this device.
    pub fn command_on(&self, device: &str, more: &[&str]) -> Command {
        let mut command = self.bare(&["--preset", "demo", "--device", device, "--precision", "fp32", "--threads", "1"]);
        command.args(SETTINGS.iter().flat_map(|pair| ["--set", pair])).args(more);
        command
    }

    /// One that goes on with a run.
    pub fn resume(&self, run: &str) -> Command {
        self.bare(&["--threads", "1", "--resume", run])
    }

    fn bare(&self, arguments: &[&str]) -> Command {
        self.program(&[&["pretrain", "--quiet"], arguments].concat())
    }

    /// A process without a launcher's variables.
    pub fn program(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(env!("CARGO_BIN_EXE_byol")), arguments)
    }

    /// A program that starts others, or this one, without a launcher's variables.
    pub fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments);
        for name in LAUNCHERS {
            command.env_remove(name);
        }
        command.current_dir(self.home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Makes a process one of several.
    pub fn start_as(&self, rank: usize, size: usize, mut command: Command) -> Rank {
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string());
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", self.port.to_string());
        Rank(Some(command.spawn().expect("the program starts")))
    }

    pub fn start(&self, size: usize, more: &[&str]) -> Vec<Rank> {
        (0..size).map(|rank| self.start_as(rank, size, self.command(more))).collect()
    }

    pub fn command(&self, more: &[&str]) -> Command {
        self.command_on("cpu", more)
    }

    /// All ranks to their end, which is a good one.
    pub fn finish(&self, size: usize, command: impl Fn() -> Command) -> Vec<End> {
        let ranks: Vec<Rank> = (0..size).map(|rank| self.start_as(rank, size, command())).collect();
        let ends: Vec<End> = ranks.into_iter().map(Rank::end).collect();
        assert!(ends.iter().all(|end| end.code == Some(0)), "{ends:?}");
        ends
    }

    /// The last checkpoint of a run.
    pub fn last(&self, run: &str) -> Vec<u8> {
        std::fs::read(checkpoints(&self.path(run)).pop().expect("a checkpoint")).unwrap()
    }

    /// The losses of a run, epoch by epoch.
    pub fn losses(&self, run: &str) -> Vec<f64> {
        let text = std::fs::read_to_string(self.path(run).join("metrics.jsonl")).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        records.map(|record| record["loss"].as_f64().unwrap()).collect()
    }
}

/// The checkpoints of a run's pre-training, oldest first.
pub fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .collect();
    found.sort();
    found
}

pub fn wait_for_a_checkpoint(run: &Path) {
    wait_until(|| !checkpoints(run).is_empty(), "a checkpoint");
}

/// Waits for something that will happen.
pub fn wait_until(happened: impl Fn() -> bool, what: &str) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < LONG, "{what} has not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that nobody uses.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An image of 16 by 16 pixels, no two alike, as a BMP file.
fn bitmap(path: &Path, number: u32) {
    let pixels = 3 * 16 * 16u32;
    let mut bytes = b"BM".to_vec();
    for number in [54 + pixels, 0, 54, 40, 16, 16] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend((0..pixels).map(|place| ((place * (number + 3)) % 251) as u8));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// What begins a run on the photos.
pub fn run<'a>(out: &'a str, epochs: &'a str) -> Vec<&'a str> {
    vec!["--data", "photos", "--out", out, "--set", epochs]
}

//! Measurements of throughput in words and columns.

use std::fmt::Write;

use byol::bench::decode::{DecodeResult, Way};
use byol::bench::label::{LabelResult, LabelWork};
use byol::bench::{BenchResult, Breakdown, Memory, Subject};

use crate::sweep::SweepKey;

/// One measurement.
pub fn measurement(subject: Subject, measured: &BenchResult) -> String {
    let BenchResult { images_per_second, batch_size, image_size, steps, set_size, hardware, .. } = measured;
    let hardware = if subject == Subject::Augment { "one thread" } else { hardware };
    let mut text = format!(
        "{images_per_second:.1} images/s: {steps} steps of {batch_size} images at {image_size} px on {hardware}, \
         from a set of {set_size}\n\n"
    );
    match &measured.breakdown {
        Some(breakdown) => text += &parts(subject, breakdown),
        None => text += &format!("a step takes {:.1} ms\n", measured.step_ms),
    }
    text.push('\n');
    let mut line = |name: &str, figure: String| {
        let _ = writeln!(text, "{name:<12} {figure}");
    };
    if let Some(arithmetic) = measured.arithmetic {
        let share = 100.0 * arithmetic.share_of_matmul;
        let [achieved, possible] = [arithmetic.gflops, arithmetic.matmul_gflops];
        line(
            "arithmetic",
            format!("{achieved:.0} GFLOP/s, {share:.0}% of the {possible:.0} that a large matrix product reaches"),
        );
    }
    if let Some(rate) = measured.evaluation_images_per_second {
        line("evaluation", format!("{rate:.1} images/s"));
    }
    if let Some(memory) = measured.memory {
        let [own, mapped, peak] = [memory.memory_mib, memory.mapped_mib, memory.peak_memory_mib];
        line("memory", format!("{own:.0} MiB, and {mapped:.0} MiB of mapped files; together at most {peak:.0} MiB"));
    }
    if let Some(beside) = measured.beside {
        let (rate, share) = (beside.images_per_second, 100.0 * beside.share_of_quiet);
        let threads = match beside.busy_threads {
            1 => "one busy thread".to_owned(),
            count => format!("{count} busy threads"),
        };
        line("beside", format!("{threads}: {rate:.1} images/s, {share:.0}% of the rate above"));
    }
    if let Some(together) = measured.together {
        let (count, waiting, gradient) = (together.processes, together.collective_ms, together.gradient_ms);
        let share = 100.0 * waiting / measured.step_ms;
        let (one, efficiency) = (together.images_per_second_of_one, 100.0 * together.efficiency);
        let of_gradient = format!("{gradient:.1} ms of it for the gradient");
        line(
            "processes",
            format!("{count}; {waiting:.1} ms of a step in collective functions, {share:.0}%; {of_gradient}"),
        );
        line("efficiency", format!("{efficiency:.0}%: one process by itself makes {one:.1} images/s"));
    }
    if let Some(seconds) = measured.first_step_seconds {
        line("first step", format!("done {seconds:.1} s after the program's start"));
    }
    text
}

/// Opening of encoded images.
pub fn opened(measured: &DecodeResult) -> String {
    let &DecodeResult { first: (width, height), mean_bytes, steps, image_size, .. } = measured;
    let megabytes = mean_bytes / 1e6;
    let files = match measured.files {
        1 => format!("a file of {width}x{height}, {megabytes:.1} MB"),
        files => format!("{files} files, the first of {width}x{height}, {megabytes:.1} MB on average"),
    };
    let mut text = format!("{files}; means of {steps} on one thread, ms of processor time\n\n");
    let _ = writeln!(text, "{:<32} {:>11} {:>9} {:>9}", "", "result", "ms/file", "files/s");
    for opened in &measured.ways {
        let way = match opened.way {
            Way::Whole => "decoded".to_owned(),
            Way::ForViews => "decoded for views".to_owned(),
            Way::WholeThenShrunk => format!("decoded, then shrunk to {image_size}"),
            Way::Shrunk => format!("shrunk to {image_size}, as in a pack"),
        };
        let (width, height) = opened.result;
        let size = format!("{width}x{height}");
        let _ = writeln!(text, "{way:<32} {size:>11} {:>9.1} {:>9.1}", opened.processor_ms, opened.images_per_second);
    }
    text.extend(measured.memory.map(memory));
    text
}

/// The memory of the process, below a table.
fn memory(memory: Memory) -> String {
    format!("\n{:<12} {:.0} MiB, at most {:.0} MiB\n", "memory", memory.memory_mib, memory.peak_memory_mib)
}

/// Choosing images to label, and fitting to the labels.
pub fn labelling(measured: &LabelResult) -> String {
    let LabelResult { images, features, classes, threads, .. } = measured;
    let threads = if *threads == 1 { "one thread".to_owned() } else { format!("{threads} threads") };
    let mut text = format!("{images} made representations of {features} numbers, {classes} classes, {threads}\n\n");
    let _ = writeln!(text, "{:<58} {:>8} {:>12}", "", "s", "processor, s");
    for step in &measured.steps {
        let what = match step.what {
            LabelWork::Fit { labels } => format!("choose a penalty and fit to {labels} labels"),
            LabelWork::Refit { labels } => format!("fit again to {labels} labels, ten of them new"),
            LabelWork::Answers => "the classifier's answers for all images".to_owned(),
            LabelWork::Prepare { strategy } => format!("{}: what is done once", strategy.name()),
            LabelWork::Choose { strategy, labels } => {
                format!("{}: the next ten images, with {labels} labels", strategy.name())
            }
            LabelWork::Lengths => "near images: what is done once".to_owned(),
            LabelWork::Neighbours => "the twenty nearest images of one".to_owned(),
        };
        let _ = writeln!(text, "{what:<58} {:>8.3} {:>12.3}", step.seconds, step.processor_seconds);
    }
    text.extend(measured.memory.map(memory));
    text
}

/// Where the time of a step goes.
fn parts(subject: Subject, breakdown: &Breakdown) -> String {
    let forward = if subject == Subject::Supervised { "forward" } else { "online forward" };
    let rows = [
        ("waiting for images", Some(breakdown.idle_ms)),
        ("transfer", Some(breakdown.transfer_ms)),
        ("target forward", breakdown.target_forward_ms),
        (forward, Some(breakdown.online_forward_ms)),
        ("backward", Some(breakdown.backward_ms)),
        ("optimiser", Some(breakdown.optimizer_ms)),
        ("moving average", breakdown.average_ms),
        ("other", Some(breakdown.other_ms)),
    ];
    let mut text = format!("{:<20} {:>8} {:>7}\n", "a step", "ms", "share");
    let mut row = |name: &str, ms: f64| {
        let share = 100.0 * ms / breakdown.step_ms;
        let _ = writeln!(text, "{name:<20} {ms:>8.1} {share:>5.1}%");
    };
    for (name, ms) in rows {
        if let Some(ms) = ms {
            row(name, ms);
        }
    }
    row("together", breakdown.step_ms);
    text + &format!(
        "{:<20} {:>8.1} {:>7}  of one core, on threads beside the step\n",
        "rendering", breakdown.render_ms, ""
    )
}

/// What stands above the rows of a sweep.
pub fn sweep_heading(subject: Subject, key: SweepKey, measured: &BenchResult) -> String {
    let BenchResult { batch_size, image_size, set_size, hardware, .. } = measured;
    let mut fixed = Vec::new();
    if key != SweepKey::BatchSize {
        fixed.push(format!("batches of {batch_size}"));
    }
    if key != SweepKey::ImageSize {
        fixed.push(format!("{image_size} px"));
    }
    if key != SweepKey::SetSize {
        fixed.push(format!("a set of {set_size}"));
    }
    match subject {
        Subject::Augment => fixed.push("one thread".to_owned()),
        _ if key == SweepKey::Threads => fixed.push(hardware.replace(&format!(", {} threads", measured.threads), "")),
        Subject::Pretrain | Subject::Supervised => fixed.push(hardware.clone()),
    }
    format!(
        "{}\n{:>10} {:>10} {:>10} {:>10} {:>12}",
        fixed.join(", "),
        key.name(),
        "images/s",
        "ms/step",
        "ms/image",
        "memory, MiB"
    )
}

/// One point of a sweep.
pub fn sweep_row(value: usize, measured: &BenchResult) -> String {
    let memory = measured.memory.map_or_else(|| "-".to_owned(), |memory| format!("{:.0}", memory.memory_mib));
    format!(
        "{value:>10} {:>10.1} {:>10.1} {:>10.3} {memory:>12}",
        measured.images_per_second,
        measured.step_ms,
        measured.step_ms / measured.batch_size as f64,
    )
}

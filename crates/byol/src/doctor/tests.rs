use super::*;

fn question(device: DeviceChoice, folder: &Path) -> Question<'_> {
    Question {
        device,
        precision: PrecisionChoice::Fp32,
        threads: Some(1),
        folder,
        launch: Ok(None),
        patience: PATIENCE,
    }
}

#[test]
fn training_works_here() {
    let folder = tempfile::tempdir().unwrap();
    let found = examine(question(DeviceChoice::Cpu, folder.path()));
    assert!(found.works, "{:?}", found.problems);
    let Processes { launch, trial } = found.processes;
    assert!(launch.is_none() && trial.is_some_and(|trial| trial.over == "gloo" && trial.number_ms > 0.0));
    let uses = found.uses.unwrap();
    assert_eq!((uses.device.as_str(), uses.precision, uses.threads, uses.gpu_kernels), ("cpu", "fp32", 1, false));
    assert!(uses.trial_seconds.is_some_and(|seconds| seconds > 0.0));
    assert!(found.machine.memory.total_bytes > found.machine.memory.available_bytes);
    assert!(found.machine.processor.threads >= 1 && !found.machine.processor.model.is_empty());
}

#[test]
fn what_cannot_be_had_is_a_problem_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let found = examine(question(DeviceChoice::Cuda(99), &folder.path().join("missing")));
    assert!(!found.works && found.uses.is_none());
    let whats: Vec<&str> = found.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert!(whats.iter().any(|what| what.contains("cuda:99")), "{whats:?}");
    assert!(whats.iter().any(|what| what.contains("cannot be written")), "{whats:?}");
    assert!(found.problems.iter().all(|problem| !problem.remedy.is_empty()));
}

/// The problems that a machine with these graphics has, whose CPU is used.
fn judged(graphics: Graphics, cuda_half: CudaHalf, environment: &[(&'static str, &str)]) -> Vec<String> {
    let place = Place { path: "here".into(), writable: true, free_bytes: Some(1 << 40) };
    let mut machine = machine::look();
    machine.graphics = graphics;
    machine.libtorch.cuda_half = cuda_half;
    machine.memory.available_bytes = 1 << 34;
    let findings = Findings {
        machine: &machine,
        cache: &Cache { path: None, bytes: 0, free_bytes: None },
        folder: &place,
        environment: &environment.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
    };
    let mut problems = Vec::new();
    findings.judge(None, &mut problems);
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning && !problem.remedy.is_empty()));
    problems.into_iter().map(|problem| problem.what).collect()
}

fn with_driver(version: &str, gpus: usize) -> Graphics {
    let gpu = GpuFound { name: "GPU".into(), memory_bytes: 1 << 34, capability: "9.0".into() };
    let gpus = Gpus::Found(vec![gpu; gpus]);
    Graphics { driver_loaded: true, driver_version: Some(version.into()), gpus, nvrtc: None }
}

#[test]
fn a_gpu_that_is_not_used_has_its_reason() {
    let without = Graphics { driver_loaded: false, ..with_driver("", 0) };
    assert!(judged(without, CudaHalf::Missing, &[]).is_empty());
    let missing = judged(with_driver("580.1", 1), CudaHalf::Missing, &[]);
    assert_eq!(missing, ["there is an NVIDIA GPU, but libtorch's CUDA half is not there"]);
    let reason = "no kernel image".to_owned();
    let old = judged(with_driver("470.82.01", 1), CudaHalf::Unusable { reason }, &[]);
    assert!(old[0].contains("470.82.01 is older than 580") && old[1].contains("no kernel image"), "{old:?}");
    let hidden = judged(with_driver("580.1", 0), CudaHalf::There, &[("CUDA_VISIBLE_DEVICES", "")]);
    assert_eq!(hidden, ["CUDA_VISIBLE_DEVICES= hides every GPU"]);
}

#[test]
fn variables_that_slow_libtorch_down_are_named() {
    let without = Graphics { driver_loaded: false, ..with_driver("", 0) };
    let slowed = judged(without, CudaHalf::Missing, &[("ATEN_CPU_CAPABILITY", "default")]);
    assert!(slowed[0].starts_with("ATEN_CPU_CAPABILITY=default keeps libtorch"), "{slowed:?}");
}

#[test]
fn amounts_have_units() {
    for (bytes, text) in [(0, "0 kB"), (1500, "2 kB"), (512_000_000, "512 MB"), (23_440_000_000, "23.4 GB")] {
        assert_eq!(amount(bytes), text);
    }
}

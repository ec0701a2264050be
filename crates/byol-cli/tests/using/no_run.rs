//! What `predict`, `embed` and `export` say of a folder that is no run, or no whole one yet.

use super::*;

#[test]
fn what_is_given_as_a_run_and_is_none_is_called_by_its_name() {
    let run = at("run");
    let exported = |name: &str| {
        let out = at(name);
        let output = byol(&["export", "--from", &run, "--out", &out], "");
        assert!(output.status.success(), "{output:?}");
        out
    };
    let (graph, weights) = (exported("classifier.onnx"), exported("classifier.safetensors"));
    let other = at("resnet18.pth");
    std::fs::write(&other, b"PK\x03\x04and so on").unwrap();
    let page = format!("{run}/report.html");
    let image = images()[0].to_str().unwrap().to_owned();
    let export = "is an export; name the run directory that it was made from";
    for (from, expected) in [
        (&graph, export.to_owned()),
        (&weights, export.to_owned()),
        (&other, "is a file of weights of another program".to_owned()),
        (&page, format!("is a page; name the directory of a run; did you mean {run}?")),
        (&image, "is neither a run directory nor a checkpoint".to_owned()),
    ] {
        let (matrix, copy, tuned) = (at("foreign.npy"), at("foreign.onnx"), at("foreign-run"));
        let commands: [&[&str]; 6] = [
            &["predict", "--from", from, &image],
            &["embed", "--from", from, &image, "--out", &matrix],
            &["neighbors", &image, "--in", &image, "--from", from],
            &["export", "--from", from, "--out", &copy],
            &["finetune", "--from", from, "--data", "patterns", "--out", &tuned],
            &["finetune", "--from", from, "--data", "patterns", "--out", &tuned, "--preset", "demo"],
        ];
        for arguments in commands {
            let output = byol(arguments, "");
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains(&expected), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn an_unfinished_run_says_what_of_it_is_ready() {
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").arg(at("run")).arg(copy.path()).status();
    assert!(status.unwrap().success());
    let run = copy.path().join("run");
    let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
    let unfinished = summary.replace("\"finished\": true", "\"finished\": false");
    assert_ne!(summary, unfinished);
    std::fs::write(run.join("summary.json"), unfinished).unwrap();
    let (run, image) = (run.to_str().unwrap(), images()[0].to_str().unwrap().to_owned());
    let goes_on = format!("; `byol supervised --resume {run}` goes on with it");
    let refused = byol(&["predict", "--from", run, &image], "");
    let said = text(&refused.stderr);
    let options = "--classifier baseline --labels-per-class 20";
    let ready = format!("is not finished; ready: the baseline with 20 labels per class ({options}){goes_on}");
    assert!(refused.status.code() == Some(2) && said.contains(&ready), "{said}");
    let arguments: Vec<&str> = ["predict", "--from", run, &image].into_iter().chain(options.split(' ')).collect();
    assert!(byol(&arguments, "").status.success());

    let matrix = copy.path().join("m.npy");
    let embed = ["embed", "--from", run, &image, "--out", matrix.to_str().unwrap()];
    let refused = byol(&embed, "");
    let options = "--stage supervised --labels-per-class 20";
    assert!(
        text(&refused.stderr)
            .contains(&format!("ready: the encoder of the baseline with 20 labels per class ({options})"))
    );
    assert!(byol(&embed.into_iter().chain(options.split(' ')).collect::<Vec<_>>(), "").status.success());

    std::fs::remove_dir_all(copy.path().join("run/checkpoints")).unwrap();
    let refused = byol(&["predict", "--from", run, &image], "");
    let said = text(&refused.stderr);
    assert!(said.contains(&format!("nothing that is needed here is ready yet{goes_on}")), "{said}");
}

//! The page of suspicious labels, answered by keyboard.

use std::fs;

use super::*;

/// Images of two classes; one is in both.
fn photos(at: &Path) -> PathBuf {
    let drawn = at.join("drawn");
    let made = program(&["views", "--data", "patterns", "--count", "24", "--preset", "demo", "--quiet", "--out"])
        .arg(&drawn)
        .output()
        .expect("the program can be started");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let photos = at.join("photos");
    for place in 0..24 {
        let class = photos.join(["cat", "a dog"][place % 2]);
        fs::create_dir_all(&class).unwrap();
        fs::copy(drawn.join(format!("view-{place:02}-original.png")), class.join(format!("{place}.png"))).unwrap();
    }
    fs::copy(photos.join("cat/0.png"), photos.join("a dog/copy.png")).unwrap();
    photos
}

fn check(photos: &Path) -> Command {
    let mut command = program(&["data", "check", "--device", "cpu", "--precision", "fp32"]);
    command.arg(photos).arg("--from").arg(finished());
    command
}

fn serving(photos: &Path) -> (Running, String) {
    let mut server = check(photos);
    server.args(["--serve", "--port", "0", "--json"]).stdout(Stdio::piped());
    let mut server = Running(server.spawn().expect("the program can be started"));
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let events = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    let asking = events.into_iter().find(|event| event["event"] == "asking").expect("it says where it answers");
    (server, asking["address"].as_str().unwrap().to_owned())
}

#[test]
fn suspicious_labels_are_answered_by_keyboard_and_the_answers_apply() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let file = photos.join("byol-corrections.csv");
    let (mut server, address) = serving(&photos);
    let page = Page::open(&address);
    let said = "document.querySelector('.standing').textContent";
    page.wait_for(&format!("{said}.startsWith('0 answered')"));
    // The same image under two labels is what is suspicious first.
    let first = "document.querySelector('figure[data-image]')";
    page.focus("figure[data-image]");
    page.press("d");
    page.wait_for(&format!("{first}.dataset.answer === 'drop' && {said}.startsWith('1 answered')"));
    assert!(
        page.holds("document.activeElement !== document.querySelector('figure[data-image]')"),
        "the next one has the focus"
    );
    page.press("k");
    page.wait_for(&format!("{said}.startsWith('2 answered')"));
    page.press("u");
    page.press("u");
    page.wait_for(&format!("{said}.startsWith('0 answered') && !{first}.dataset.answer"));
    page.focus("figure[data-image]");
    page.press("d");
    page.wait_for(&format!("{said}.startsWith('1 answered')"));
    page.resize(390);
    assert!(page.holds("document.documentElement.scrollWidth <= 390"), "it is wider than a phone");
    page.assert_no_problems();

    // What was answered is in the file, however the server ends.
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("path,was,answer,label\n") && text.ends_with(",drop,\n"), "{text}");
    drop(page);

    let (_again, address) = serving(&photos);
    let page = Page::open(&address);
    page.wait_for("document.querySelectorAll('#answered ~ .suspects figure[data-answer=drop]').length === 1");
    page.assert_no_problems();
    let second = check(&photos).args(["--serve", "--port", "0"]).output().unwrap();
    let refused = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && refused.contains(&format!("which answers at {address}")), "{refused}");
    let told = check(&photos).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.contains("1 image is left out by") && told.contains("24 labelled images"), "{told}");
    assert!(!told.contains("different labels"), "{told}");
}

#[test]
fn an_answer_that_is_not_kept_is_not_passed_over_and_another_class_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let file = photos.join("byol-corrections.csv");
    let (_server, address) = serving(&photos);
    let page = Page::open(&address);
    let said = "document.querySelector('.standing').textContent";
    let figures = "[...document.querySelectorAll('figure[data-image]')]";
    let at = |place: usize| format!("document.activeElement === {figures}[Math.min({place}, {figures}.length - 1)]");
    page.wait_for(&format!("{said}.startsWith('0 answered')"));
    page.press("n");
    assert!(page.holds(&at(0)));
    // No file can be written there. Two keys come before that is known.
    fs::create_dir(&file).unwrap();
    page.press("d");
    page.press("k");
    page.wait_for(&format!("{said}.includes('is not kept') && {}", at(0)));
    assert!(page.holds("document.querySelector('.bar').classList.contains('problem')"));
    assert_eq!(page.ask::<usize>("document.querySelectorAll('figure[data-answer]').length"), 0);
    fs::remove_dir(&file).unwrap();
    page.press("d");
    page.wait_for(&format!("{said}.startsWith('1 answered') && {}", at(1)));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
    page.forget_problems();

    // Another class by a part of its name; none that is not there.
    let own: String = page.ask("document.activeElement.dataset.class");
    let other = if own == "cat" { "a dog" } else { "cat" };
    page.press("c");
    page.wait_for("document.getElementById('asking').open");
    page.tab.type_str("lynx").unwrap();
    page.press("Enter");
    assert!(page.holds("document.getElementById('asking').open"), "there is no such class");
    page.tab.type_str("x").unwrap();
    page.press("Escape");
    page.wait_for("!document.getElementById('asking').open");
    page.resize(390);
    page.press("c");
    page.wait_for("document.getElementById('asking').open");
    page.tab.type_str(&other[1..]).unwrap();
    page.wait_for("document.querySelectorAll('#asking .classes button').length === 1");
    assert!(page.holds("document.documentElement.scrollWidth <= 390"), "it is wider than a phone");
    page.press("Enter");
    page.wait_for(&format!("{said}.startsWith('2 answered') && {}", at(2)));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with(&format!(",{own},change,{other}\n")), "{text}");
    page.assert_no_problems();

    // An image that vanishes gets no answer.
    let name: String = page.ask("document.activeElement.querySelector('img').alt");
    fs::remove_file(photos.join(&name)).unwrap();
    page.press("k");
    page.wait_for(&format!("{said}.startsWith({:?}) && {}", format!("{name} is not there any more"), at(2)));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

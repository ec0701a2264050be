//! Answers that are sent are in the file, and nothing else is answered.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::data::corrections::Corrections;
use crate::run::data_check::Finding;

/// So many gray images; in this folder, where there is one.
struct Gray(usize, Option<PathBuf>);

impl ImageSource for Gray {
    fn len(&self) -> usize {
        self.0
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        *image = Image { width: 8, height: 8, pixels: vec![index as u8; 192] };
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{index}.png")
    }

    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.1.as_ref().map(|folder| folder.join(self.name(index)))
    }
}

fn subject(place: PathBuf) -> Subject {
    let image = LabelledImage { index: 3, image: "3.png".to_owned(), class: "cat".to_owned(), test: false };
    let finding =
        Finding::WrongLabel { image, likely: "dog".to_owned(), own_probability: 0.1, likely_probability: 0.8 };
    let classes: Vec<String> = ["cat", "dog"].map(str::to_owned).into();
    let check = DataCheck {
        data: "pets".to_owned(),
        images: 6,
        classes,
        held_out: None,
        findings: vec![finding],
        version: "0".to_owned(),
    };
    Subject { check, images: Arc::new(Gray(6, None)), classes: vec!["cat".to_owned(); 6], place, table: None }
}

fn served(place: PathBuf, work: impl FnOnce(SocketAddr)) {
    served_of(subject(place), work);
}

fn served_of(subject: Subject, work: impl FnOnce(SocketAddr)) {
    let review = Review::bind(subject, 0).expect("a free port");
    let interrupt = Interrupt::default();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| review.serve(&interrupt));
        // The server must end even if an assertion fails.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(review.address())));
        interrupt.request();
        serving.join().expect("no panic").expect("it ends when it is asked to");
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
}

fn ask(address: SocketAddr, head: &str, content: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = content.len();
    let request =
        format!("{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{content}");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    (head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code"), body.to_owned())
}

fn send(address: SocketAddr, path: &str, content: &str) -> (u16, String) {
    ask(address, &format!("POST {path} HTTP/1.1\r\nX-Byol: 1"), content)
}

#[test]
fn answers_are_in_the_file_and_can_be_undone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("byol-corrections.csv");
    served(place.clone(), |address| {
        let (code, page) = ask(address, "GET / HTTP/1.1", "");
        assert!(code == 200 && page.contains("/image/3"));
        assert_eq!(ask(address, "GET /image/3 HTTP/1.1", "").0, 200);
        let (code, state) = send(address, "/answer", r#"{"image":3,"answer":"change","label":"dog","seen":null}"#);
        assert!(code == 200 && state.contains(r#""3":{"answer":"change","label":"dog"}"#), "{code} {state}");
        assert!(fs::read_to_string(&place).unwrap().ends_with("3.png,cat,change,dog\n"));
        // A window that did not see this answer does not replace it.
        let (code, state) = send(address, "/answer", r#"{"image":3,"answer":"drop","seen":null}"#);
        assert!(code == 409 && state.contains(r#""elsewhere":true"#), "{code} {state}");
        let seen = r#"{"answer":"change","label":"dog"}"#;
        assert_eq!(send(address, "/answer", &format!(r#"{{"image":3,"answer":"drop","seen":{seen}}}"#)).0, 200);
        assert_eq!(send(address, "/answer", r#"{"image":4,"answer":"keep","seen":null}"#).0, 200);
        assert_eq!(Corrections::read(&place).unwrap().iter().count(), 2);
        assert!(send(address, "/undo", "{}").1.contains(r#""undone":4"#));
        assert!(send(address, "/undo", "{}").1.contains(r#""3":{"answer":"change","label":"dog"}"#));
        assert!(send(address, "/undo", "{}").1.contains(r#""answers":{}"#));
        assert!(send(address, "/undo", "{}").1.contains(r#""undone":null"#));
        assert_eq!(Corrections::read(&place).unwrap().iter().count(), 0);
    });
}

#[test]
fn nothing_else_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("byol-corrections.csv");
    served(place.clone(), |address| {
        let answer = r#"{"image":3,"answer":"keep","seen":null}"#;
        assert_eq!(ask(address, "POST /answer HTTP/1.1", answer).0, 404, "a page of another site");
        for wrong in [
            r#"{"image":6,"answer":"keep","seen":null}"#,
            r#"{"image":3,"answer":"change","label":"bird","seen":null}"#,
            r#"{"image":3,"answer":"burn","seen":null}"#,
            "{",
        ] {
            assert_eq!(send(address, "/answer", wrong).0, 404, "{wrong}");
        }
        for path in ["/image/6", "/image/../../etc/passwd", "/image/", "/else"] {
            assert_eq!(ask(address, &format!("GET {path} HTTP/1.1"), "").0, 404, "{path}");
        }
        assert!(!place.exists());
    });
}

#[test]
fn a_second_server_is_refused_with_the_address_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("byol-corrections.csv");
    served(place.clone(), |address| {
        let error = Review::bind(subject(place.clone()), 0).err().expect("refused").to_string();
        assert!(error.contains(&format!("http://{address}/")), "{error}");
    });
}

#[test]
fn an_answer_that_cannot_be_kept_is_said_not_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("byol-corrections.csv");
    served(place.clone(), |address| {
        fs::create_dir(&place).unwrap();
        let (code, state) = send(address, "/answer", r#"{"image":3,"answer":"keep","seen":null}"#);
        assert!(code == 500 && state.contains("could not") && state.contains(r#""answers":{}"#), "{code} {state}");
        fs::remove_dir(&place).unwrap();
        assert_eq!(send(address, "/answer", r#"{"image":3,"answer":"keep","seen":null}"#).0, 200);
    });
}

#[test]
fn data_that_changes_meanwhile_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (place, table) = (folder.path().join("byol-corrections.csv"), folder.path().join("labels.csv"));
    fs::write(&table, "path,label\n3.png,cat\n").unwrap();
    for index in 0..6 {
        fs::write(folder.path().join(format!("{index}.png")), "").unwrap();
    }
    let images = Arc::new(Gray(6, Some(folder.path().to_owned())));
    let watched = Some(Watched::now(&table));
    served_of(Subject { images, table: watched, ..subject(place.clone()) }, |address| {
        let keep =
            |image: usize| send(address, "/answer", &format!(r#"{{"image":{image},"answer":"keep","seen":null}}"#));
        let (code, state) = keep(3);
        assert!(code == 200 && state.contains(r#""data_changed":false"#), "{code} {state}");
        fs::write(&table, "path,label\n3.png,lynx\n").unwrap();
        assert!(ask(address, "GET /state HTTP/1.1", "").1.contains(r#""data_changed":true"#));
        // Others may still be right, and each answer says which label it is on.
        let (code, state) = keep(4);
        assert!(code == 200 && state.contains(r#""data_changed":true"#), "{code} {state}");
        fs::remove_file(folder.path().join("5.png")).unwrap();
        let (code, state) = keep(5);
        assert!(code == 500 && state.contains("5.png is not there any more") && !state.contains(r#""5":"#), "{state}");
    });
    assert_eq!(Corrections::read(&place).unwrap().iter().count(), 2);
}

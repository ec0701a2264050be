//! Tables of labels.

use super::*;
use byol_images::data::info::DataInfo;

fn table(root: &Path, text: &str) {
    write(&root.join("labels.csv"), text.as_bytes());
}

#[test]
fn paths_and_labels_with_a_split() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("p"), 6, 0);
    table(
        root.path(),
        "\u{feff}Path,label,split\np/0.png,10,train\n./p/1.png,9,\np/2.png,10,test\n\"p/3.png\",9,test\n\
         p/4.png,,train\n",
    );
    for path in [root.path().to_path_buf(), root.path().join("labels.csv")] {
        let dataset = open(&path);
        assert_eq!(dataset.class_names, ["9", "10"], "numbers are sorted as numbers");
        assert_eq!(listed(&dataset, &dataset.train), pairs(&[("p/0.png", "10"), ("p/1.png", "9")]));
        assert_eq!(listed(&dataset, &dataset.test), pairs(&[("p/2.png", "10"), ("p/3.png", "9")]));
        assert_eq!(dataset.unlabeled[0].images.name(0), "p/4.png");
        let (folder, tables) = (shown(root.path()), vec![shown(&root.path().join("labels.csv"))]);
        assert_eq!(dataset.warnings[0], DataNote::NotListed { images: 1, folder, tables });
    }
}

#[test]
fn without_a_split_one_is_drawn() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 10, 0);
    let rows: String = (0..10).map(|row| format!("{row}.png;{}\n", if row < 5 { "x" } else { "y" })).collect();
    write(&root.path().join("mine.csv"), format!("file;class\n{rows}").as_bytes());
    let dataset = open(&root.path().join("mine.csv"));
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 4), (1, 4)].into(), [(0, 1), (1, 1)].into()));
    assert!(root.path().join("mine.byol-split.csv").is_file());
}

#[test]
fn missing_files_are_skipped_or_refused() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 4, 0);
    image(&root.path().join("other/nine.png"), 9);
    let rows = "path,label\n0.png,a\n1.png,a\n2.png,b\n3.png,b\nbad/zzz,b\nother/nin.png,a\n";
    table(root.path(), rows);
    let path = root.path().join("labels.csv");
    let named = [
        format!("line 6 of {} names `bad/zzz`, which is not there", path.display()),
        format!(
            "line 7 of {} names `other/nin.png`, which is not there; did you mean `other/nine.png`?",
            path.display()
        ),
    ];
    let dataset = open(root.path());
    assert_eq!(dataset.skipped, 2);
    for problem in named.clone() {
        let note = DataNote::LineSkipped { problem };
        assert!(dataset.warnings.contains(&note), "{note:?}: {:?}", dataset.warnings);
    }
    let strict = OpenOptions { strict: true, ..OpenOptions::default() };
    let message = Dataset::open(root.path(), &strict).err().unwrap().to_string();
    contains(&message, &[&named[0], "; correct the line, or leave out --strict"]);
    let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
    assert!(info.damaged.iter().all(|damage| damage.missing));
    assert_eq!(info.damaged.into_iter().map(|damage| damage.problem).collect::<Vec<_>>(), named);

    // Of many, the first are named.
    let many: String = (0..40).map(|row| format!("none/{row}.png,b\n")).collect();
    table(root.path(), &format!("{rows}{many}"));
    let warnings = open(root.path()).warnings;
    assert!(warnings.contains(&DataNote::MoreLinesSkipped { lines: 37 }), "{warnings:?}");
}

#[test]
fn a_class_of_one_image_may_be_misspelt() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 20, 0);
    let rows = |split: &dyn Fn(usize) -> &'static str| -> String {
        let class = |row: usize| if row == 7 { "caar" } else { ["car", "deer"][row % 2] };
        (0..20).map(|row| format!("{row}.png,{}{}\n", class(row), split(row))).collect()
    };
    table(root.path(), &format!("path,label\n{}", rows(&|_| "")));
    contains(&refusal(root.path()), &["class `caar`", "has 1 usable image", "remove the class; did you mean `car`?"]);
    let of = |row: usize| if row < 12 { ",train" } else { ",test" };
    table(root.path(), &format!("path,label,split\n{}", rows(&of)));
    let warnings = open(root.path()).warnings;
    let misspelt = DataNote::Misspelt { class: "caar".to_owned(), images: 1, meant: "car".to_owned() };
    assert!(warnings.contains(&misspelt), "{warnings:?}");
}

#[test]
fn a_class_of_few_images_may_be_misspelt() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 40, 0);
    let of = |row: usize| {
        if row.is_multiple_of(2) {
            "horse"
        } else if row < 6 {
            "dear"
        } else {
            "deer"
        }
    };
    let rows: String = (0..40).map(|row| format!("{row}.png,{}\n", of(row))).collect();
    table(root.path(), &format!("path,label\n{rows}"));
    let misspelt = DataNote::Misspelt { class: "dear".to_owned(), images: 3, meant: "deer".to_owned() };
    let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
    assert!(info.warnings.contains(&misspelt), "{:?}", info.warnings);
    let warnings = open(root.path()).warnings;
    assert!(warnings.contains(&misspelt), "{warnings:?}");
}

#[test]
fn wrong_lines_are_named() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 4, 0);
    for (text, expected) in [
        ("0.png,a\n1.png,b\n", "line 1: the first line must name a column of paths (`path`, `file`, "),
        ("path,label\n0.png,a\n0.png,b\n", "line 3: `0.png` was listed before, in line 2"),
        ("path,label\n../0.png,a\n", "line 2: `../0.png` leads out of the table's folder"),
        ("path,label\na/../../0.png,a\n", "leads out of the table's folder"),
        ("path,label\n/etc/passwd,a\n", "line 2: `/etc/passwd` leads out"),
        ("path,label\n0.png,a,b\n", "line 2: 3 cells where the first line has 2"),
        ("path,label\n,a\n", "line 2: the path is empty"),
        ("path,label,split\n0.png,a,tset\n", "line 2: `tset` is no split; it is train, test, val or unlabeled"),
        ("path,label\n", "lists no image"),
        ("", "lists no image"),
        ("path,label\n0.png,a\n1.png,a\n", "one class only, `a`"),
        ("path,label,split\n0.png,a,train\n1.png,b,train\n2.png,c,test\n", "class `c`"),
    ] {
        table(root.path(), text);
        contains(&refusal(root.path()), &[expected, "labels.csv"]);
    }
    write(&root.path().join("labels.csv"), b"path,label\n0.png,a\n1.png,\xe9\n");
    contains(&refusal(root.path()), &["line 3: the text is not UTF-8"]);
}

#[test]
fn a_pool_needs_no_labels() {
    let root = tempfile::tempdir().unwrap();
    image(&root.path().join("a.png"), 1);
    write(&root.path().join("labels.csv"), b"path\na.png\n");
    contains(&refusal(root.path()), &["line 1"]);
    let mut dataset = open(Path::new("patterns"));
    dataset.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 1);
}

#[test]
fn lines_count_with_every_line_end() {
    for end in ["\n", "\r\n"] {
        let root = tempfile::tempdir().unwrap();
        class(root.path(), 4, 0);
        for (rows, expected) in [
            (["0.png,a,train", "1.png,b,train", "2.png,a,extra"], "line 4: `extra` is no split"),
            (["0.png,a,train", "1.png,b,train", "0.png,a,test"], "line 4: `0.png` was listed before, in line 2"),
            (["0.png,a,train", "1.png,b,train", "../2.png,a,test"], "line 4: `../2.png` leads out"),
            (["0.png,a,train", "1.png,b", "2.png,a,test"], "line 3: 2 cells where the first line has 3"),
        ] {
            table(root.path(), &(format!("path,label,split{end}") + &rows.join(end)));
            contains(&refusal(root.path()), &[expected]);
        }
    }
}

#[test]
fn of_two_known_columns_the_first_of_the_documentation_counts() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 8, 0);
    let rows = |row: &dyn Fn(usize, &str) -> String| -> String {
        (0..8).map(|number| row(number, if number < 4 { "cat" } else { "dog" })).collect()
    };
    for (header, row) in [
        (
            "image,class,label",
            &(|n: usize, class: &str| format!("{n}.png,photo{},{class}\n", n % 2)) as &dyn Fn(usize, &str) -> String,
        ),
        ("filename,path,label", &|n, class| format!("IMG_{n},{n}.png,{class}\n")),
        ("labels,path,split", &|n, class| format!("{class},{n}.png,\n")),
    ] {
        let _ = fs::remove_file(root.path().join("byol-split.csv"));
        table(root.path(), &format!("{header}\n{}", rows(row)));
        let dataset = open(root.path());
        assert_eq!(dataset.class_names, ["cat", "dog"], "{header}");
        let of_two = |note: &DataNote| matches!(note, DataNote::ColumnsNotRead { .. });
        assert_eq!(dataset.notes.iter().any(of_two), header != "labels,path,split", "{header}");
    }
    table(root.path(), &format!("path;label;a, b\n{}", rows(&|n, class| format!("{n}.png;{class};x\n"))));
    assert_eq!(open(root.path()).class_names, ["cat", "dog"]);
    table(root.path(), "path,kind,size\n0.png,a,1\n1.png,b,2\n");
    contains(&refusal(root.path()), &["`label`, `class`, `labels`", "but it is `path,kind,size`"]);
}

#[test]
fn words_for_nothing_are_classes_with_a_warning() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 8, 0);
    for missing in ["NA", "None", "nan", "NULL", "-1"] {
        let _ = fs::remove_file(root.path().join("byol-split.csv"));
        let labels = ["cat", "dog", missing, "cat", "dog", missing, "cat", "dog"];
        let rows: String = labels.iter().enumerate().map(|(n, label)| format!("{n}.png,{label}\n")).collect();
        table(root.path(), &format!("path,label\n{rows}"));
        let dataset = open(root.path());
        assert_eq!(dataset.class_names.len(), 3);
        assert_eq!(dataset.warnings[0], DataNote::PerhapsNoLabel { images: 2, class: missing.to_owned() });
    }
    let _ = fs::remove_file(root.path().join("byol-split.csv"));
    let labels = ["0", "01", "-1", "0.0", "1", "-1", "0", "1.0"];
    let rows: String = labels.iter().enumerate().map(|(n, label)| format!("{n}.png,{label}\n")).collect();
    table(root.path(), &format!("path,label\n{rows}"));
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["0", "1"]);
    assert_eq!(dataset.unlabeled[0].images.len(), 2);
    assert_eq!(dataset.notes[0], DataNote::MinusOne { images: 2 });
}

#[test]
fn letters_in_paths_and_labels_may_be_composed_or_not() {
    let (composed, decomposed) = ("K\u{e4}fer", "Ka\u{308}fer");
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join(decomposed), 4, 0);
    class(&root.path().join("Wal"), 4, 10);
    let row = |n: u8| format!("{composed}/{n}.png,{}\nWal/{n}.png,Wal\n", if n < 2 { composed } else { decomposed });
    table(root.path(), &format!("path,label\n{}", (0..4).map(row).collect::<String>()));
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, [composed, "Wal"]);
    assert_eq!((dataset.skipped, dataset.warnings.len()), (0, 0));
}

#[test]
fn capital_letters_of_names_may_differ_where_one_image_fits() {
    let root = tempfile::tempdir().unwrap();
    for (number, name) in ["p/A.JPG", "p/b.png", "q/c.PNG", "q/d.png", "q/D.PNG"].into_iter().enumerate() {
        image(&root.path().join(name), number as u8);
    }
    table(root.path(), "path,label\np/a.jpg,x\nP/B.png,y\nq/c.png,x\nq/d.png,y\n");
    let dataset = open(root.path());
    let mut all = listed(&dataset, &dataset.train);
    all.extend(listed(&dataset, &dataset.test));
    assert_eq!(all, pairs(&[("p/A.JPG", "x"), ("p/b.png", "y"), ("q/c.PNG", "x"), ("q/d.png", "y")]));
    let (written, name) = ("p/a.jpg".to_owned(), "p/A.JPG".to_owned());
    let found = DataNote::FoundAs { table: shown(&root.path().join("labels.csv")), written, name };
    assert!(dataset.notes.contains(&found), "{:?}", dataset.notes);
    // Two fit: none is taken.
    table(root.path(), "path,label\np/a.jpg,x\nP/B.png,y\nq/c.png,x\nq/d.Png,y\nq/d.png,y\n");
    std::fs::remove_file(root.path().join("byol-split.csv")).unwrap();
    let dataset = open(root.path());
    let named = |note: &DataNote| match note {
        DataNote::LineSkipped { problem } => problem.contains("names `q/d.Png`, which is not there"),
        _ => false,
    };
    assert!(dataset.warnings.iter().any(named), "{:?}", dataset.warnings);
    // Names without ending or folder, likewise.
    table(root.path(), "id,label\na,x\nB,y\nC,x\n");
    std::fs::remove_file(root.path().join("byol-split.csv")).unwrap();
    let message = refusal(root.path());
    contains(&message, &["class `y`"]);
}

#[test]
fn metadata_may_be_parquet() {
    let root = tempfile::tempdir().unwrap();
    let from = Path::new(FIXTURES).join("parquet/metadata");
    for split in ["train", "test"] {
        for number in 0..4 {
            image(&root.path().join(format!("{split}/{number}.png")), number);
        }
        std::fs::copy(from.join(format!("{split}.parquet")), root.path().join(split).join("metadata.parquet")).unwrap();
    }
    let dataset = open(root.path());
    let expected = |split: &str| {
        let names = ["0.png", "1.png", "2.png", "3.png"].map(|name| format!("{split}/{name}"));
        names.into_iter().zip(["cat", "dog", "dog", "cat"].map(str::to_owned)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(listed(&dataset, &dataset.train), expected("train"));
    assert_eq!(listed(&dataset, &dataset.test), expected("test"), "numbers have the names of the schema");
    let alone = open(&root.path().join("train/metadata.parquet"));
    assert_eq!(alone.class_names, ["cat", "dog"]);
}

#[test]
fn a_spreadsheet_is_named() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 4, 0);
    write(&root.path().join("labels.xlsx"), b"PK");
    contains(&refusal(&root.path().join("labels.xlsx")), &["is a spreadsheet", "as CSV"]);
    let not_read = DataNote::SpreadsheetNotRead { file: shown(&root.path().join("labels.xlsx")) };
    assert!(open(root.path()).warnings.contains(&not_read));
}

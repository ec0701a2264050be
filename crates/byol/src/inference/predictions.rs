//! From logits to the likeliest classes, and the lines that they are written as.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::eval::temperature::Temperature;

mod table;

/// A class and how likely it is, 0-1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Answer<'a> {
    /// The class's name.
    pub class: &'a str,
    /// Its probability, 0-1.
    pub probability: f64,
}

/// The `count` likeliest classes of an image, likeliest first; of equally likely ones the first of `class_names` first. `logits` has a value
/// for each class, for each of the image's views one after the other: a class is as likely as the mean of its probabilities over the views.
pub fn likeliest<'a>(
    logits: &[f32],
    class_names: &'a [String],
    temperature: Temperature,
    count: usize,
) -> Vec<Answer<'a>> {
    let probabilities = temperature.mean_probabilities(logits, class_names.len());
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let answer = |class: usize| Answer { class: &class_names[class], probability: probabilities[class] };
    order.into_iter().take(count).map(answer).collect()
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `path,calibrated,class_1,probability_1,...`, quoted where needed (RFC 4180).
    Csv,
    /// `{"path":"...","calibrated":true,"calibration_images":2000,"classes":[{"class":"...","probability":0.9},...]}`
    JsonLines,
    /// One list of the same objects.
    Json,
    /// The columns of the CSV: `path` and `class_N` are texts, `calibrated` is a boolean, `probability_N` float64.
    Parquet,
    /// As [`Format::JsonLines`], beginning with `"event":"prediction"`, among other events.
    Events,
}

impl Format {
    /// What names of files end in, the first of each format.
    pub const EXTENSIONS: [&str; 4] = ["csv", "json", "jsonl", "parquet"];

    /// The format that a file's extension names.
    pub fn of_extension(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::JsonLines),
            "json" => Some(Format::Json),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

/// What all predictions of a file have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Whether the probabilities may be called calibrated.
    pub calibrated: bool,
    /// Labelled images that their temperature was chosen on; absent where there is none.
    pub calibration_images: Option<usize>,
    /// Answers that each prediction has.
    pub top: usize,
}

/// Writes predictions, a line for each image. Nothing is written before the first.
pub struct PredictionWriter<W: Write + Send> {
    to: Lines<W>,
    about: About,
    begun: bool,
}

enum Lines<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    Json { to: W, event: Option<&'static str>, list: bool },
    Parquet(Box<table::TableWriter<W>>),
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    path: &'a str,
    calibrated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration_images: Option<usize>,
    classes: &'a [Answer<'a>],
}

impl<W: Write + Send> PredictionWriter<W> {
    /// # Errors
    /// The beginning of a Parquet table cannot be written.
    pub fn new(to: W, format: Format, about: About) -> io::Result<PredictionWriter<W>> {
        let to = match format {
            Format::Csv => Lines::Csv(Box::new(csv::Writer::from_writer(to))),
            Format::JsonLines => Lines::Json { to, event: None, list: false },
            Format::Json => Lines::Json { to, event: None, list: true },
            Format::Events => Lines::Json { to, event: Some("prediction"), list: false },
            Format::Parquet => Lines::Parquet(Box::new(table::TableWriter::new(to, about.top)?)),
        };
        Ok(PredictionWriter { to, about, begun: false })
    }

    /// In a CSV table, a path is written as the bytes that it is; elsewhere, what is not Unicode becomes U+FFFD.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn write(&mut self, path: &Path, answers: &[Answer]) -> io::Result<()> {
        let About { calibrated, calibration_images, top } = self.about;
        let first = !std::mem::replace(&mut self.begun, true);
        match &mut self.to {
            Lines::Csv(table) => {
                if first {
                    let columns = (1..=top).flat_map(|rank| [format!("class_{rank}"), format!("probability_{rank}")]);
                    let names = ["path".to_owned(), "calibrated".to_owned()].into_iter().chain(columns);
                    table.write_record(names).map_err(of_csv)?;
                }
                table.write_field(path.as_os_str().as_encoded_bytes()).map_err(of_csv)?;
                table.write_field(if calibrated { "true" } else { "false" }).map_err(of_csv)?;
                for answer in answers {
                    table.write_field(answer.class).map_err(of_csv)?;
                    table.write_field(format!("{:.6}", answer.probability)).map_err(of_csv)?;
                }
                table.write_record(None::<&[u8]>).map_err(of_csv)
            }
            Lines::Json { to, event, list } => {
                if *list {
                    to.write_all(if first { b"[\n" } else { b",\n" })?;
                }
                let path = path.to_string_lossy();
                let line = Line { event: *event, path: &path, calibrated, calibration_images, classes: answers };
                serde_json::to_writer(&mut *to, &line)?;
                if *list { Ok(()) } else { to.write_all(b"\n") }
            }
            Lines::Parquet(table) => table.row(path, calibrated, answers),
        }
    }

    /// # Errors
    /// What is left cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self.to {
            Lines::Csv(mut table) => table.flush(),
            Lines::Json { mut to, list, .. } => {
                if list {
                    to.write_all(if self.begun { b"\n]\n" } else { b"[]\n" })?;
                }
                to.flush()
            }
            Lines::Parquet(table) => table.finish(),
        }
    }
}

/// What kept a table from being written, without what the CSV writer puts around it.
fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["cat", "a \"big\", dog", "bird"].map(str::to_owned).to_vec()
    }

    /// exp(1), exp(2) and exp(2) of their sum, 17.49639391...
    #[test]
    fn the_likeliest_come_first_and_equal_ones_in_order() {
        let names = names();
        let answers = likeliest(&[1.0, 2.0, 2.0], &names, Temperature::default(), 2);
        assert_eq!(answers.iter().map(|answer| answer.class).collect::<Vec<_>>(), ["a \"big\", dog", "bird"]);
        for answer in &answers {
            assert!((answer.probability - 0.422318798).abs() < 1e-7, "{answer:?}");
        }
        let all = likeliest(&[1.0, 2.0, 2.0], &names, Temperature::default(), 9);
        assert!((all.iter().map(|answer| answer.probability).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    /// The second view turns the answer of the first: 3/4, 1/4 and almost nothing against 1/10, 1/10 and 8/10.
    #[test]
    fn an_answer_is_that_of_all_views() {
        let names = names();
        let of = |probabilities: [f32; 3]| probabilities.map(f32::ln);
        let logits = [of([0.75, 0.25, 1e-9]), of([0.1, 0.1, 0.8])].concat();
        let answers = likeliest(&logits, &names, Temperature::default(), 3);
        let found: Vec<(&str, f64)> = answers.iter().map(|answer| (answer.class, answer.probability)).collect();
        for ((class, probability), (name, expected)) in
            found.into_iter().zip([("cat", 0.425), ("bird", 0.4), ("a \"big\", dog", 0.175)])
        {
            assert_eq!(class, name);
            assert!((probability - expected).abs() < 1e-6, "{class}: {probability}");
        }
        assert_eq!(likeliest(&logits[3..], &names, Temperature::default(), 1)[0].class, "bird");
    }

    fn written(format: Format) -> String {
        let names = names();
        let mut bytes = Vec::new();
        let about = About { calibrated: true, calibration_images: Some(120), top: 2 };
        let mut writer = PredictionWriter::new(&mut bytes, format, about).unwrap();
        let answers = likeliest(&[0.0, 800.0, -1.0], &names, Temperature::default(), 2);
        writer.write(Path::new("a,b.png"), &answers).unwrap();
        if format == Format::Json {
            writer.write(Path::new("c.png"), &answers).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn names_say_the_format() {
        for (name, format) in [
            ("a.csv", Some(Format::Csv)),
            ("a.JSON", Some(Format::Json)),
            ("a.jsonl", Some(Format::JsonLines)),
            ("a.parquet", Some(Format::Parquet)),
            ("a.txt", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of_extension(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn a_list_is_one_json_text() {
        let list: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(
            (list[0]["path"].as_str(), list[1]["path"].as_str(), list[2].as_str()),
            (Some("a,b.png"), Some("c.png"), None)
        );
        let mut bytes = Vec::new();
        let about = About { calibrated: false, calibration_images: None, top: 1 };
        PredictionWriter::new(&mut bytes, Format::Json, about).unwrap().finish().unwrap();
        assert_eq!(bytes, b"[]\n");
    }

    #[test]
    fn tables_quote_what_needs_it() {
        let expected = "path,calibrated,class_1,probability_1,class_2,probability_2\n\
                        \"a,b.png\",true,\"a \"\"big\"\", dog\",1.000000,cat,0.000000\n";
        assert_eq!(written(Format::Csv), expected);
    }

    #[test]
    fn json_lines_are_json() {
        for (format, event) in [(Format::JsonLines, None), (Format::Events, Some("prediction"))] {
            let line: serde_json::Value = serde_json::from_str(&written(format)).unwrap();
            assert_eq!((line["event"].as_str(), &line["path"]), (event, &"a,b.png".into()));
            assert_eq!(line["classes"][0]["class"], "a \"big\", dog");
            assert_eq!(line["classes"][0]["probability"], 1.0);
            assert_eq!((&line["calibrated"], &line["calibration_images"]), (&true.into(), &120.into()));
        }
    }
}

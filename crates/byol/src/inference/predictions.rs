//! From logits to the likeliest classes, and the lines that they are written as.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::calibration::Temperature;

/// A class and how likely it is, 0-1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Answer<'a> {
    pub class: &'a str,
    pub probability: f64,
}

/// The `count` likeliest classes, likeliest first; of equally likely ones the first of `class_names` first.
pub fn likeliest<'a>(
    logits: &[f32],
    class_names: &'a [String],
    temperature: Temperature,
    count: usize,
) -> Vec<Answer<'a>> {
    let probabilities = temperature.probabilities(logits);
    let mut order: Vec<usize> = (0..probabilities.len().min(class_names.len())).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let answer = |class: usize| Answer { class: &class_names[class], probability: probabilities[class] };
    order.into_iter().take(count).map(answer).collect()
}

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `path,calibrated,class_1,probability_1,...`, quoted where needed (RFC 4180).
    Csv,
    /// `{"path":"...","calibrated":true,"classes":[{"class":"...","probability":0.9},...]}`
    JsonLines,
    /// The same, beginning with `"event":"prediction"`, among other events.
    Events,
}

/// Writes predictions, a line for each picture.
pub struct PredictionWriter<W: Write> {
    to: Lines<W>,
    calibrated: bool,
}

enum Lines<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Json { to: W, event: Option<&'static str> },
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    path: &'a str,
    calibrated: bool,
    classes: &'a [Answer<'a>],
}

impl<W: Write> PredictionWriter<W> {
    /// `top` is how many answers each prediction has.
    ///
    /// # Errors
    /// The header of a table cannot be written.
    pub fn new(to: W, format: Format, calibrated: bool, top: usize) -> io::Result<PredictionWriter<W>> {
        let to = match format {
            Format::Csv => {
                let mut table = csv::Writer::from_writer(to);
                let columns = (1..=top).flat_map(|rank| [format!("class_{rank}"), format!("probability_{rank}")]);
                table.write_record(["path".to_owned(), "calibrated".to_owned()].into_iter().chain(columns))?;
                Lines::Csv(Box::new(table))
            }
            Format::JsonLines => Lines::Json { to, event: None },
            Format::Events => Lines::Json { to, event: Some("prediction") },
        };
        Ok(PredictionWriter { to, calibrated })
    }

    /// In a table, a path is written as the bytes that it is; in JSON, what is not Unicode becomes U+FFFD.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn write(&mut self, path: &Path, answers: &[Answer]) -> io::Result<()> {
        match &mut self.to {
            Lines::Csv(table) => {
                table.write_field(path.as_os_str().as_encoded_bytes())?;
                table.write_field(if self.calibrated { "true" } else { "false" })?;
                for answer in answers {
                    table.write_field(answer.class)?;
                    table.write_field(format!("{:.6}", answer.probability))?;
                }
                Ok(table.write_record(None::<&[u8]>)?)
            }
            Lines::Json { to, event } => {
                let path = path.to_string_lossy();
                let line = Line { event: *event, path: &path, calibrated: self.calibrated, classes: answers };
                serde_json::to_writer(&mut *to, &line)?;
                to.write_all(b"\n")
            }
        }
    }

    /// # Errors
    /// What is left cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self.to {
            Lines::Csv(mut table) => table.flush(),
            Lines::Json { mut to, .. } => to.flush(),
        }
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

    fn written(format: Format) -> String {
        let names = names();
        let mut bytes = Vec::new();
        let mut writer = PredictionWriter::new(&mut bytes, format, true, 2).unwrap();
        let answers = likeliest(&[0.0, 800.0, -1.0], &names, Temperature::default(), 2);
        writer.write(Path::new("a,b.png"), &answers).unwrap();
        writer.finish().unwrap();
        String::from_utf8(bytes).unwrap()
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
        }
    }
}

//! Findings as a table for other programs. What was found stands in the record.

use std::io;

use crate::run::data_check::{DataCheck, Finding};

/// A row for each image of each finding, and one for each finding about classes. Columns: rank (from 1), kind, image, split, class,
/// likely_class, own_probability, likely_probability, distance, exact.
///
/// # Errors
/// It cannot be written.
pub fn write_csv(check: &DataCheck, to: impl io::Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(to);
    table.write_record([
        "rank",
        "kind",
        "image",
        "split",
        "class",
        "likely_class",
        "own_probability",
        "likely_probability",
        "distance",
        "exact",
    ])?;
    for (place, finding) in check.findings.iter().enumerate() {
        let rank = (place + 1).to_string();
        let (mut likely, mut figures, mut exact) = (String::new(), [String::new(), String::new(), String::new()], "");
        match finding {
            Finding::WrongLabel { likely: class, own_probability, likely_probability, .. } => {
                likely.clone_from(class);
                figures[0] = format!("{own_probability:.4}");
                figures[1] = format!("{likely_probability:.4}");
            }
            Finding::Outlier { distance, .. } => figures[2] = format!("{distance:.3}"),
            Finding::Contradiction { exact: is_exact, .. }
            | Finding::InTrainAndTest { exact: is_exact, .. }
            | Finding::Repeated { exact: is_exact, .. } => exact = if *is_exact { "yes" } else { "no" },
            Finding::AlikeClasses { classes: [class, other], .. } => {
                table.write_record([&rank, finding.kind(), "", "", class, other, "", "", "", ""])?;
            }
            Finding::SmallClass { class, .. } => {
                table.write_record([&rank, finding.kind(), "", "", class, "", "", "", "", ""])?;
            }
        }
        let [own, other, distance] = figures;
        for image in finding.images() {
            let split = if image.test { "test" } else { "train" };
            let row =
                [&rank, finding.kind(), &image.image, split, &image.class, &likely, &own, &other, &distance, exact];
            table.write_record(row)?;
        }
    }
    table.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::data_check::LabelledImage;

    fn image(index: usize, class: &str, test: bool) -> LabelledImage {
        LabelledImage { index, image: format!("{class}/{index}.png"), class: class.to_owned(), test }
    }

    #[test]
    fn a_table_has_a_row_for_each_image() {
        let findings = vec![
            Finding::Contradiction { images: vec![image(0, "cat", false), image(9, "dog", false)], exact: true },
            Finding::WrongLabel {
                image: image(3, "cat", true),
                likely: "a \"dog\", large".to_owned(),
                own_probability: 0.02,
                likely_probability: 0.93,
            },
            Finding::Outlier { image: image(5, "dog", false), distance: 4.25 },
            Finding::AlikeClasses { classes: ["cat".to_owned(), "lynx".to_owned()], mistaken: 40, images: 100 },
            Finding::SmallClass { class: "lynx".to_owned(), images: 1 },
        ];
        let check = DataCheck {
            data: "pets".to_owned(),
            images: 101,
            classes: Vec::new(),
            held_out: None,
            findings,
            version: "0".to_owned(),
        };
        let mut bytes = Vec::new();
        write_csv(&check, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1..],
            [
                "1,contradiction,cat/0.png,train,cat,,,,,yes",
                "1,contradiction,dog/9.png,train,dog,,,,,yes",
                "2,wrong_label,cat/3.png,test,cat,\"a \"\"dog\"\", large\",0.0200,0.9300,,",
                "3,outlier,dog/5.png,train,dog,,,,4.250,",
                "4,alike_classes,,,cat,lynx,,,,",
                "5,small_class,,,lynx,,,,,",
            ]
        );
    }
}

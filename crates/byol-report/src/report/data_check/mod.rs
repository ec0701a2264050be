//! The report of a look at labelled data: a line for each finding, and a page with the images. From the
//! record alone; the images are given by whoever has them.

mod page;

use super::language::data_check as said;
use crate::run::data_check::DataCheck;

pub use page::render;
pub(crate) use page::{Answered, Asked, render_asking};

/// A line for each finding, most suspicious first, and how many there are of each kind.
pub fn lines(check: &DataCheck) -> String {
    let each = check.findings.iter().map(|finding| format!("{}\n", said::finding(finding)));
    format!("{}\n{}\n", each.collect::<String>(), said::closing(check))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::run::data_check::{Finding, HeldOut, LabelledImage};

    pub fn image(index: usize, class: &str, test: bool) -> LabelledImage {
        LabelledImage { index, image: format!("{class}/{index}.png"), class: class.to_owned(), test }
    }

    pub fn check() -> DataCheck {
        let findings = vec![
            Finding::Contradiction { images: vec![image(0, "cat", false), image(9, "dog", false)], exact: true },
            Finding::WrongLabel {
                image: image(3, "cat", true),
                likely: "a \"dog\", large".to_owned(),
                own_probability: 0.02,
                likely_probability: 0.93,
            },
            Finding::InTrainAndTest { images: vec![image(1, "cat", false), image(8, "cat", true)], exact: false },
            Finding::Outlier { image: image(5, "dog", false), distance: 4.25 },
            Finding::Repeated { images: vec![image(6, "dog", false), image(7, "dog", false)], exact: true },
            Finding::AlikeClasses { classes: ["cat".to_owned(), "lynx".to_owned()], mistaken: 40, images: 100 },
            Finding::SmallClass { class: "lynx".to_owned(), images: 1 },
        ];
        let classes = ["cat", "dog", "lynx"].map(str::to_owned).into();
        let held_out = Some(HeldOut { right: 80, images: 100, no_better_than_guessing: false });
        DataCheck { data: "pets".to_owned(), images: 101, classes, held_out, findings, version: "0".to_owned() }
    }

    #[test]
    fn each_finding_has_a_line() {
        let text = lines(&check());
        let expected = [
            "different labels: cat/0.png (cat) and dog/9.png (dog) have equal pixels",
            "wrong label: cat/3.png [test] is labelled cat (2%), probably a \"dog\", large (93%)",
            "in training and in test: cat/1.png and cat/8.png [test] look alike",
            "outlier: dog/5.png (dog) is 4.2 times as far from its nearest images as is usual",
            "repeated in dog: dog/6.png and dog/7.png have equal pixels",
            "classes alike: cat and lynx, 40 of 100 images taken for the other",
            "small class: lynx has 1 labelled image, too few to judge",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..7], expected);
        assert!(lines[8].contains("80 of 100") && lines[8].starts_with("7 findings"), "{text}");
    }

    #[test]
    fn suspicions_of_an_encoder_that_knows_nothing_are_said_to_say_little() {
        let held_out = Some(HeldOut { right: 34, images: 100, no_better_than_guessing: true });
        let text = lines(&DataCheck { held_out, ..check() });
        assert!(text.contains("34 of 100") && text.contains("not clearly better than guessing"), "{text}");
        assert!(!lines(&check()).contains("guessing"));
    }

    #[test]
    fn clean_data_is_said_to_be_so() {
        let clean = DataCheck { findings: Vec::new(), ..check() };
        assert!(lines(&clean).contains("Nothing suspicious"), "{}", lines(&clean));
    }
}

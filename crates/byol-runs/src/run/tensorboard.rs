//! TensorBoard event files beside `metrics.jsonl`: the same records for another reader. They are a function of that
//! file, so that a resumed run ends with the bytes of one that never stopped, and no step stands there twice.
//!
//! Each training has a folder (`tensorboard/pretrain`, `tensorboard/supervised-10-draw0`), which TensorBoard shows as a
//! run of its own: quantities have the same names in all of them, so that their curves lie on top of each other.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::record::{EpochRecord, Stage};
use crate::files::write_atomically;
use crate::run::record::Spread;

/// The folder in a run directory.
pub const FOLDER: &str = "tensorboard";
/// TensorBoard takes files for its own by the second part of their name, and sorts them by the time that follows it.
const FILE: &str = "events.out.tfevents.0000000000.byol";
/// What the first record of a file says.
const VERSION: &str = "brain.Event:2";
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// TensorFlow's `Event` (tensorflow/core/util/event.proto), as far as it is used here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// TensorFlow's `Summary` (tensorflow/core/framework/summary.proto).
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // Optional, so that a zero is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Adds the end of an epoch to the event file of its training.
pub(super) fn append(run: &Path, record: &EpochRecord) -> io::Result<()> {
    let path = path_of(run, record);
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut bytes = Vec::new();
    if file.metadata()?.len() == 0 {
        bytes.extend(head());
    }
    bytes.extend(framed(&event(record)));
    file.write_all(&bytes)
}

/// Writes all event files of a run anew from its records, and removes those of trainings that have none.
pub(super) fn rewrite(run: &Path, records: &[EpochRecord]) -> io::Result<()> {
    let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for record in records {
        files.entry(path_of(run, record)).or_insert_with(head).extend(framed(&event(record)));
    }
    for (path, bytes) in &files {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        // A file that already holds this is not touched: TensorBoard may be reading it.
        if std::fs::read(path).is_ok_and(|held| held == *bytes) {
            continue;
        }
        write_atomically(path, bytes)?;
    }
    let folders = match std::fs::read_dir(run.join(FOLDER)) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for folder in folders {
        let folder = folder?.path();
        let file = folder.join(FILE);
        if file.exists() && !files.contains_key(&file) {
            std::fs::remove_file(&file)?;
            // What else lies there is not ours.
            let _ = std::fs::remove_dir(&folder);
        }
    }
    Ok(())
}

fn path_of(run: &Path, record: &EpochRecord) -> PathBuf {
    let training = match (record.stage, record.labels_per_class) {
        (Stage::Pretrain, _) | (_, None) => "pretrain".to_owned(),
        (Stage::Supervised, Some(budget)) => format!("supervised-{budget}-draw{}", record.draw),
        (Stage::Finetune, Some(budget)) => format!("finetune-{budget}-draw{}", record.draw),
        (Stage::Selftrain, Some(budget)) => format!("selftrain-{budget}-draw{}", record.draw),
    };
    run.join(FOLDER).join(training).join(FILE)
}

fn head() -> Vec<u8> {
    framed(&Event { wall_time: 0.0, step: 0, what: Some(What::FileVersion(VERSION.to_owned())) })
}

/// An epoch's figures at its last step. The time is that since the stage began, so that TensorBoard's relative time is right.
fn event(record: &EpochRecord) -> Event {
    let value = scalars(record).into_iter();
    let value = value.map(|(tag, number)| Value { tag: tag.to_owned(), simple_value: Some(number as f32) }).collect();
    Event { wall_time: record.seconds, step: record.step as i64, what: Some(What::Summary(Summary { value })) }
}

/// What TensorBoard shows of an epoch, under the names that it has there.
pub fn scalars(record: &EpochRecord) -> Vec<(&'static str, f64)> {
    let representation = record.health.as_ref().map(|health| &health.representation);
    let projection = record.health.as_ref().map(|health| &health.projection);
    let of = |spread: Option<&Spread>, value: fn(&Spread) -> f64| spread.map(value);
    let all = [
        ("loss/training", Some(record.loss)),
        ("loss/validation", record.validation_loss),
        ("accuracy/training", record.train_accuracy),
        ("accuracy/validation", record.validation_accuracy),
        ("accuracy/knn", record.knn_accuracy),
        ("accuracy/linear", record.linear_accuracy),
        ("health/projection_deviation", record.projection_deviation),
        ("health/representation/deviation", of(representation, |spread| spread.deviation)),
        ("health/representation/effective_rank", of(representation, |spread| spread.effective_rank)),
        ("health/representation/alignment", of(representation, |spread| spread.alignment)),
        ("health/representation/uniformity", of(representation, |spread| spread.uniformity)),
        ("health/projection/deviation", of(projection, |spread| spread.deviation)),
        ("health/projection/effective_rank", of(projection, |spread| spread.effective_rank)),
        ("health/projection/alignment", of(projection, |spread| spread.alignment)),
        ("health/projection/uniformity", of(projection, |spread| spread.uniformity)),
        ("schedule/learning_rate", Some(record.learning_rate)),
        ("schedule/tau", record.tau),
        ("schedule/epoch", Some(record.epoch as f64)),
        ("throughput/images_per_second", Some(record.images_per_second)),
    ];
    all.into_iter().filter_map(|(tag, value)| Some((tag, value?))).collect()
}

/// A message as TFRecord holds it: length, its checksum, message, its checksum.
fn framed(event: &Event) -> Vec<u8> {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(message.len() + 16);
    bytes.extend(length);
    bytes.extend(masked(&length).to_le_bytes());
    bytes.extend(&message);
    bytes.extend(masked(&message).to_le_bytes());
    bytes
}

/// CRC-32C, turned and moved, so that a checksum of data that holds checksums is not degenerate (TensorFlow's
/// `lib/hash/crc32c.h`).
fn masked(bytes: &[u8]) -> u32 {
    CHECKSUM.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::record::LabelBudget;

    fn record(stage: Stage, step: usize) -> EpochRecord {
        EpochRecord {
            stage,
            labels_per_class: (stage != Stage::Pretrain).then_some(LabelBudget::PerClass(10)),
            draw: 0,
            epoch: step,
            epochs: 9,
            step,
            images: 8 * step as u64,
            loss: 1.0 / step as f64,
            train_accuracy: None,
            validation_loss: None,
            validation_accuracy: None,
            knn_accuracy: None,
            linear_accuracy: None,
            health: None,
            projection_deviation: None,
            learning_rate: 0.0,
            tau: None,
            images_per_second: 3.0,
            seconds: step as f64,
            processes: None,
        }
    }

    #[test]
    fn records_are_framed_as_tfrecord_has_them() {
        // The check value of CRC-32C, and an example of RFC 3720 (appendix B.4).
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xe306_9283);
        assert_eq!(CHECKSUM.checksum(&[0; 32]), 0x8a91_36aa);
        let bytes = head();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(bytes.len(), length + 16);
        let first = Event::decode(&bytes[12..12 + length]).unwrap();
        assert_eq!(first.what, Some(What::FileVersion("brain.Event:2".to_owned())));
    }

    #[test]
    fn a_file_written_anew_equals_one_that_grew() {
        let folder = tempfile::tempdir().unwrap();
        let (grown, anew) = (folder.path().join("grown"), folder.path().join("anew"));
        let records: Vec<EpochRecord> = [(Stage::Pretrain, 1), (Stage::Finetune, 1), (Stage::Pretrain, 2)]
            .into_iter()
            .map(|(stage, step)| record(stage, step))
            .collect();
        records.iter().for_each(|record| append(&grown, record).unwrap());
        rewrite(&anew, &records).unwrap();
        for training in ["pretrain", "finetune-10-draw0"] {
            let read = |run: &Path| std::fs::read(run.join(FOLDER).join(training).join(FILE)).unwrap();
            assert_eq!(read(&grown), read(&anew));
        }
        rewrite(&grown, &records[1..2]).unwrap();
        assert!(!grown.join(FOLDER).join("pretrain").exists());
    }

    #[test]
    fn what_was_torn_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let records = [record(Stage::Pretrain, 1), record(Stage::Pretrain, 2)];
        rewrite(folder.path(), &records).unwrap();
        let path = path_of(folder.path(), &records[0]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        rewrite(folder.path(), &records).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

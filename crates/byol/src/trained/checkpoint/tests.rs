use super::*;

/// The checkpoint as an earlier program wrote it.
fn as_format(format: u32, checkpoint: &Checkpoint, path: &Path) {
    checkpoint.write(path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let envelope = &metadata.metadata().as_ref().unwrap()[METADATA_KEY];
    let mut text = envelope.replacen(&format!("\"format\":{FORMAT}"), &format!("\"format\":{format}"), 1);
    if format < WITH_DIGEST {
        let mut envelope: serde_json::Value = serde_json::from_str(envelope).unwrap();
        let mut header = envelope["header"].take();
        let progress = header["progress"].as_object_mut().unwrap();
        progress.retain(|name, _| !["best_knn", "best_step"].contains(&name.as_str()));
        header["format"] = format.into();
        text = header.to_string();
    }
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), text)]);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(path, serialize(file.tensors(), Some(metadata)).unwrap()).unwrap();
}

fn checkpoint(step: usize) -> Checkpoint {
    let mut checkpoint = Checkpoint::new(Header {
        stage: Stage::Pretrain,
        classes: 0,
        config: "seed = 0".to_owned(),
        progress: Progress { step, best_step: (step >= 2).then_some(2), ..Progress::default() },
    });
    checkpoint.tensors.insert("online.a".to_owned(), Tensor::from_slice(&[1f32, 2.0, step as f32]));
    checkpoint
}

#[test]
fn equal_checkpoints_are_equal_bytes_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path().join("checkpoints"), 2);
    for step in 1..=5 {
        checkpoints.save(&checkpoint(step)).unwrap();
    }
    let kept: Vec<PathBuf> = [2, 4, 5].map(|step| checkpoints.of_step(step)).into();
    assert_eq!(checkpoints.files(), kept, "the best one and the two newest");
    let latest = checkpoints.require().unwrap();
    assert_eq!(latest.header, checkpoint(5).header);
    assert_eq!(latest.part("online")["a"], Tensor::from_slice(&[1f32, 2.0, 5.0]));
    let again = folder.path().join("again.safetensors");
    checkpoint(5).write(&again).unwrap();
    assert_eq!(std::fs::read(again).unwrap(), std::fs::read(&checkpoints.files()[2]).unwrap());
}

#[test]
fn a_torn_checkpoint_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path(), 2);
    checkpoints.save(&checkpoint(1)).unwrap();
    let newest = checkpoints.save(&checkpoint(2)).unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&newest, &bytes[..length]).unwrap();
        let (found, passed_over) = checkpoints.latest().unwrap();
        assert_eq!(found.unwrap().header.progress.step, 1);
        assert_eq!(passed_over.len(), 1);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step-00000001.safetensors");
    checkpoint(1).write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(found) = Checkpoint::read(&path) {
            // A bit of the padding, or of a letter's case in the digest, changes nothing that is read.
            assert_eq!(found.header, checkpoint(1).header, "bit {bit}");
            assert_eq!(found.part("online")["a"], Tensor::from_slice(&[1f32, 2.0, 1.0]), "bit {bit}");
        }
    }
}

#[test]
fn networks_of_earlier_formats_are_read_and_their_training_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path(), 2);
    let path = checkpoints.of_step(1);
    for format in 1..=FORMAT {
        let mut written = checkpoint(1);
        as_format(format, &written, &path);
        let (found, passed_over) = checkpoints.latest().unwrap();
        assert_eq!((found.unwrap().header, passed_over.len()), (written.header.clone(), 0), "format {format}");
        assert_eq!(checkpoints.require().unwrap().part("online")["a"], written.tensors["online.a"]);

        written.tensors.insert("optimizer.momentum".to_owned(), Tensor::from_slice(&[1f32]));
        as_format(format, &written, &path);
        assert_eq!(checkpoints.require().unwrap().part("optimizer").len(), 1);
        let latest = checkpoints.latest().map_err(|error| error.to_string());
        match latest {
            Ok(_) => assert_eq!(format, FORMAT),
            Err(text) => assert!(text.contains(&format!("it has format {format}, whose optimiser's state")), "{text}"),
        }
    }
}

/// What a newer program left is neither passed over nor trained anew.
#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path(), 2);
    checkpoints.save(&checkpoint(1)).unwrap();
    as_format(FORMAT + 1, &checkpoint(2), &checkpoints.of_step(2));
    let text = checkpoints.latest().unwrap_err().to_string();
    assert!(text.contains("has format 4, and this program reads formats up to 3: a newer byol wrote it"), "{text}");
    assert_eq!(checkpoints.require().unwrap().header.progress.step, 1, "what can be read may be used");
}

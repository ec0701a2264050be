//! CIFAR-10's binary files.

use super::*;

/// Images of one label each; every value is its image's number.
fn batch(labels: &[u8]) -> Vec<u8> {
    let record = |(number, &label): (usize, &u8)| [vec![label], vec![number as u8; 3072]].concat();
    labels.iter().enumerate().flat_map(record).collect()
}

#[test]
fn binary_files_are_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cifar-10-batches-bin");
    let mut first = batch(&[9, 0, 3]);
    first[2 * 3073 + 1 + 1024 + 32 + 5] = 200;
    write(&folder.join("data_batch_1.bin"), &first);
    write(&folder.join("data_batch_2.bin"), &batch(&[1]));
    write(&folder.join("test_batch.bin"), &batch(&[2, 4]));
    let names: Vec<String> = (0..10).map(|class| format!("class{class}")).collect();
    write(&folder.join("batches.meta.txt"), names.join("\n").as_bytes());
    for path in [root.path(), &folder] {
        let dataset = open(path);
        assert_eq!(dataset.class_names, names);
        let train = dataset.train.as_ref().unwrap();
        assert_eq!((train.labels.as_slice(), train.images.name(3).as_str()), (&[9, 0, 3, 1][..], "data_batch_2/0"));
        assert_eq!(dataset.test.as_ref().unwrap().labels, [2, 4]);
        let mut image = Image::default();
        train.images.read(2, &mut image).unwrap();
        assert_eq!((image.width, image.height, image.pixels.len()), (32, 32, 3072));
        // Green, second row, sixth column.
        assert_eq!((image.pixels[1024 + 32 + 5], image.pixels[0]), (200, 2));
        assert_eq!(dataset.warnings.len(), 3, "three batches are missing: {:?}", dataset.warnings);
    }
    let mut pool = open(Path::new("patterns"));
    pool.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(pool.unlabeled.last().unwrap().images.len(), 4);
}

#[test]
fn damage_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("data_batch_1.bin");
    for (content, expected) in [
        (batch(&[1, 2])[..4000].to_vec(), "4000 bytes"),
        (Vec::new(), "0 bytes"),
        (batch(&[1, 10]), "label 10 of image 1"),
    ] {
        write(&file, &content);
        contains(&refusal(root.path()), &["data_batch_1.bin", expected]);
    }
    fs::remove_file(&file).unwrap();
    write(&root.path().join("test_batch.bin"), &batch(&[1]));
    contains(&refusal(root.path()), &["no training batch"]);
    fs::remove_file(root.path().join("test_batch.bin")).unwrap();
    write(&root.path().join("data_batch_1"), b"pickle");
    contains(&refusal(root.path()), &["CIFAR-10 for Python", "get the binary version"]);
}

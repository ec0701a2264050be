//! What `--unlabeled` brings to pre-training: never a test image of the data, by whichever way it is reached.

use super::*;
use byol_images::data::pack;

/// Two classes of ten images: two of each are drawn for the test.
fn labelled() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 10, 0);
    class(&root.path().join("dog"), 10, 50);
    root
}

fn kept_in(split: &Path) -> OpenOptions {
    OpenOptions { split_file: Some(split.to_path_buf()), ..OpenOptions::default() }
}

/// The grays of images: each of [`labelled`] has its own.
fn grays(images: &dyn byol_images::data::ImageSource) -> Vec<u8> {
    let mut image = Image::default();
    let gray = |index: usize| {
        images.read(index, &mut image).unwrap();
        image.pixels[0]
    };
    (0..images.len()).map(gray).collect()
}

/// Opens `data` and adds `pool`; no test image may be among those to pre-train on. Gives the number of the pool's
/// images, and what was said.
fn pool_of(data: &Path, pool: &Path, options: &OpenOptions) -> (usize, Vec<DataNote>) {
    let mut dataset = Dataset::open(data, options).unwrap();
    dataset.add_unlabeled(pool, options).unwrap();
    let tests = grays(dataset.test.as_ref().unwrap().images.as_ref());
    let images = &dataset.unlabeled.last().unwrap().images;
    for (index, gray) in grays(images.as_ref()).into_iter().enumerate() {
        assert!(!tests.contains(&gray), "{} is a test image", images.name(index));
    }
    (images.len(), [dataset.notes, dataset.warnings].concat())
}

#[test]
fn a_split_that_is_kept_elsewhere_is_seen() {
    let (root, elsewhere) = (labelled(), tempfile::tempdir().unwrap());
    let options = kept_in(&elsewhere.path().join("split.csv"));
    let (images, said) = pool_of(root.path(), root.path(), &options);
    assert_eq!(images, 16);
    let left_out = DataNote::TestImagesLeftOut { images: 4, root: shown(root.path()) };
    assert!(said.contains(&left_out), "{said:?}");
    assert!(!root.path().join("byol-split.csv").exists());

    // Of data that is not what is tested.
    let other = labelled();
    fs::rename(other.path().join("cat"), other.path().join("bird")).unwrap();
    let mut dataset = Dataset::open("patterns", &options).unwrap();
    dataset.add_unlabeled(root.path(), &options).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 16);
    dataset.add_unlabeled(other.path(), &options).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 18, "two dogs have the names of test images");
}

#[test]
fn a_split_of_before_that_lies_beside_the_data_counts_too() {
    let (root, elsewhere) = (labelled(), tempfile::tempdir().unwrap());
    drop(open(root.path()));
    let own = fs::read_to_string(root.path().join("byol-split.csv")).unwrap();
    // The other way round: what is for the test there is for training here.
    let other = own.replace("train", "-").replace("test", "train").replace("-", "test");
    let other = other.replacen("cat/0.png,test", "cat/0.png,train", 1);
    let split = elsewhere.path().join("split.csv");
    fs::write(&split, other).unwrap();
    let mut dataset = open(Path::new("patterns"));
    let all = dataset.add_unlabeled(root.path(), &kept_in(&split));
    let left = all.map(|()| dataset.unlabeled.last().unwrap().images.len());
    assert!(matches!(left, Ok(0..=1)) || left.is_err_and(|error| error.to_string().contains("are test images")));
}

#[test]
fn test_images_are_known_by_their_place() {
    let (root, elsewhere) = (labelled(), tempfile::tempdir().unwrap());
    let options = kept_in(&elsewhere.path().join("split.csv"));
    // A part of the data, whose names begin elsewhere than those of the split.
    let (images, said) = pool_of(root.path(), &root.path().join("cat"), &options);
    assert_eq!(images, 8);
    let of_data = DataNote::TestImagesOfData { images: 2, root: shown(&root.path().join("cat")) };
    assert!(said.contains(&of_data), "{said:?}");

    // A folder that holds links to it, and a path with a detour.
    #[cfg(unix)]
    {
        let link = elsewhere.path().join("linked");
        fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink(root.path().join("cat"), link.join("some")).unwrap();
        std::os::unix::fs::symlink(root.path().join("dog/3.png"), link.join("one.png")).unwrap();
        let tested = fs::read_to_string(elsewhere.path().join("split.csv")).unwrap().contains("dog/3.png,test");
        assert_eq!(pool_of(root.path(), &link, &options).0, 9 - usize::from(tested));
    }
    assert_eq!(pool_of(root.path(), &root.path().join("cat/../dog"), &options).0, 8);

    // A table that names the same files, and the data that the table describes.
    let lines: String = (0..10).map(|number| format!("cat/{number}.png,c\ndog/{number}.png,d\n")).collect();
    let table = root.path().join("my.csv");
    write(&table, format!("path,label\n{lines}").as_bytes());
    assert_eq!(pool_of(root.path(), &table, &options).0, 16);
    assert_eq!(pool_of(&table, root.path(), &OpenOptions::default()).0, 16);
}

#[test]
fn a_pack_and_its_source_are_the_same_images() {
    let (root, elsewhere) = (labelled(), tempfile::tempdir().unwrap());
    let at = |name: &str| elsewhere.path().join(name);
    let out = at("my.byolpack");
    pack::pack(root.path(), &out, 160, &kept_in(&at("packed.csv"))).unwrap();
    // Another split than the one that was packed.
    let text = fs::read_to_string(at("packed.csv")).unwrap();
    let first = text.lines().find_map(|line| line.strip_suffix(",train")).unwrap();
    fs::write(at("other.csv"), text.replace(&format!("{first},train"), &format!("{first},test"))).unwrap();
    assert_eq!(pool_of(root.path(), &out, &kept_in(&at("other.csv"))).0, 15);
    assert_eq!(pool_of(&out, root.path(), &OpenOptions::default()).0, 16);
    assert_eq!(pool_of(&out, &out, &OpenOptions::default()).0, 16);
}

#[test]
fn archives_are_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let png = |gray: u8| {
        image(&folder.path().join("a.png"), gray);
        fs::read(folder.path().join("a.png")).unwrap()
    };
    let data = folder.path().join("shards");
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..20u8 {
        let class = if number % 2 == 0 { "cat" } else { "dog" };
        for (extension, content) in [("png", png(number)), ("cls", class.as_bytes().to_vec())] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // The same file name in two folders of the archive.
            let name = format!("{class}/{:02}.{extension}", number / 2);
            tar.append_data(&mut header, name, content.as_slice()).unwrap();
        }
    }
    let shard = data.join("000.tar");
    write(&shard, &tar.into_inner().unwrap());
    assert_eq!(pool_of(&data, &data, &OpenOptions::default()).0, 16);
    assert_eq!(pool_of(&data, &shard, &OpenOptions::default()).0, 16);
    let out = folder.path().join("my.byolpack");
    pack::pack(&data, &out, 160, &OpenOptions::default()).unwrap();
    assert_eq!(pool_of(&out, &shard, &OpenOptions::default()).0, 16);
    assert_eq!(pool_of(&shard, &out, &kept_in(&folder.path().join("other.csv"))).0, 16);
}

#[test]
fn test_images_alone_are_refused() {
    let root = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        class(&root.path().join(split).join("cat"), 2, 0);
        class(&root.path().join(split).join("dog"), 2, 50);
    }
    let mut dataset = open(root.path());
    let fingerprint = dataset.fingerprint.clone();
    let error = dataset.add_unlabeled(root.path().join("test"), &OpenOptions::default()).unwrap_err().to_string();
    contains(&error, &["test", "are test images, so none is left to pre-train on", "--unlabeled"]);
    assert_eq!((dataset.unlabeled.len(), dataset.fingerprint), (0, fingerprint));
}

#[test]
fn pools_that_do_not_stay_in_memory_say_so() {
    let root = labelled();
    let options = OpenOptions { memory_budget_bytes: 6 * 4 * 3 * 19, ..OpenOptions::default() };
    let mut dataset = open(Path::new("patterns"));
    dataset.add_unlabeled(root.path(), &options).unwrap();
    let not_in_memory = DataNote::NotInMemory { root: shown(root.path()) };
    assert!(dataset.notes.contains(&not_in_memory), "{:?}", dataset.notes);
    let mut dataset = open(Path::new("patterns"));
    dataset.add_unlabeled(root.path().join("cat"), &options).unwrap();
    assert!(dataset.notes.is_empty(), "{:?}", dataset.notes);
}

#[test]
fn images_that_the_table_of_a_folder_does_not_list_are_in_its_pool() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 10, 0);
    let text = "path,label,split\n0.png,x,train\n1.png,y,train\n2.png,x,test\n3.png,y,test\n";
    write(&root.path().join("labels.csv"), text.as_bytes());
    let mut dataset = open(root.path());
    dataset.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    let pool = &dataset.unlabeled.last().unwrap().images;
    let names: Vec<String> = (0..pool.len()).map(|index| pool.name(index)).collect();
    assert_eq!(names, ["0.png", "1.png", "4.png", "5.png", "6.png", "7.png", "8.png", "9.png"]);
    dataset.add_unlabeled(root.path().join("labels.csv"), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 2, "those that it lists");
}

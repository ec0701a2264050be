//! HEIC and AVIF files, held against what libheif and libavif decode (`fixtures/formats/heif/make_heif.py`).

use super::*;
use byol_images::data::decode::FileImage;

/// Levels of 0 to 255 that a decoder may be from the reference.
const TOLERANCE: u8 = 2;

fn folder() -> std::path::PathBuf {
    Path::new(FIXTURES).join("heif")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn decoded(path: &Path) -> Result<Image, String> {
    let mut image = Image::default();
    let outcome = FileImage::open(path).and_then(|file| file.decode(&mut image));
    outcome.map(|()| image).map_err(|error| error.to_string())
}

/// The content under a name that says nothing of it.
fn decoded_bytes(bytes: &[u8]) -> Result<Image, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.jpg");
    write(&path, bytes);
    decoded(&path)
}

#[test]
fn every_kind_looks_as_the_reference_shows_it() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".heic") || name.ends_with(".avif"))
        .collect();
    names.sort();
    assert!(names.len() > 45, "{}", names.len());
    let mut wrong = Vec::new();
    for name in names {
        let shown = decoded(&folder().join(format!("{name}.png"))).unwrap();
        match decoded(&folder().join(&name)) {
            Err(error) => wrong.push(error),
            Ok(image) if (image.width, image.height) != (shown.width, shown.height) => {
                wrong.push(format!("{name}: {} x {}", image.width, image.height));
            }
            Ok(image) => {
                let far = image.pixels.iter().zip(&shown.pixels).map(|(is, should)| is.abs_diff(*should)).max();
                if far > Some(TOLERANCE) {
                    wrong.push(format!("{name}: {far:?} levels from the reference"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    for name in ["420.heic", "alpha.heic", "grid.heic", "420.avif", "alpha.avif", "grid.avif", "10-bit.avif"] {
        let whole = fixture(name);
        for length in (1..whole.len()).step_by(29) {
            let message = decoded_bytes(&whole[..length]).expect_err(name);
            assert!(!message.contains("the decoder failed"), "{name} cut to {length} bytes: {message}");
        }
        // A flipped bit may give another image, or none.
        for bit in (0..8 * whole.len()).step_by(101) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match decoded_bytes(&flipped) {
                Ok(image) => assert_eq!(image.pixels.len(), 3 * image.width * image.height),
                Err(message) => assert!(!message.contains("the decoder failed"), "{name}, bit {bit}: {message}"),
            }
        }
    }
}

#[test]
fn enormous_images_are_refused_from_their_header() {
    for name in ["444.heic", "444.avif", "grid.heic"] {
        let mut bytes = fixture(name);
        let at = bytes.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
        bytes[at..at + 8].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        contains(&decoded_bytes(&bytes).unwrap_err(), &["16384 x 16384 pixels", "100 megapixels"]);
    }
}

#[test]
fn other_files_in_such_containers_are_named() {
    let begins = |brand: &[u8; 4]| [b"\0\0\0\x18ftyp", brand.as_slice(), b"\0\0\0\0isommp42", &[0; 40]].concat();
    contains(&decoded_bytes(&begins(b"mp42")).unwrap_err(), &["a video", "single frames"]);
    contains(&decoded_bytes(&begins(b"crx ")).unwrap_err(), &["camera raw (Canon)", "develop it"]);
    contains(&decoded_bytes(&begins(b"heic")).unwrap_err(), &["image.jpg", "cannot be decoded"]);
}

#[test]
fn they_count_as_other_images_do() {
    let root = tempfile::tempdir().unwrap();
    for (number, name) in ["420", "alpha", "bt709", "422"].iter().enumerate() {
        write(&root.path().join(format!("cat/IMG_{number}.HEIC")), &fixture(&format!("{name}.heic")));
        write(&root.path().join(format!("dog/{number}.avif")), &fixture(&format!("{name}.avif")));
    }
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["cat", "dog"]);
    assert_eq!(dataset.skipped, 0);
    // That they show one scene is said; nothing else is.
    let of_copies = |note: &DataNote| matches!(note, DataNote::OnlyCopies { .. });
    assert!(dataset.warnings.iter().all(of_copies), "{:?}", dataset.warnings);
    let images = [&dataset.train, &dataset.test].map(|split| split.as_ref().map_or(0, |split| split.images.len()));
    assert_eq!(images.iter().sum::<usize>(), 8);
}

/// The names in `fixtures/formats/parquet/labels/heif.parquet`, with their labels.
const INSIDE: [(&str, &[u8]); 4] =
    [("gray.heic", b"0"), ("420.avif", b"1"), ("cropped.avif", b"0"), ("orientation-6.heic", b"1")];

/// Whether a data set has the images of `INSIDE`, each by a name that ends as `name_of` says.
fn holds_all(dataset: &Dataset, name_of: impl Fn(usize) -> String) {
    let parts = [dataset.train.as_ref().unwrap(), dataset.test.as_ref().unwrap()];
    for (number, (file, label)) in INSIDE.iter().enumerate() {
        let (wanted, mut image) = (name_of(number), Image::default());
        let found = parts.iter().find_map(|part| {
            let index = (0..part.labels.len()).find(|&index| part.images.name(index).ends_with(&wanted))?;
            part.images.read(index, &mut image).unwrap();
            Some(part.labels[index])
        });
        assert_eq!(found, Some(u16::from(label[0] - b'0')), "{wanted}");
        assert!(image == decoded(&folder().join(file)).unwrap(), "{file}");
    }
}

#[test]
fn tar_shards_and_parquet_hold_them_too() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("phones.tar");
    let stem = |name: &str| name.split_once('.').unwrap().0.to_owned();
    let members: Vec<(String, Vec<u8>)> = INSIDE
        .iter()
        .flat_map(|(name, label)| {
            [((*name).to_owned(), fixture(name)), (format!("{}.cls", stem(name)), label.to_vec())]
        })
        .collect();
    let borrowed: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    webdataset::shard(&file, &borrowed);
    holds_all(&open(&file), |number| INSIDE[number].0.to_owned());

    let file = root.path().join("others.parquet");
    fs::copy(Path::new(FIXTURES).join("parquet/labels/heif.parquet"), &file).unwrap();
    holds_all(&open(&file), |number| format!("others.parquet/{number}"));
}

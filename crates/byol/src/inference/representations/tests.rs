use super::*;
use crate::data::Image;
use crate::inference::tiny::{encoder, hardware};

/// Gray images of these levels.
struct Gray(Vec<u8>);

impl ImageSource for Gray {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let level = self.0[index];
        let pixels = (0..3 * 24 * 24).map(|at| level.wrapping_add((at * at % 17) as u8)).collect();
        *image = Image { width: 24, height: 24, pixels };
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{index}")
    }
}

fn of(encoder: &TrainedEncoder, run: Option<&Path>, levels: &[u8]) -> Representations {
    let images: Arc<dyn ImageSource> = Arc::new(Gray(levels.to_vec()));
    let request = Request { encoder, hardware: &hardware(), run };
    Representations::of(request, &images, &mut |_, _| {}).expect("the images can be read")
}

#[test]
fn each_image_is_computed_once_and_found_again_wherever_it_stands() {
    let (run, encoder) = (tempfile::tempdir().unwrap(), encoder(1));
    let kept = Some(run.path());
    let first = of(&encoder, kept, &[10, 20, 10, 30]);
    assert_eq!((first.len(), first.computed()), (4, 3), "one of them is there twice");
    assert!(first.not_kept().is_none());
    let again = of(&encoder, kept, &[30, 40, 20]);
    assert_eq!((again.len(), again.computed()), (3, 1));
    // Rows come back in the order that is asked for, as they were computed.
    let alone = of(&encoder, None, &[10, 20, 30, 40]);
    assert_eq!(alone.computed(), 4);
    let row = |of: &Representations, index: usize| Vec::<f32>::try_from(of.rows(&[index]).flatten(0, -1)).unwrap();
    for (index, place) in [(0, 2), (1, 3), (2, 1)] {
        let (kept, computed) = (row(&again, index), row(&alone, place));
        assert!(kept.iter().zip(&computed).all(|(a, b)| (a - b).abs() < 1e-6), "{kept:?} {computed:?}");
    }
    assert_eq!(row(&first, 0), row(&first, 2));
    assert_ne!(row(&first, 0), row(&first, 1));
    assert_eq!(again.all().size(), [3, encoder.encoder.features()]);
    assert_eq!(of(&encoder, kept, &[40, 10]).computed(), 0);
}

#[test]
fn other_weights_have_rows_of_their_own_and_damaged_files_are_computed_anew() {
    let run = tempfile::tempdir().unwrap();
    let kept = Some(run.path());
    let (one, other) = (encoder(1), encoder(2));
    assert_eq!(of(&one, kept, &[1, 2]).computed(), 2);
    assert_eq!(of(&other, kept, &[1, 2]).computed(), 2);
    assert_eq!(of(&other, kept, &[1, 2]).computed(), 0);
    let folders: Vec<PathBuf> =
        fs::read_dir(run.path().join(FOLDER)).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(folders.len(), 2);
    let file = files_in(&folders[0]).remove(0);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();
    assert_eq!(of(&one, kept, &[1, 2]).computed() + of(&other, kept, &[1, 2]).computed(), 2);
    assert_eq!(fs::read(&file).unwrap(), bytes, "it is whole again");
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_loses_nothing() {
    let run = tempfile::tempdir().unwrap();
    fs::write(run.path().join(FOLDER), "a file where the folder should be").unwrap();
    let found = of(&encoder(1), Some(run.path()), &[1, 2, 3]);
    assert_eq!(found.all().size()[0], 3);
    let (path, _) = found.not_kept().expect("it cannot be written");
    assert!(path.starts_with(run.path()));
}

#[test]
fn a_pool_without_images_has_no_rows() {
    let found = of(&encoder(1), None, &[]);
    assert!(found.is_empty() && found.computed() == 0);
}

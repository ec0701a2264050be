//! NumPy's `.npy` files, format 1.0, of float32 matrices: written row by row, read whole.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::InferenceError;

/// The header's length, with room for any shape, so that it can be written again when the rows are counted.
const HEADER_BYTES: usize = 128;
const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// A matrix file that grows by rows.
pub struct NpyWriter<W: Write + Seek> {
    file: BufWriter<W>,
    columns: usize,
    rows: usize,
    bytes: Vec<u8>,
}

impl<W: Write + Seek> NpyWriter<W> {
    /// # Errors
    /// `file` cannot be written.
    pub fn new(file: W, columns: usize) -> io::Result<NpyWriter<W>> {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        file.write_all(&header(0, columns))?;
        Ok(NpyWriter { file, columns, rows: 0, bytes: Vec::new() })
    }

    /// Adds a row of as many values as there are columns.
    ///
    /// # Errors
    /// The file cannot be written, or `row` has another length.
    pub fn row(&mut self, row: &[f32]) -> io::Result<()> {
        if row.len() != self.columns {
            let reason = format!("a row has {} values where the matrix has {} columns", row.len(), self.columns);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        self.bytes.clear();
        self.bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
        self.rows += 1;
        self.file.write_all(&self.bytes)
    }

    /// Writes the final header; returns the number of rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.rows, self.columns))?;
        self.file.flush()?;
        Ok(self.rows)
    }
}

/// Magic, version, length of what follows, and a Python dictionary filled up with spaces.
fn header(rows: usize, columns: usize) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend((HEADER_BYTES as u16 - 10).to_le_bytes());
    header.extend(format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}").into_bytes());
    header.resize(HEADER_BYTES - 1, b' ');
    header.push(b'\n');
    header
}

/// A float32 matrix, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Values in a row.
    pub columns: usize,
    /// All values: `rows * columns`.
    pub values: Vec<f32>,
}

impl Matrix {
    /// Number of rows; 0 where there are no columns.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }
}

/// Reads a matrix that [`NpyWriter`] or NumPy wrote.
///
/// # Errors
/// The file cannot be read, is no `.npy` file, is cut off, or holds something else than a float32 matrix in C order.
pub fn read(path: &Path) -> Result<Matrix, InferenceError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|source| InferenceError::Read { path: path.to_owned(), source })?;
    parse(&bytes).map_err(|reason| InferenceError::Malformed { path: path.to_owned(), reason })
}

fn parse(bytes: &[u8]) -> Result<Matrix, String> {
    let cut_off = || "the file is cut off".to_owned();
    let major = match bytes.get(..8) {
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', major @ 1..=3, _]) => *major,
        _ => return Err("this is not a NumPy file; `byol embed --out FILE.npy` makes one".to_owned()),
    };
    let (length, begin) = match major {
        1 => (bytes.get(8..10).map(|length| usize::from(u16::from_le_bytes([length[0], length[1]]))), 10),
        _ => (bytes.get(8..12).map(|l| u32::from_le_bytes([l[0], l[1], l[2], l[3]]) as usize), 12),
    };
    let length = length.ok_or_else(cut_off)?;
    let text = bytes.get(begin..begin + length).ok_or_else(cut_off)?;
    let text = String::from_utf8_lossy(text);
    let value_of = |key: &str| text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let (kind, order) = (value_of("descr").unwrap_or_default(), value_of("fortran_order").unwrap_or_default());
    if !kind.starts_with("'<f4'") || !order.starts_with("False") {
        return Err("this NumPy file must hold float32 in C order; save it with array.astype('float32')".to_owned());
    }
    let shape = value_of("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let shape: Option<Vec<usize>> = shape.and_then(|(sides, _)| {
        sides.split(',').map(str::trim).filter(|side| !side.is_empty()).map(|side| side.parse().ok()).collect()
    });
    let Some(&[rows, columns]) = shape.as_deref() else {
        return Err("this NumPy file must hold a matrix, one row for each image".to_owned());
    };
    let expected = rows.checked_mul(columns).and_then(|values| values.checked_mul(4)).ok_or_else(cut_off)?;
    let data = &bytes[begin + length..];
    if data.len() != expected {
        return Err(format!("{} bytes follow the header where {rows} x {columns} values take {expected}", data.len()));
    }
    let values = data.chunks_exact(4).map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]]));
    Ok(Matrix { columns, values: values.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = NpyWriter::new(Cursor::new(&mut bytes), 2).unwrap();
        writer.row(&[1.0, -0.5]).unwrap();
        writer.row(&[0.0, 3.0]).unwrap();
        assert!(writer.row(&[1.0]).is_err());
        assert_eq!(writer.finish().unwrap(), 2);
        bytes
    }

    /// Byte by byte after NumPy's description of the format (NEP 1).
    #[test]
    fn the_bytes_are_those_of_the_format() {
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        expected.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }");
        expected.extend(vec![b' '; 127 - expected.len()]);
        expected.push(b'\n');
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf, 0, 0, 0, 0, 0, 0, 0x40, 0x40]);
        assert_eq!(written(), expected);
        assert_eq!(header(usize::MAX, usize::MAX).len(), HEADER_BYTES);
    }

    #[test]
    fn what_was_written_is_read_and_damage_is_explained() {
        let bytes = written();
        assert_eq!(parse(&bytes), Ok(Matrix { columns: 2, values: vec![1.0, -0.5, 0.0, 3.0] }));
        // As NumPy 2 writes it, in another order and without the room.
        let mut other = b"\x93NUMPY\x02\x00\x3a\x00\x00\x00".to_vec();
        other.extend(b"{'shape': (1, 1), 'fortran_order': False, 'descr': '<f4'}\n");
        other.extend([0, 0, 0, 0x40]);
        assert_eq!(parse(&other), Ok(Matrix { columns: 1, values: vec![2.0] }));
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "{length}");
        }
        let double = String::from_utf8_lossy(&other).replace("<f4", "<f8").into_bytes();
        assert!(parse(&double).is_err());
    }
}

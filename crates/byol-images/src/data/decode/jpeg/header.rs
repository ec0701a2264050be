//! What a JPEG file says before its scan: sizes, components, tables, and how colours are stored (ITU-T T.81, annex B; Adobe's marker and
//! JFIF for the colours). Of baseline files, as cameras write them: one scan of all components, eight bits, Huffman codes.

use super::entropy::{Codes, ZIGZAG};
use super::markers;

/// A file whose image [`baseline`](super::baseline) can decode.
pub(super) struct Header<'a> {
    /// Columns and rows of the image.
    pub size: [usize; 2],
    /// One, gray, or three.
    pub components: Vec<Component>,
    /// Tables of codes, each with its kind (0 for means, 1 for the others) and number.
    pub codes: Vec<([u8; 2], Codes)>,
    /// Units between restarts; none where it is 0.
    pub restart_interval: usize,
    /// Whether the components are red, green and blue, and not brightness and two differences.
    pub is_rgb: bool,
    /// Entropy-coded data, and what follows.
    pub scan: &'a [u8],
}

/// One component of the image.
pub(super) struct Component {
    id: u8,
    /// Blocks of it in a unit, columns and rows.
    pub blocks: [usize; 2],
    table: u8,
    /// By which coefficients were quantised, row by row.
    pub steps: [f32; 64],
    /// Places in `codes` of those of means and of the others.
    pub codes: [usize; 2],
}

impl<'a> Header<'a> {
    /// Nothing where the file is of another kind, or something is wrong with it.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut steps = [None; 4];
        let (mut is_jfif, mut adobe) = (false, None);
        let mut header = Header {
            size: [0; 2],
            components: Vec::new(),
            codes: Vec::new(),
            restart_interval: 0,
            is_rgb: false,
            scan: &[],
        };
        for (marker, content, after) in markers(bytes) {
            match marker {
                0xc0 | 0xc1 => header.read_frame(content)?,
                0xc4 => header.read_codes(content)?,
                0xdb => read_steps(content, &mut steps)?,
                0xdd => header.restart_interval = number(content, 0)?,
                0xe0 => is_jfif |= content.starts_with(b"JFIF\0"),
                0xee if content.starts_with(b"Adobe") => adobe = content.get(11).copied(),
                0xda => {
                    header.read_scan(content)?;
                    for component in &mut header.components {
                        component.steps = steps[usize::from(component.table)]?;
                    }
                    // As libjpeg decides.
                    let ids: Vec<u8> = header.components.iter().map(|component| component.id).collect();
                    header.is_rgb = !is_jfif && adobe.map_or(ids == *b"RGB", |transform| transform == 0);
                    header.scan = bytes.get(after..)?;
                    return Some(header);
                }
                // Other kinds of frames, their tables, and the end.
                0xc2..=0xcf | 0xd9 => return None,
                _ => {}
            }
        }
        None
    }

    fn read_frame(&mut self, content: &[u8]) -> Option<()> {
        let &[8, _, _, _, _, count, ref components @ ..] = content else { return None };
        self.size = [number(content, 3)?, number(content, 1)?];
        let (components, rest) = components.as_chunks();
        if !self.components.is_empty() || self.size.contains(&0) || !rest.is_empty() {
            return None;
        }
        for &[id, factors, table] in components {
            let blocks = [factors >> 4, factors & 15].map(usize::from);
            if blocks.iter().any(|count| !(1..=4).contains(count)) || table > 3 {
                return None;
            }
            self.components.push(Component { id, blocks, table, steps: [0.0; 64], codes: [0; 2] });
        }
        match &mut self.components[..] {
            // A scan of one component has its blocks one after the other (T.81, A.2.2).
            [gray] => gray.blocks = [1, 1],
            [_, _, _] => {}
            _ => return None,
        }
        (self.components.len() == usize::from(count)).then_some(())
    }

    fn read_codes(&mut self, mut content: &[u8]) -> Option<()> {
        while let Some((&table, rest)) = content.split_first() {
            let (&lengths, rest) = rest.split_first_chunk()?;
            let (symbols, rest) = rest.split_at_checked(lengths.iter().map(|&count| usize::from(count)).sum())?;
            let table = [table >> 4, table & 15];
            let codes = Codes::new(lengths, symbols)?;
            self.codes.retain(|(other, _)| *other != table);
            self.codes.push((table, codes));
            content = rest;
        }
        Some(())
    }

    /// All components, in the frame's order, with all coefficients in whole.
    fn read_scan(&mut self, content: &[u8]) -> Option<()> {
        let (&count, rest) = content.split_first()?;
        let (components, spectrum) = rest.split_at_checked(2 * usize::from(count))?;
        if components.len() != 2 * self.components.len() || spectrum != [0, 63, 0] {
            return None;
        }
        for (component, scanned) in self.components.iter_mut().zip(components.as_chunks().0) {
            let &[id, tables] = scanned;
            let place = |table: [u8; 2]| self.codes.iter().position(|(other, _)| *other == table);
            component.codes = [place([0, tables >> 4])?, place([1, tables & 15])?];
            if id != component.id {
                return None;
            }
        }
        Some(())
    }
}

fn number(content: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*content.get(at..)?.first_chunk()?)))
}

fn read_steps(mut content: &[u8], steps: &mut [Option<[f32; 64]>; 4]) -> Option<()> {
    while let Some((&table, rest)) = content.split_first() {
        let size = match table >> 4 {
            0 => 1,
            1 => 2,
            _ => return None,
        };
        let (values, rest) = rest.split_at_checked(64 * size)?;
        let mut found = [0.0; 64];
        for (value, place) in values.chunks_exact(size).zip(ZIGZAG) {
            let value = value.iter().fold(0, |value: u16, &byte| value << 8 | u16::from(byte));
            found[usize::from(place)] = value.into();
        }
        *steps.get_mut(usize::from(table & 15))? = Some(found);
        content = rest;
    }
    Some(())
}

//! What a JPEG file says before its scan: sizes, components, tables, and how colours are stored (ITU-T T.81, annex B; Adobe's marker and
//! JFIF for the colours). Of baseline files, as cameras write them: one scan of all components, eight bits, Huffman codes.

use byol_kernels::jpeg::{Codes, Component, Scan, ZIGZAG};

use super::markers;

/// What was read by now.
#[derive(Default)]
struct Header {
    size: [usize; 2],
    components: Vec<Component>,
    /// Of each component, its name and the table of its steps.
    named: Vec<(u8, u8)>,
    /// Each with its kind (0 for means, 1 for the others) and number.
    codes: Vec<([u8; 2], Codes)>,
    restart_interval: usize,
}

/// The scan of a file, with what was said before it. Nothing where the file is of another kind, or something is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Option<Scan<'_>> {
    let mut steps = [None; 4];
    let (mut is_jfif, mut adobe) = (false, None);
    let mut header = Header::default();
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
                let Header { size, mut components, named, codes, restart_interval } = header;
                for (component, (_, table)) in components.iter_mut().zip(&named) {
                    component.steps = steps[usize::from(*table)]?;
                }
                // As libjpeg decides.
                let names: Vec<u8> = named.iter().map(|&(name, _)| name).collect();
                let is_rgb = !is_jfif && adobe.map_or(names == *b"RGB", |transform| transform == 0);
                let codes = codes.into_iter().map(|(_, codes)| codes).collect();
                return Some(Scan { size, components, codes, restart_interval, is_rgb, data: bytes.get(after..)? });
            }
            // Other kinds of frames, their tables, and the end.
            0xc2..=0xcf | 0xd9 => return None,
            _ => {}
        }
    }
    None
}

impl Header {
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
            self.components.push(Component { blocks, steps: [0.0; 64], codes: [0; 2] });
            self.named.push((id, table));
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
        let named = self.named.iter().zip(components.as_chunks().0);
        for (component, (&(name, _), &[id, tables])) in self.components.iter_mut().zip(named) {
            let place = |table: [u8; 2]| self.codes.iter().position(|(other, _)| *other == table);
            component.codes = [place([0, tables >> 4])?, place([1, tables & 15])?];
            if id != name {
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

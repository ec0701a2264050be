//! Entropy-coded data of JPEG files: bits, Huffman codes, and the coefficients of one block (ITU-T T.81, annexes C and F). Coefficients that a
//! reduced image does not show are passed over, several symbols at a time, and their values never read.

/// Bits that a table of codes is looked up by. Longer codes, which are rare, are found by comparing.
const LOOK: u32 = 11;
const ENTRIES: usize = 1 << LOOK;

/// Where the coefficients stand in a block of 8x8, row by row, in the order in which they are stored (T.81, figure A.6).
pub const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Bits of entropy-coded data, up to the next marker.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first one uppermost. Below those that count, it holds bits of the byte at `at`, or none.
    buffer: u64,
    /// How many of them count.
    count: u32,
    /// How many of them are zeros that stand for what is missing.
    missing: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0, buffer: 0, count: 0, missing: 0 }
    }

    /// Makes sure that 32 bits can be taken.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(next) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let next = u64::from_be_bytes(*next);
            // Without a byte of the value 255 there is neither a marker nor a stuffed byte among them.
            const ONES: u64 = u64::MAX / 255;
            if (!next).wrapping_sub(ONES) & next & (ONES << 7) == 0 {
                self.buffer |= next >> self.count;
                self.at += (63 - self.count as usize) >> 3;
                self.count |= 56;
                return;
            }
        }
        // By value, so that the bits of the caller may stay in registers.
        *self = filled_by_bytes(*self);
    }

    /// The next bits as a number, at most 32 of them.
    #[inline(always)]
    fn peek(&self, bits: u32) -> usize {
        // In two steps: a shift by 64 is none.
        (self.buffer >> 1 >> (63 - bits)) as usize
    }

    #[inline(always)]
    fn pass(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count = self.count.wrapping_sub(bits);
    }

    /// A number of so many bits, of which the smaller half stands for negative ones (T.81, F.2.2.1).
    #[inline(always)]
    fn signed(&mut self, bits: u32) -> i32 {
        let value = signed(self.peek(bits), bits);
        self.pass(bits);
        value
    }

    /// Whether what was taken was there.
    fn sufficed(&self) -> bool {
        self.missing <= self.count
    }

    /// Goes on behind a restart marker; nothing where none stands here.
    pub fn restart(&mut self) -> Option<()> {
        let is_restart = matches!(self.bytes.get(self.at..self.at + 2), Some([0xff, 0xd0..=0xd7]));
        (is_restart && self.sufficed()).then(|| *self = Bits { at: self.at + 2, ..Bits::new(self.bytes) })
    }

    /// Whether the image ends here, and all that was taken was there.
    pub fn is_end(&self) -> bool {
        self.sufficed() && matches!(self.bytes.get(self.at..self.at + 2), Some([0xff, 0xd9]))
    }
}

/// Byte by byte: stuffed bytes are left out, and at a marker or at the end zeros follow.
#[inline(never)]
#[cold]
fn filled_by_bytes(mut bits: Bits) -> Bits {
    while bits.count <= 56 {
        let (byte, length) = match bits.bytes.get(bits.at..) {
            Some([0xff, 0x00, ..]) => (0xff, 2),
            Some([0xff, ..] | []) | None => (0, 0),
            Some(&[byte, ..]) => (byte, 1),
        };
        if length == 0 {
            bits.missing += 8;
        }
        bits.buffer |= u64::from(byte) << (56 - bits.count);
        bits.at += length;
        bits.count += 8;
    }
    bits
}

fn signed(number: usize, bits: u32) -> i32 {
    let number = number as i32;
    let half = (1 << bits) >> 1;
    if number < half { number + 1 - (1 << bits) } else { number }
}

/// A table of Huffman codes. Symbols of coefficients have a run of zeros in the upper four bits, and in the lower four the bits of the value
/// that follows (T.81, F.1.2.2.1).
pub struct Codes {
    /// By the next bits, the first symbol: bits of the code in the lowest byte, with those of the value where all are among the looked up
    /// ones, and with `FOLLOWS` where not; then the symbol, and the value in the upper half. Zero where the code is longer.
    first: Box<[u32; ENTRIES]>,
    /// By the next bits, all symbols whose codes are among them: their bits with those of their values in the lowest byte, then how many
    /// coefficients they are, and `LAST` where the last of them ends the block. Zero where the first code is longer.
    many: Box<[u32; ENTRIES]>,
    /// By length, the end of the codes, in 16 bits.
    ends: [u32; 17],
    /// By length, the place of the code 0 among the symbols.
    places: [i32; 17],
    symbols: Vec<u8>,
}

const FOLLOWS: u32 = 0x80;
const LAST: u32 = 1 << 16;

/// The symbol of sixteen zeros. The others without a value end a block.
const SIXTEEN: u8 = 0xf0;

impl Codes {
    /// From how many codes there are of each length, 1 to 16, and their symbols; nothing where there are more than such codes can be.
    pub fn new(lengths: [u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Codes {
            first: Box::new([0; ENTRIES]),
            many: Box::new([0; ENTRIES]),
            ends: [0; 17],
            places: [0; 17],
            symbols: symbols.to_vec(),
        };
        // Length of the code, and symbol.
        let mut short = vec![(0, 0); ENTRIES];
        let (mut code, mut place) = (0u32, 0usize);
        for (length, count) in (1u32..).zip(lengths) {
            codes.places[length as usize] = place as i32 - code as i32;
            for _ in 0..count {
                let symbol = *symbols.get(place)?;
                if length <= LOOK {
                    let start = (code << (LOOK - length)) as usize;
                    let same = short.get_mut(start..start + (ENTRIES >> length))?;
                    same.fill((length, symbol));
                }
                (code, place) = (code + 1, place + 1);
            }
            if code > 1 << length {
                return None;
            }
            codes.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        for (index, (first, many)) in codes.first.iter_mut().zip(codes.many.iter_mut()).enumerate() {
            *first = first_symbol(index, short[index]);
            *many = many_symbols(index, &short);
        }
        Some(codes)
    }

    /// The next symbol, and the value that follows it.
    #[inline(always)]
    fn next(&self, bits: &mut Bits) -> Option<(u8, i32)> {
        bits.fill();
        let entry = self.first[bits.peek(LOOK)];
        let symbol = (entry >> 8) as u8;
        if entry & FOLLOWS == 0 && entry != 0 {
            bits.pass(entry & 63);
            return Some((symbol, entry as i32 >> 16));
        }
        let (length, symbol) = if entry != 0 { (entry & 63, symbol) } else { self.long(bits.peek(16))? };
        bits.pass(length);
        Some((symbol, bits.signed(u32::from(symbol & 15))))
    }

    /// Length and symbol of a code, by comparing the next 16 bits.
    fn long(&self, next: usize) -> Option<(u32, u8)> {
        let length = (1..17).find(|&length| (next as u32) < self.ends[length])?;
        let place = self.places[length] + (next >> (16 - length)) as i32;
        Some((length as u32, *self.symbols.get(usize::try_from(place).ok()?)?))
    }

    /// The difference of a block's mean from that of the block before.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits) -> Option<i32> {
        let (symbol, value) = self.next(bits)?;
        (symbol < 16).then_some(value)
    }

    /// Reads a block's coefficients from the second to `last`, in the order of [`ZIGZAG`], and passes over the others. Returns the place of the
    /// last that is not zero, among those that were read.
    #[inline(always)]
    pub(super) fn coefficients(&self, bits: &mut Bits, last: usize, block: &mut [i16; 64]) -> Option<usize> {
        let (mut place, mut found) = (1, 0);
        while place <= last {
            let (symbol, value) = self.next(bits)?;
            let run = usize::from(symbol >> 4);
            if symbol & 15 == 0 {
                if symbol != SIXTEEN {
                    return Some(found);
                }
                place += 16;
                continue;
            }
            place += run;
            block[usize::from(*ZIGZAG.get(place)?)] = value as i16;
            found = place;
            place += 1;
        }
        self.pass(bits, place).map(|()| found)
    }

    /// Passes over a block's coefficients from `place` on.
    #[inline(always)]
    fn pass(&self, bits: &mut Bits, mut place: usize) -> Option<()> {
        while place < 64 {
            bits.fill();
            let entry = self.many[bits.peek(LOOK)];
            let to = place + (entry >> 8 & 63) as usize;
            // All symbols but the last are of this block for sure only if it does not end before.
            if entry != 0 && to < 64 {
                bits.pass(entry & 63);
                if entry & LAST != 0 {
                    return Some(());
                }
                place = to;
                continue;
            }
            let (symbol, _) = self.next(bits)?;
            place += match symbol {
                SIXTEEN => 16,
                _ if symbol & 15 == 0 => return Some(()),
                _ => usize::from(symbol >> 4) + 1,
            };
        }
        (place == 64).then_some(())
    }
}

fn first_symbol(index: usize, (length, symbol): (u32, u8)) -> u32 {
    let value_bits = u32::from(symbol & 15);
    let said = length | u32::from(symbol) << 8;
    match length {
        0 => 0,
        _ if length + value_bits > LOOK => said | FOLLOWS,
        _ => {
            let value = index >> (LOOK - length - value_bits) & ((1 << value_bits) - 1);
            (said + value_bits) | (signed(value, value_bits) as u32) << 16
        }
    }
}

fn many_symbols(index: usize, short: &[(u32, u8)]) -> u32 {
    let (mut taken, mut coefficients) = (0, 0);
    while taken < LOOK {
        let (length, symbol) = short[index << taken & (ENTRIES - 1)];
        if length == 0 || taken + length > LOOK {
            break;
        }
        if symbol & 15 == 0 && symbol != SIXTEEN {
            return (taken + length) | coefficients << 8 | LAST;
        }
        let more = u32::from(symbol >> 4) + 1;
        if coefficients + more > 63 {
            break;
        }
        (taken, coefficients) = (taken + length + u32::from(symbol & 15), coefficients + more);
    }
    taken | coefficients << 8
}

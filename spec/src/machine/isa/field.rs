//! Bit fields of a record and the values that they take.

/// A bit field of a record. No field straddles two 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name of the record that it belongs to.
    pub record: &'static str,
    /// Its name in the record's struct and in the documentation.
    pub name: &'static str,
    /// 32-bit word of the record, 0 the least significant.
    pub word: usize,
    /// Lowest bit in the word.
    pub lsb: usize,
    /// Number of bits.
    pub width: usize,
    /// Whether the value is two's complement.
    pub signed: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// The name, the opcode and the fields of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The name used in documentation and disassembly.
    pub name: &'static str,
    /// The opcode, in the field [`super::OPCODE`], of an instruction; `None` for the entry of a ROM of its own.
    pub opcode: Option<u32>,
    /// Words of 32 bits.
    pub n_words: usize,
    /// All fields but the opcode, in the order of the documentation.
    pub fields: &'static [Field],
}

/// A value that does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}.{} = {value} does not fit {} bits; help: a map, channel count or memory is too large for the ISA",
    .field.record, .field.name, .field.width
)]
pub struct FieldError {
    /// The field.
    pub field: Field,
    /// The value.
    pub value: i64,
}

impl Field {
    /// The smallest and the largest value.
    pub const fn range(&self) -> (i64, i64) {
        if self.signed {
            (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1)
        } else {
            (0, (1 << self.width) - 1)
        }
    }

    /// The bits that it takes of its word.
    pub const fn mask(&self) -> u32 {
        (((1u64 << self.width) - 1) << self.lsb) as u32
    }

    pub(super) fn put(&self, words: &mut [u32], value: i64) -> Result<(), FieldError> {
        let (least, most) = self.range();
        if !(least..=most).contains(&value) {
            return Err(FieldError { field: *self, value });
        }
        words[self.word] |= ((value as u64) << self.lsb) as u32 & self.mask();
        Ok(())
    }

    pub(super) fn get(&self, words: &[u32]) -> i64 {
        let raw = i64::from((words[self.word] & self.mask()) >> self.lsb);
        if self.signed && raw >> (self.width - 1) & 1 == 1 { raw - (1 << self.width) } else { raw }
    }
}

impl Table {
    /// Refuses, while compiling, fields that overlap or straddle a word.
    pub(super) const fn check(&self) {
        let mut used = [0u32; super::INSTRUCTION_WORDS];
        if self.opcode.is_some() {
            used[super::OPCODE.word] = super::OPCODE.mask();
        }
        let mut index = 0;
        while index < self.fields.len() {
            let field = self.fields[index];
            assert!(field.width > 0 && field.lsb + field.width <= 32, "a field straddles a word");
            assert!(field.word < self.n_words, "a field lies beyond its record");
            assert!(used[field.word] & field.mask() == 0, "two fields overlap");
            used[field.word] |= field.mask();
            index += 1;
        }
    }
}

/// The type of a field in a record's struct.
pub(super) trait Value {
    /// Whether it is stored in two's complement.
    const SIGNED: bool;
    /// The widest field that it takes.
    const MOST_BITS: usize;

    /// The number to store.
    fn number(self) -> i64;

    /// From a number that has been stored.
    fn of(number: i64) -> Self;
}

impl Value for bool {
    const SIGNED: bool = false;
    const MOST_BITS: usize = 1;

    fn number(self) -> i64 {
        i64::from(self)
    }

    fn of(number: i64) -> Self {
        number != 0
    }
}

impl Value for usize {
    const SIGNED: bool = false;
    const MOST_BITS: usize = 32;

    fn number(self) -> i64 {
        i64::try_from(self).unwrap_or(i64::MAX)
    }

    fn of(number: i64) -> Self {
        number as Self
    }
}

impl Value for i64 {
    const SIGNED: bool = true;
    const MOST_BITS: usize = 32;

    fn number(self) -> i64 {
        self
    }

    fn of(number: i64) -> Self {
        number
    }
}

//! The parameters of a channel and their bits in the ROM.

/// Per-channel constants of the requantizer, [`Parameter::BITS`] bits in the ROM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Added to the accumulator.
    pub bias: i32,
    /// `0..=MAX_MULTIPLIER`.
    pub multiplier: u32,
    /// `0..=MAX_SHIFT`.
    pub shift: u8,
    /// Zero where nothing is added; `0..=MAX_RESIDUAL_MULTIPLIER` before the scaling, `0..=MAX_MULTIPLIER` after it.
    pub residual_multiplier: u32,
}

/// Bits of a channel's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterField {
    /// Its name in [`Parameter`] and in the documentation.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: usize,
    /// Number of bits.
    pub width: usize,
    /// What it holds.
    pub meaning: &'static str,
}

impl ParameterField {
    const fn new(name: &'static str, lsb: usize, width: usize, meaning: &'static str) -> Self {
        Self { name, lsb, width, meaning }
    }

    const fn mask(&self) -> u128 {
        ((1 << self.width) - 1) << self.lsb
    }

    /// The field's part of a channel's bits.
    pub const fn get(&self, bits: u128) -> u128 {
        (bits & self.mask()) >> self.lsb
    }

    const fn put(&self, value: u128) -> u128 {
        (value << self.lsb) & self.mask()
    }
}

impl Parameter {
    /// Bits of a channel: whole bytes, most of them used.
    pub const BITS: usize = 88;
    /// Bytes of a channel.
    pub const BYTES: usize = Self::BITS / 8;
    /// Bits of [`Parameter::bias`].
    pub const BIAS: ParameterField =
        ParameterField::new("bias", 0, 32, "added to the accumulator, signed");
    /// Bits of [`Parameter::multiplier`].
    pub const MULTIPLIER: ParameterField = ParameterField::new("multiplier", 32, 24, "0..16777215");
    /// Bits of [`Parameter::shift`].
    pub const SHIFT: ParameterField = ParameterField::new("shift", 56, 6, "0..55");
    /// Bits of [`Parameter::residual_multiplier`].
    pub const RESIDUAL_MULTIPLIER: ParameterField = ParameterField::new(
        "residual_multiplier",
        64,
        24,
        "0..16777215, before the scaling 0..65535; 0 where nothing is added",
    );
    /// All fields from the lowest bits up; the bits between are zero.
    pub const FIELDS: [ParameterField; 4] =
        [Self::BIAS, Self::MULTIPLIER, Self::SHIFT, Self::RESIDUAL_MULTIPLIER];

    /// The bits in the ROM.
    pub fn to_bits(&self) -> u128 {
        let Self { bias, multiplier, shift, residual_multiplier } = *self;
        Self::BIAS.put(u128::from(bias as u32))
            | Self::MULTIPLIER.put(multiplier.into())
            | Self::SHIFT.put(shift.into())
            | Self::RESIDUAL_MULTIPLIER.put(residual_multiplier.into())
    }

    /// From the bits in the ROM; `None` if one outside all fields is set.
    pub fn from_bits(bits: u128) -> Option<Self> {
        let fields = Self::FIELDS.iter().fold(0, |mask, field| mask | field.mask());
        (bits & !fields == 0).then(|| Self {
            bias: Self::BIAS.get(bits) as u32 as i32,
            multiplier: Self::MULTIPLIER.get(bits) as u32,
            shift: Self::SHIFT.get(bits) as u8,
            residual_multiplier: Self::RESIDUAL_MULTIPLIER.get(bits) as u32,
        })
    }
}

const _: () = {
    // No field reaches beyond its row, and none overlaps the next.
    let mut end = 0;
    let mut index = 0;
    while index < Parameter::FIELDS.len() {
        assert!(Parameter::FIELDS[index].lsb >= end, "two fields overlap");
        end = Parameter::FIELDS[index].lsb + Parameter::FIELDS[index].width;
        index += 1;
    }
    assert!(end <= Parameter::BITS && Parameter::BITS.is_multiple_of(8), "a field is outside");
};

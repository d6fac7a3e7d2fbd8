//! A processing element: one multiplier, one adder, and a weight that is loaded while the previous one is in use.
//!
//! It knows nothing of sparsity: the selector at the array's edge has already chosen the activation.

use crate::leaf::{Drive, verilog};
use crate::tech;
use rust_hdl_core::prelude::*;
use spec::Technology;

/// Adds `activation * weight` (signed 8 x 8 bits) to a 32-bit partial sum.
///
/// Latency: [`spec::ArrayConfig::PE_LATENCY`] cycles from `activation`, 1 cycle from `psum`; one product a cycle. No
/// reset. The activation that comes with `swap` is the first to be multiplied by the weight loaded before; a `load` in
/// the same cycle as `swap` already belongs to the next weight.
#[derive(LogicBlock, Default)]
pub struct Pe {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Takes `weight` into the shadow register.
    pub load: Signal<In, Bit>,
    /// Takes the shadow register into use.
    pub swap: Signal<In, Bit>,
    /// int8.
    pub weight: Signal<In, Bits<8>>,
    /// int8, from the left.
    pub activation: Signal<In, Bits<8>>,
    /// int32, from above.
    pub psum: Signal<In, Bits<32>>,
    /// `activation` of the cycle before, to the right.
    pub activation_out: Signal<Out, Bits<8>>,
    /// int32, wraps; to below.
    pub psum_out: Signal<Out, Bits<32>>,
    _technology: Technology,
    _shadow: i32,
    _active: i32,
    _product: i32,
}

impl Pe {
    /// A PE with the multiplier of a technology.
    pub fn new(technology: Technology) -> Self {
        Self { _technology: technology, ..Self::default() }
    }
}

impl Logic for Pe {
    fn update(&mut self) {
        if !self.clock.pos_edge() {
            return;
        }
        let psum = self.psum.val().to_u32();
        self.psum_out.next = u64::from(psum.wrapping_add(self._product as u32)).into();
        self._product = i32::from(self.activation_out.val().to_u8() as i8) * self._active;
        if self.swap.val() {
            self._active = self._shadow;
        }
        if self.load.val() {
            self._shadow = i32::from(self.weight.val().to_u8() as i8);
        }
        self.activation_out.next = self.activation.val();
    }

    fn connect(&mut self) {
        self.activation_out.drive();
        self.psum_out.drive();
    }

    fn hdl(&self) -> Verilog {
        let tech = tech::of(self._technology);
        verilog(&format!("pe{}", tech.suffix()), SENTENCE, &tech.pe())
    }
}

const SENTENCE: &str =
    "psum_out = psum + activation * weight, signed; the next weight waits in `shadow`.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::tick;
    use crate::random::Random;

    struct Input {
        load: bool,
        swap: bool,
        weight: i8,
        activation: i8,
        psum: i32,
    }

    /// Cycles from an activation to the partial sum that its product is added to.
    const PRODUCT_LATENCY: usize = spec::ArrayConfig::PE_LATENCY - 1;
    const CORNERS: [i8; 5] = [-128, 127, 0, -1, 1];

    fn byte(random: &mut Random) -> i8 {
        if random.below(2) == 0 {
            CORNERS[random.below(5) as usize]
        } else {
            random.below(256) as u8 as i8
        }
    }

    /// The weight in use for the activation of `cycle`: what was last loaded before the last swap.
    fn weight_at(inputs: &[Input], cycle: usize) -> i8 {
        let swap = (0..=cycle).rev().find(|&t| inputs[t].swap);
        let load = swap.and_then(|swap| (0..swap).rev().find(|&t| inputs[t].load));
        load.map_or(0, |load| inputs[load].weight)
    }

    #[test]
    fn adds_the_product_of_the_weight_in_use() {
        let mut random = Random::new(1);
        let inputs: Vec<Input> = (0..3000)
            .map(|_| Input {
                load: random.below(3) == 0,
                swap: random.below(3) == 0,
                weight: byte(&mut random),
                activation: byte(&mut random),
                psum: [i32::MIN, i32::MAX, 0, random.below(1 << 32) as u32 as i32]
                    [random.below(4) as usize],
            })
            .collect();
        let mut pe = Pe::default();
        for (t, input) in inputs.iter().enumerate() {
            pe.load.next = input.load;
            pe.swap.next = input.swap;
            pe.weight.next = u64::from(input.weight as u8).into();
            pe.activation.next = u64::from(input.activation as u8).into();
            pe.psum.next = u64::from(input.psum as u32).into();
            tick(&mut pe, |pe| &mut pe.clock).unwrap();

            assert_eq!(pe.activation_out.val().to_u8() as i8, input.activation);
            let product = t
                .checked_sub(PRODUCT_LATENCY)
                .map_or(0, |u| i32::from(inputs[u].activation) * i32::from(weight_at(&inputs, u)));
            assert_eq!(
                pe.psum_out.val().to_u32() as i32,
                input.psum.wrapping_add(product),
                "cycle {t}"
            );
        }
    }
}

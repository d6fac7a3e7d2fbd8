//! Leaves: blocks with a native Rust `update` and Verilog text written by hand, and the ones everybody needs.
//!
//! A leaf is a `LogicBlock` whose `Logic` is written out instead of generated:
//!
//! ```
//! use twofold_hw::leaf::{Drive, verilog};
//! use rust_hdl_core::prelude::*;
//!
//! /// Adds one activation a cycle. Latency 1 cycle, no reset.
//! #[derive(LogicBlock, Default)]
//! pub struct Accumulate {
//!     pub clock: Signal<In, Clock>,
//!     pub activation: Signal<In, Bits<8>>,
//!     pub psum: Signal<Out, Bits<24>>,
//!     _sum: u32, // a field that starts with `_` is not hardware: sizes, native state
//! }
//!
//! impl Logic for Accumulate {
//!     fn update(&mut self) {
//!         if self.clock.pos_edge() {
//!             self._sum += self.activation.val().to_u32();
//!         }
//!         self.psum.next = bits((self._sum & 0xff_ffff) as u64);
//!     }
//!     fn connect(&mut self) {
//!         self.psum.drive();
//!     }
//!     fn hdl(&self) -> Verilog {
//!         verilog("accumulate", "Adds one activation a cycle.", "\
//! initial psum = 24'd0;
//! always @(posedge clock) psum <= psum + {16'd0, activation};
//! ")
//!     }
//! }
//! ```
//!
//! # How rust-hdl's simulator treats a leaf
//! A simulation step is a number of passes. In one pass every block runs `update`, parents before their
//! sub-blocks, and *then* its fields take over `next`. It follows that
//!
//! - `In::val()` is the settled value of the pass before; `Out::val()` and `Local::val()` are `next`, at once.
//! - `clock.pos_edge()` is true in exactly one pass. Clock and data need the same number of passes from a
//!   parent to a child, so a register at any depth sees the data from before the edge.
//! - Inputs of the top block must be settled *before* its clock rises, as [`tick`] does: what changes in the
//!   same pass as the clock is already seen by the edge.
//! - A leaf does its clocked work first, from inputs and old state only, then drives every output from the
//!   new state and the inputs. The other order leaves outputs stale, because the simulator stops when no
//!   signal changes and native state is no signal.
//! - `connect` must call [`Drive::drive`] on every output (`connect` of a `Vec` does nothing).
//!
//! # Text of a leaf
//! Ports are declared by the emitter, `Vec` port `a` as `a_0`, `a_1`, ..; an output with an `assign` is a wire, any other
//! a reg. A leaf may have sub-blocks if its text instantiates them, under the names that [`module_of`] tells. Run-time sizes are formatted into the text, and belong in the module name when they change it.

mod constant;
mod memory;
mod register;
mod sign_extend;

pub use constant::{Constant, Fixed};
pub use memory::{Ram, Rom};
pub use register::{ControlDelay, Delay, EnabledRegister, Register, Skew};
pub use sign_extend::SignExtend;

use rust_hdl_core::prelude::*;
use thiserror::Error;

/// A comment in an `update`; it reaches the Verilog. `comment!("module name: what it does")` at the very
/// start names the module.
#[macro_export]
macro_rules! comment {
    ($text:literal) => {};
}

/// Clocks registers and lets each keep its value unless `update` says otherwise: `dff_setup!(self, clock, state, count)`.
#[macro_export]
macro_rules! dff_setup {
    ($self:ident, $clock:ident, $($register:ident),+ $(,)?) => {
        $($self.$register.clock.next = $self.$clock.val();)+
        $($self.$register.d.next = $self.$register.q.val();)+
    };
}

/// Marks the outputs of a leaf as driven by it.
pub trait Drive {
    /// To be called in `connect`.
    fn drive(&mut self);
}

impl<T: Synth> Drive for Signal<Out, T> {
    fn drive(&mut self) {
        self.connect();
    }
}

impl<D: Drive> Drive for Vec<D> {
    fn drive(&mut self) {
        self.iter_mut().for_each(Drive::drive);
    }
}

/// The Verilog of a leaf: module name, one sentence, and everything between the port list and `endmodule`.
pub fn verilog(name: &str, sentence: &str, body: &str) -> Verilog {
    Verilog::Custom(format!("// module {name}: {sentence}\n{body}"))
}

/// The name of a leaf's module, for the text of a leaf that instantiates it.
///
/// # Panics
/// If the block is no leaf.
pub fn module_of(leaf: &impl Logic) -> String {
    let Verilog::Custom(text) = leaf.hdl() else { panic!("only a leaf names its module") };
    let title = text.strip_prefix("// module ").and_then(|rest| rest.split_once(':'));
    title.expect("the text of a leaf begins with its module's name").0.to_owned()
}

/// Ports for `n` lanes.
pub fn ports<D: Direction, T: Synth>(n: usize) -> Vec<Signal<D, T>> {
    (0..n).map(|_| Signal::default()).collect()
}

/// A native simulation that does not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the block does not settle within {0} passes; help: look for a combinational loop")]
pub struct Unsettled(usize);

/// Passes after which a block is taken to oscillate; a path through a block needs one for every level of hierarchy.
const MAX_PASSES: usize = 100_000;

/// Runs passes until no signal changes.
///
/// # Errors
/// Fails on a combinational loop that oscillates.
pub fn settle<B: Block>(block: &mut B) -> Result<(), Unsettled> {
    if simulate(block, MAX_PASSES) { Ok(()) } else { Err(Unsettled(MAX_PASSES)) }
}

/// One clock cycle: settles the inputs, then raises and lowers the clock that `clock` points at.
///
/// # Errors
/// Fails on a combinational loop that oscillates.
pub fn tick<B: Block>(
    block: &mut B,
    clock: impl Fn(&mut B) -> &mut Signal<In, Clock>,
) -> Result<(), Unsettled> {
    settle(block)?;
    for level in [true, false] {
        clock(block).next = level.into();
        settle(block)?;
    }
    Ok(())
}

//! Constants.

use rust_hdl_core::prelude::{Bits, Block, Constant as Inner, Logic, Probe, Synth, bits};

/// A value that is chosen when the block is made: `localparam` in the Verilog.
///
/// rust-hdl's own constant has no default, so that a block with one has to name every port where it is made. This one
/// starts at the default of `T`, and is given with what else is not a default:
///
/// ```
/// use rust_hdl_core::prelude::*;
/// use twofold_hw::leaf::Constant;
///
/// #[derive(LogicBlock, Default)]
/// struct Limit {
///     pub address: Signal<In, Bits<4>>,
///     pub end: Signal<Out, Bit>,
///     last: Constant<Bits<4>>,
/// }
///
/// impl Limit {
///     fn new(depth: u64) -> Self {
///         Self { last: Constant::new(bits(depth - 1)), ..Self::default() }
///     }
/// }
///
/// impl Logic for Limit {
///     #[hdl_gen]
///     fn update(&mut self) {
///         self.end.next = self.address.val() == self.last.val();
///     }
/// }
/// # Limit::new(7);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Constant<T: Synth>(Inner<T>);

impl<T: Synth> Constant<T> {
    /// A constant of this value.
    pub fn new(value: T) -> Self {
        Self(Inner::new(value))
    }

    /// The value.
    pub fn val(&self) -> T {
        self.0.val()
    }
}

impl<T: Synth> Default for Constant<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// A constant whose value is known when the program is compiled: nothing has to be given where the block is made.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<const BITS: usize, const VALUE: u64>(Inner<Bits<BITS>>);

impl<const BITS: usize, const VALUE: u64> Fixed<BITS, VALUE> {
    /// The value.
    pub fn val(&self) -> Bits<BITS> {
        self.0.val()
    }
}

impl<const BITS: usize, const VALUE: u64> Default for Fixed<BITS, VALUE> {
    fn default() -> Self {
        Self(Inner::new(bits(VALUE)))
    }
}

/// What rust-hdl asks of a field that never changes.
macro_rules! unchanging {
    ($Type:ty, [$($parameters:tt)*]) => {
        impl<$($parameters)*> Logic for $Type {
            fn update(&mut self) {}
        }

        impl<$($parameters)*> Block for $Type {
            fn connect_all(&mut self) {}

            fn update_all(&mut self) {}

            fn has_changed(&self) -> bool {
                false
            }

            fn accept(&self, name: &str, probe: &mut dyn Probe) {
                probe.visit_atom(name, &self.0);
            }
        }
    };
}

unchanging!(Constant<T>, [T: Synth]);
unchanging!(Fixed<BITS, VALUE>, [const BITS: usize, const VALUE: u64]);

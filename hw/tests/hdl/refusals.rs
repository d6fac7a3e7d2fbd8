//! Mistakes that rust-hdl's own writer lets through, and the errors they give here.

use rust_hdl_core::prelude::*;
use twofold_hw::leaf::{Register, ports};
use twofold_hw::verilog::{Error, emit};

/// Declares a block with two inputs, two outputs and a two-lane output, and its `update`.
macro_rules! block {
    ($name:ident, $($update:tt)*) => {
        #[derive(LogicBlock)]
        struct $name {
            a: Signal<In, Bits<8>>,
            flag: Signal<In, Bit>,
            x: Signal<Out, Bits<8>>,
            lane: Vec<Signal<Out, Bits<8>>>,
            _n: usize,
            _flag: bool,
        }

        impl $name {
            fn error() -> Error {
                let mut block = $name {
                    a: Signal::default(),
                    flag: Signal::default(),
                    x: Signal::default(),
                    lane: ports(2),
                    _n: 1,
                    _flag: true,
                };
                emit(&mut block, "top", "").unwrap_err()
            }
        }

        impl Logic for $name {
            $($update)*
        }
    };
}

#[test]
fn a_rust_flag_is_no_signal() {
    block!(
        Flag,
        #[hdl_gen]
        fn update(&mut self) {
            self.lane[0].next = 0.into();
            self.lane[1].next = 0.into();
            self.x.next = 0.into();
            if self._flag {
                self.x.next = self.a.val();
            }
        }
    );
    assert_eq!(
        Flag::error(),
        Error::UnknownIdentifier { path: "top".into(), identifier: "_flag".into() }
    );
}

#[test]
fn a_size_is_no_index() {
    block!(
        Size,
        #[hdl_gen]
        fn update(&mut self) {
            self.x.next = 0.into();
            self.lane[0].next = 0.into();
            self.lane[self._n].next = 1.into();
        }
    );
    assert!(matches!(Size::error(), Error::Index { identifier, .. } if identifier == "lane[_n]"));
}

#[test]
fn an_unassigned_lane_is_undriven() {
    block!(
        Lane,
        #[hdl_gen]
        fn update(&mut self) {
            self.x.next = 0.into();
            for i in 0..self._n {
                self.lane[i].next = 0.into();
            }
        }
    );
    assert_eq!(Lane::error(), Error::Undriven { path: "top".into(), signal: "lane$1".into() });
}

#[test]
fn an_assignment_on_one_path_is_a_latch() {
    block!(
        Latch,
        #[hdl_gen]
        fn update(&mut self) {
            self.lane[0].next = 0.into();
            self.lane[1].next = 0.into();
            if self.flag.val() {
                self.x.next = self.a.val();
            }
        }
    );
    assert_eq!(Latch::error(), Error::Latch { path: "top".into(), signal: "x".into() });
}

#[test]
fn a_loop_through_a_lane_is_seen() {
    block!(
        Loop,
        #[hdl_gen]
        fn update(&mut self) {
            self.x.next = 0.into();
            self.lane[0].next = self.lane[1].val();
            self.lane[1].next = self.lane[0].val();
        }
    );
    assert_eq!(
        Loop::error(),
        Error::ReadBeforeWrite { path: "top".into(), signal: "lane_1".into() }
    );
}

#[test]
fn a_literal_must_fit() {
    block!(
        Literal,
        #[hdl_gen]
        fn update(&mut self) {
            self.lane[0].next = 0.into();
            self.lane[1].next = 0.into();
            self.x.next = self.a.val() + 256;
        }
    );
    assert_eq!(Literal::error(), Error::Literal { path: "top".into(), value: 256, width: 8 });
}

#[derive(LogicBlock)]
struct Names {
    wait: Signal<In, Bit>,
    q: Signal<Out, Bit>,
}

impl Logic for Names {
    #[hdl_gen]
    fn update(&mut self) {
        self.q.next = self.wait.val();
    }
}

#[derive(LogicBlock)]
struct Clash {
    a_0: Signal<In, Bit>,
    a: Vec<Signal<Out, Bit>>,
}

impl Logic for Clash {
    #[hdl_gen]
    fn update(&mut self) {
        self.a[0].next = self.a_0.val();
    }
}

#[test]
fn names_are_checked() {
    let keyword = emit(&mut Names { wait: Default::default(), q: Default::default() }, "top", "")
        .unwrap_err();
    assert_eq!(keyword, Error::Keyword { path: "top".into(), identifier: "wait".into() });
    let clash = emit(&mut Clash { a_0: Default::default(), a: ports(1) }, "top", "").unwrap_err();
    assert!(
        matches!(&clash, Error::Collision { identifier, .. } if identifier == "a_0"),
        "{clash}"
    );
}

#[derive(LogicBlock)]
struct Forgetful {
    q: Signal<Out, Bit>,
}

impl Logic for Forgetful {
    fn update(&mut self) {}
    fn hdl(&self) -> Verilog {
        twofold_hw::leaf::verilog("forgetful", "Never drives.", "assign q = 1'b0;")
    }
}

#[test]
fn a_leaf_says_what_it_drives() {
    let error = emit(&mut Forgetful { q: Signal::default() }, "top", "").unwrap_err();
    assert_eq!(error, Error::Undriven { path: "top".into(), signal: "q".into() });
}

/// A register with an initial value, reset to 1.
#[derive(LogicBlock)]
struct ResetToOne {
    clock: Signal<In, Clock>,
    reset: Signal<In, Bit>,
    x: Signal<Out, Bit>,
    ready: Register<Bit>,
}

impl ResetToOne {
    fn starting_at(initial: Bit) -> Self {
        let ready = Register::starting_at(initial);
        Self { clock: Signal::default(), reset: Signal::default(), x: Signal::default(), ready }
    }
}

impl Logic for ResetToOne {
    #[hdl_gen]
    fn update(&mut self) {
        self.ready.clock.next = self.clock.val();
        self.ready.d.next = false;
        self.x.next = self.ready.q.val();
        if self.reset.val() {
            self.ready.d.next = true;
        }
    }
}

#[test]
fn a_register_that_starts_elsewhere_than_reset_leads_is_refused() {
    let error = emit(&mut ResetToOne::starting_at(false), "top", "").unwrap_err().to_string();
    assert!(
        error.starts_with("top: `ready` starts at 1'd0, but reset makes it 1'd1; help: "),
        "{error}"
    );
    let text = emit(&mut ResetToOne::starting_at(true), "top", "").unwrap().text();
    assert!(text.contains("        x = 1'd1;\n"), "{text}");
}

//! The input port: which bytes come, and whether they are an image.

use super::beat::Beat;
use crate::context::LoadContext;
use crate::leaf::{Constant, Register, ports};
use crate::{comment, dff_setup};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

/// What the receiver does.
#[derive(LogicState, Clone, Copy, Debug, PartialEq)]
pub enum ReceiverState {
    /// Beats are received.
    Receive,
    /// An image is too long; its beats are dropped up to its last.
    Drop,
    /// A whole image is received and not yet packed.
    Hold,
}

/// Receives an image, a beat a cycle, and says what becomes of it.
///
/// The beat with `input_last` ends an image. It is bad if it has another number of beats than the program's, or if the
/// last one keeps other bytes than the first few that are left: then it is counted, and the beat after its last begins the
/// next one. Reset: nothing received, no bad image.
#[derive(LogicBlock)]
pub struct Receiver {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// `packing` is set.
    pub configured: Signal<In, Bit>,
    /// How long an image is; stable once `configured`.
    pub packing: Signal<In, LoadContext>,
    /// A beat is offered.
    pub input_valid: Signal<In, Bit>,
    /// It is the last of its image.
    pub input_last: Signal<In, Bit>,
    /// Bank 0 holds an image that is still in use.
    pub full: Signal<In, Bit>,
    /// The image has been packed: pulse.
    pub image_packed: Signal<In, Bit>,
    /// Bytes of a last beat that are of the image.
    pub input_keep: Vec<Signal<In, Bit>>,
    /// The beat is taken.
    pub input_ready: Signal<Out, Bit>,
    /// It is written to the image memory.
    pub write_enable: Signal<Out, Bit>,
    /// Row of the image memory.
    pub write_row: Signal<Out, Bits<16>>,
    /// Nothing of an image is there.
    pub empty: Signal<Out, Bit>,
    /// A whole image is there.
    pub complete: Signal<Out, Bit>,
    /// Bytes that are there, unless `complete`.
    pub received: Signal<Out, Bits<16>>,
    /// Cycles from an image's first beat to `image_packed`, less the waiting for bank 0 with a whole image; of the last packed image.
    pub load_cycles: Signal<Out, Bits<32>>,
    /// The newest image was bad.
    pub bad_image: Signal<Out, Bit>,
    /// Bad images since reset.
    pub bad_images: Signal<Out, Bits<32>>,
    state: Register<ReceiverState>,
    received_register: Register<Bits<16>>,
    cycles: Register<Bits<32>>,
    load_cycles_register: Register<Bits<32>>,
    bad_image_register: Register<Bit>,
    bad_images_register: Register<Bits<32>>,
    beat: Beat,
    ready: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    next_cycles: Signal<Local, Bits<32>>,
    port_bytes: Constant<Bits<16>>,
    _port_bytes: usize,
}

impl Receiver {
    /// A receiver of beats of `port_bytes` bytes.
    pub fn new(config: &ArrayConfig) -> Self {
        let port_bytes = config.port_bytes();
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            configured: Signal::default(),
            packing: Signal::default(),
            input_valid: Signal::default(),
            input_last: Signal::default(),
            full: Signal::default(),
            image_packed: Signal::default(),
            input_keep: ports(port_bytes),
            input_ready: Signal::default(),
            write_enable: Signal::default(),
            write_row: Signal::default(),
            empty: Signal::default(),
            complete: Signal::default(),
            received: Signal::default(),
            load_cycles: Signal::default(),
            bad_image: Signal::default(),
            bad_images: Signal::default(),
            state: Register::default(),
            received_register: Register::default(),
            cycles: Register::default(),
            load_cycles_register: Register::default(),
            bad_image_register: Register::default(),
            bad_images_register: Register::default(),
            beat: Beat::new(port_bytes),
            ready: Signal::default(),
            taken: Signal::default(),
            next_cycles: Signal::default(),
            port_bytes: Constant::new(bits(port_bytes as u64)),
            _port_bytes: port_bytes,
        }
    }
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        comment!(
            "module receiver: The input port: which bytes come, and whether they are an image."
        );
        dff_setup!(
            self,
            clock,
            state,
            received_register,
            cycles,
            load_cycles_register,
            bad_image_register,
            bad_images_register
        );
        self.ready.next = self.configured.val() & (self.state.q.val() != ReceiverState::Hold);
        self.taken.next = self.ready.val() & self.input_valid.val();
        self.beat.received.next = self.received_register.q.val();
        self.beat.bytes_minus_1.next = self.packing.val().bytes_minus_1;
        for i in 0..self._port_bytes {
            self.beat.keep[i].next = self.input_keep[i].val();
        }
        self.input_ready.next = self.ready.val();
        self.write_enable.next = self.taken.val();
        self.write_row.next = self.beat.row.val();
        self.empty.next = (self.state.q.val() == ReceiverState::Drop)
            | ((self.state.q.val() == ReceiverState::Receive)
                & (self.received_register.q.val() == 0));
        self.complete.next = self.state.q.val() == ReceiverState::Hold;
        self.received.next = self.received_register.q.val();
        self.load_cycles.next = self.load_cycles_register.q.val();
        self.bad_image.next = self.bad_image_register.q.val();
        self.bad_images.next = self.bad_images_register.q.val();

        self.next_cycles.next = self.cycles.q.val() + 1;
        self.cycles.d.next = self.next_cycles.val();
        match self.state.q.val() {
            ReceiverState::Receive => {
                if self.received_register.q.val() == 0 {
                    self.cycles.d.next = 1.into();
                }
                if self.taken.val() {
                    self.received_register.d.next =
                        self.received_register.q.val() + self.port_bytes.val();
                    if self.beat.is_last.val() | self.input_last.val() {
                        self.received_register.d.next = 0.into();
                        if !self.input_last.val() {
                            self.state.d.next = ReceiverState::Drop;
                        } else if self.beat.is_last.val() & self.beat.keeps_rest.val() {
                            self.bad_image_register.d.next = false;
                            self.state.d.next = ReceiverState::Hold;
                        } else {
                            self.bad_image_register.d.next = true;
                            self.bad_images_register.d.next = self.bad_images_register.q.val() + 1;
                        }
                    }
                }
            }
            ReceiverState::Drop => {
                if self.taken.val() & self.input_last.val() {
                    self.bad_image_register.d.next = true;
                    self.bad_images_register.d.next = self.bad_images_register.q.val() + 1;
                    self.state.d.next = ReceiverState::Receive;
                }
            }
            ReceiverState::Hold => {
                if self.full.val() {
                    self.cycles.d.next = self.cycles.q.val();
                }
                if self.image_packed.val() {
                    self.load_cycles_register.d.next = self.next_cycles.val();
                    self.state.d.next = ReceiverState::Receive;
                }
            }
        }

        if self.reset.val() {
            self.state.d.next = ReceiverState::Receive;
            self.received_register.d.next = 0.into();
            self.bad_image_register.d.next = false;
            self.bad_images_register.d.next = 0.into();
        }
    }
}

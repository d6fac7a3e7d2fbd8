//! Images in: receives beats of bytes and packs them into words of bank 0.

mod beat;
mod packer;
mod receiver;
mod window;
mod word_packer;

pub use beat::Beat;
pub use packer::Packer;
pub use receiver::{Receiver, ReceiverState};
pub use window::{Window, WindowInside, WindowRows, WindowSelect};
pub use word_packer::WordPacker;

use crate::context::{LoadContext, PackControl};
use crate::leaf::{Register, ports};
use crate::{comment, dff_setup};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

/// Receives an image, and packs it into bank 0 as the lane table says.
///
/// Takes a beat of `port_bytes` bytes a cycle, and packs an entry of the table a cycle. A row of packed pixels is packed as
/// soon as the image rows that it reads are received and bank 0 is free, so that packing overlaps receiving; the next image
/// is received while a packed one is computed, as soon as the image memory is free.
///
/// `input_last` comes with the last beat of an image. An image that ends early or late is bad: `full` never tells of it,
/// it is counted, and the beat after its last begins the next one. Reset: nothing received, nothing packed, no bad image.
#[derive(LogicBlock)]
pub struct Loader {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// `packing` is set.
    pub configured: Signal<In, Bit>,
    /// How images are packed; stable once `configured`.
    pub packing: Signal<In, LoadContext>,
    /// Bank 0 may be overwritten: pulse.
    pub bank_free: Signal<In, Bit>,
    /// A beat is offered.
    pub input_valid: Signal<In, Bit>,
    /// It is the last of its image.
    pub input_last: Signal<In, Bit>,
    /// Entry of the lane table, of the address of the cycle before, word 0.
    pub lane_word_0: Signal<In, Bits<32>>,
    /// Word 1.
    pub lane_word_1: Signal<In, Bits<32>>,
    /// The next bytes of the image, int8.
    pub input_data: Vec<Signal<In, Bits<8>>>,
    /// Bytes of a last beat that are of the image.
    pub input_keep: Vec<Signal<In, Bit>>,
    /// The beat is taken.
    pub input_ready: Signal<Out, Bit>,
    /// Which entry of the lane table.
    pub lane_address: Signal<Out, Bits<16>>,
    /// Write a word of bank 0.
    pub load_enable: Signal<Out, Bit>,
    /// Which word.
    pub load_address: Signal<Out, Bits<16>>,
    /// The word, int8. Lanes that no entry names are 0.
    pub load_word: Vec<Signal<Out, Bits<8>>>,
    /// A packed image is in bank 0; cleared by `bank_free`.
    pub full: Signal<Out, Bit>,
    /// Cycles from an image's first beat to `full`, less the waiting for `bank_free` with a whole image; of the last packed
    /// image.
    pub load_cycles: Signal<Out, Bits<32>>,
    /// The newest image was bad.
    pub bad_image: Signal<Out, Bit>,
    /// Bad images since reset.
    pub bad_images: Signal<Out, Bits<32>>,
    receiver: Receiver,
    packer: Packer,
    window: Window,
    word_packer: WordPacker,
    bytes_valid: Register<Bit>,
    bytes_control: Register<PackControl>,
    lanes_valid: Register<Bit>,
    lanes_control: Register<PackControl>,
    word_begun: Register<Bit>,
    word_valid: Register<Bit>,
    word_last: Register<Bit>,
    word_address: Register<Bits<16>>,
    written: Register<Bit>,
    full_register: Register<Bit>,
    image_packed: Signal<Local, Bit>,
    _word: usize,
    _port_bytes: usize,
}

impl Loader {
    /// A loader with `memories().image` bytes of image memory.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            clock: Signal::default(),
            reset: Signal::default(),
            configured: Signal::default(),
            packing: Signal::default(),
            bank_free: Signal::default(),
            input_valid: Signal::default(),
            input_last: Signal::default(),
            lane_word_0: Signal::default(),
            lane_word_1: Signal::default(),
            input_data: ports(config.port_bytes()),
            input_keep: ports(config.port_bytes()),
            input_ready: Signal::default(),
            lane_address: Signal::default(),
            load_enable: Signal::default(),
            load_address: Signal::default(),
            load_word: ports(config.word_channels()),
            full: Signal::default(),
            load_cycles: Signal::default(),
            bad_image: Signal::default(),
            bad_images: Signal::default(),
            receiver: Receiver::new(config),
            packer: Packer::default(),
            window: Window::new(config),
            word_packer: WordPacker::new(config),
            bytes_valid: Register::default(),
            bytes_control: Register::default(),
            lanes_valid: Register::default(),
            lanes_control: Register::default(),
            word_begun: Register::default(),
            word_valid: Register::default(),
            word_last: Register::default(),
            word_address: Register::default(),
            written: Register::default(),
            full_register: Register::default(),
            image_packed: Signal::default(),
            _word: config.word_channels(),
            _port_bytes: config.port_bytes(),
        }
    }
}

impl Logic for Loader {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module loader: Receives images and packs them into words of bank 0.");
        dff_setup!(
            self,
            clock,
            bytes_valid,
            bytes_control,
            lanes_valid,
            lanes_control,
            word_begun,
            word_valid,
            word_last,
            word_address,
            written,
            full_register
        );
        comment!("An image counts once it is both whole and packed.");
        self.image_packed.next =
            self.receiver.complete.val() & (self.word_last.q.val() | self.written.q.val());
        self.receiver.clock.next = self.clock.val();
        self.receiver.reset.next = self.reset.val();
        self.receiver.configured.next = self.configured.val();
        self.receiver.packing.next = self.packing.val();
        self.receiver.input_valid.next = self.input_valid.val();
        self.receiver.input_last.next = self.input_last.val();
        self.receiver.full.next = self.full_register.q.val();
        self.receiver.image_packed.next = self.image_packed.val();
        self.input_ready.next = self.receiver.input_ready.val();
        self.load_cycles.next = self.receiver.load_cycles.val();
        self.bad_image.next = self.receiver.bad_image.val();
        self.bad_images.next = self.receiver.bad_images.val();

        self.packer.clock.next = self.clock.val();
        self.packer.reset.next = self.reset.val();
        self.packer.packing.next = self.packing.val();
        self.packer.restart.next = self.receiver.empty.val();
        self.packer.complete.next = self.receiver.complete.val();
        self.packer.received.next = self.receiver.received.val();
        self.packer.full.next = self.full_register.q.val();
        self.packer.lane_word_0.next = self.lane_word_0.val();
        self.packer.lane_word_1.next = self.lane_word_1.val();
        self.lane_address.next = self.packer.lane_address.val();

        comment!("The bytes are read.");
        self.window.clock.next = self.clock.val();
        self.window.write_enable.next = self.receiver.write_enable.val();
        self.window.write_row.next = self.receiver.write_row.val();
        self.window.address.next = self.packer.address.val();
        self.window.column.next = self.packer.column.val();
        self.window.row_bytes.next = self.packing.val().row_bytes;
        self.window.row_inside.next = self.packer.row_inside.val();
        self.window.fill.next = self.packing.val().fill;
        self.bytes_valid.d.next = self.packer.visited.val();
        self.lanes_valid.d.next = self.bytes_valid.q.val();
        self.bytes_control.d.next = self.packer.control.val();
        self.lanes_control.d.next = self.bytes_control.q.val();
        self.window.turn.next = self.bytes_control.q.val().first_lane;
        if self.bytes_control.q.val().alternate {
            self.window.turn.next = self.bytes_control.q.val().first_lane >> 1;
        }
        for i in 0..self._port_bytes {
            self.receiver.input_keep[i].next = self.input_keep[i].val();
            self.window.write_data[i].next = self.input_data[i].val();
            self.word_packer.data[i].next = self.window.data[i].val();
        }

        comment!("They go into the word, and the word into the bank.");
        self.word_packer.clock.next = self.clock.val();
        self.word_packer.enable.next = self.lanes_valid.q.val();
        self.word_packer.first.next = !self.word_begun.q.val();
        self.word_packer.first_lane.next = self.lanes_control.q.val().first_lane;
        self.word_packer.last_lane.next = self.lanes_control.q.val().last_lane;
        self.word_packer.alternate.next = self.lanes_control.q.val().alternate;
        if self.lanes_valid.q.val() {
            self.word_begun.d.next = !self.lanes_control.q.val().word_end;
        }
        self.word_valid.d.next = self.lanes_valid.q.val() & self.lanes_control.q.val().word_end;
        self.word_last.d.next = self.lanes_valid.q.val() & self.lanes_control.q.val().last;
        if self.word_valid.q.val() {
            self.word_address.d.next = self.word_address.q.val() + 1;
        }
        self.load_enable.next = self.word_valid.q.val();
        self.load_address.next = self.word_address.q.val();
        for i in 0..self._word {
            self.load_word[i].next = self.word_packer.word[i].val();
        }

        if self.word_last.q.val() {
            self.written.d.next = true;
        }
        if self.bank_free.val() {
            self.full_register.d.next = false;
        }
        if self.image_packed.val() {
            self.full_register.d.next = true;
        }
        self.full.next = self.full_register.q.val();
        if self.receiver.empty.val() {
            self.bytes_valid.d.next = false;
            self.lanes_valid.d.next = false;
            self.word_begun.d.next = false;
            self.word_valid.d.next = false;
            self.word_last.d.next = false;
            self.word_address.d.next = 0.into();
            self.written.d.next = false;
        }

        if self.reset.val() {
            self.bytes_valid.d.next = false;
            self.lanes_valid.d.next = false;
            self.word_begun.d.next = false;
            self.word_valid.d.next = false;
            self.word_last.d.next = false;
            self.written.d.next = false;
            self.full_register.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests;

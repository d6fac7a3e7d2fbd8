//! Images in: receives bytes and packs them into words of bank 0.

mod word_packer;

pub use word_packer::WordPacker;

use crate::context::{LaneDecoder, LoadContext};
use crate::leaf::{Ram, Register, ports};
use crate::{comment, dff_setup};
use rust_hdl_core::prelude::*;
use spec::{ArrayConfig, Memory};

/// What the loader does.
#[derive(LogicState, Clone, Copy, Debug, PartialEq)]
pub enum LoaderState {
    /// Bytes are received.
    Receive,
    /// An image is too long; its bytes are dropped up to its last.
    Drop,
    /// An image is received; bank 0 is still in use.
    Wait,
    /// The lane table is walked for every packed pixel.
    Pack,
    /// The last word is on its way.
    Finish,
}

/// Receives an image, then packs it into bank 0 as the lane table says.
///
/// Takes one byte a cycle. Packing a pixel takes a cycle for every entry of the table and one more. The next image is
/// received while a packed one is computed.
///
/// `input_last` comes with the last byte of an image. An image that ends early or late is bad: none of it is packed, it is
/// counted, and the byte after its last begins the next one. Reset: nothing received, nothing packed, no bad image.
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
    /// A byte is offered.
    pub input_valid: Signal<In, Bit>,
    /// It is the last of its image.
    pub input_last: Signal<In, Bit>,
    /// Entry of the lane table, of the address of the cycle before.
    pub lane_word: Signal<In, Bits<32>>,
    /// The next byte of the image, int8.
    pub input_data: Signal<In, Bits<8>>,
    /// The byte is taken.
    pub input_ready: Signal<Out, Bit>,
    /// Which entry of the lane table.
    pub lane_address: Signal<Out, Bits<16>>,
    /// Write a word of bank 0.
    pub load_enable: Signal<Out, Bit>,
    /// Which word.
    pub load_address: Signal<Out, Bits<16>>,
    /// The word, int8. Bytes that no entry names are 0.
    pub load_word: Vec<Signal<Out, Bits<8>>>,
    /// A packed image is in bank 0; cleared by `bank_free`.
    pub full: Signal<Out, Bit>,
    /// Cycles from an image's first byte to `full`, less the waiting for `bank_free`; of the last packed image.
    pub load_cycles: Signal<Out, Bits<32>>,
    /// The newest image was bad.
    pub bad_image: Signal<Out, Bit>,
    /// Bad images since reset.
    pub bad_images: Signal<Out, Bits<32>>,
    image_memory: Ram<16, 8>,
    lane_decoder: LaneDecoder,
    word_packer: WordPacker,
    state: Register<LoaderState>,
    byte_index: Register<Bits<16>>,
    lane_index: Register<Bits<16>>,
    lane_valid: Register<Bit>,
    grid_x: Register<Bits<12>>,
    grid_y: Register<Bits<12>>,
    image_x: Register<Bits<12>>,
    image_y: Register<Bits<12>>,
    pixel_base: Register<Bits<16>>,
    row_base: Register<Bits<16>>,
    byte_valid: Register<Bit>,
    byte_inside: Register<Bit>,
    byte_word_end: Register<Bit>,
    byte_last: Register<Bit>,
    position: Register<Bits<5>>,
    word_valid: Register<Bit>,
    word_last: Register<Bit>,
    word_address: Register<Bits<16>>,
    full_register: Register<Bit>,
    cycles: Register<Bits<32>>,
    load_cycles_register: Register<Bits<32>>,
    bad_image_register: Register<Bit>,
    bad_images_register: Register<Bits<32>>,
    ready: Signal<Local, Bit>,
    received: Signal<Local, Bit>,
    bytes_end: Signal<Local, Bit>,
    lane_x: Signal<Local, Bits<12>>,
    lane_y: Signal<Local, Bits<12>>,
    pixel_end: Signal<Local, Bit>,
    row_end: Signal<Local, Bit>,
    image_end: Signal<Local, Bit>,
    next_cycles: Signal<Local, Bits<32>>,
    next_row_base: Signal<Local, Bits<16>>,
    _word: usize,
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
            lane_word: Signal::default(),
            input_data: Signal::default(),
            input_ready: Signal::default(),
            lane_address: Signal::default(),
            load_enable: Signal::default(),
            load_address: Signal::default(),
            load_word: ports(config.word_channels()),
            full: Signal::default(),
            load_cycles: Signal::default(),
            bad_image: Signal::default(),
            bad_images: Signal::default(),
            image_memory: Ram::new(Memory::Image.instances()[0], config.memories().image, 1, 1)
                .visible(),
            lane_decoder: LaneDecoder::default(),
            word_packer: WordPacker::new(config),
            state: Register::default(),
            byte_index: Register::default(),
            lane_index: Register::default(),
            lane_valid: Register::default(),
            grid_x: Register::default(),
            grid_y: Register::default(),
            image_x: Register::default(),
            image_y: Register::default(),
            pixel_base: Register::default(),
            row_base: Register::default(),
            byte_valid: Register::default(),
            byte_inside: Register::default(),
            byte_word_end: Register::default(),
            byte_last: Register::default(),
            position: Register::default(),
            word_valid: Register::default(),
            word_last: Register::default(),
            word_address: Register::default(),
            full_register: Register::default(),
            cycles: Register::default(),
            load_cycles_register: Register::default(),
            bad_image_register: Register::default(),
            bad_images_register: Register::default(),
            ready: Signal::default(),
            received: Signal::default(),
            bytes_end: Signal::default(),
            lane_x: Signal::default(),
            lane_y: Signal::default(),
            pixel_end: Signal::default(),
            row_end: Signal::default(),
            image_end: Signal::default(),
            next_cycles: Signal::default(),
            next_row_base: Signal::default(),
            _word: config.word_channels(),
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
            state,
            byte_index,
            lane_index,
            lane_valid,
            grid_x,
            grid_y,
            image_x,
            image_y,
            pixel_base,
            row_base,
            byte_valid,
            byte_inside,
            byte_word_end,
            byte_last,
            position,
            word_valid,
            word_last,
            word_address,
            full_register,
            cycles,
            load_cycles_register,
            bad_image_register,
            bad_images_register
        );
        self.ready.next = self.configured.val()
            & ((self.state.q.val() == LoaderState::Receive)
                | (self.state.q.val() == LoaderState::Drop));
        self.received.next = self.ready.val() & self.input_valid.val();
        self.bytes_end.next = self.byte_index.q.val() == self.packing.val().bytes_minus_1;
        self.input_ready.next = self.ready.val();
        self.lane_address.next = self.lane_index.q.val();
        self.load_enable.next = self.word_valid.q.val();
        self.load_address.next = self.word_address.q.val();
        self.full.next = self.full_register.q.val();
        self.load_cycles.next = self.load_cycles_register.q.val();
        self.bad_image.next = self.bad_image_register.q.val();
        self.bad_images.next = self.bad_images_register.q.val();
        for i in 0..self._word {
            self.load_word[i].next = self.word_packer.word[i].val();
        }

        comment!(
            "The lane of the entry that the table gives: where its byte is, and whether that is in the image."
        );
        self.lane_decoder.word_0.next = self.lane_word.val();
        self.lane_x.next = self.image_x.q.val() + self.lane_decoder.fields.val().dx;
        self.lane_y.next = self.image_y.q.val() + self.lane_decoder.fields.val().dy;
        self.row_end.next = self.grid_x.q.val() == self.packing.val().grid_width_minus_1;
        self.image_end.next =
            self.row_end.val() & (self.grid_y.q.val() == self.packing.val().grid_height_minus_1);
        self.pixel_end.next = self.lane_valid.q.val() & self.lane_decoder.fields.val().pixel_end;
        self.next_row_base.next = self.row_base.q.val() + self.packing.val().row_step;
        self.image_memory.clock.next = self.clock.val();
        self.image_memory.write_enable[0].next =
            self.received.val() & (self.state.q.val() == LoaderState::Receive);
        self.image_memory.write_address.next = self.byte_index.q.val();
        self.image_memory.write_data[0].next = self.input_data.val();
        self.image_memory.read_address.next =
            self.pixel_base.q.val() + self.lane_decoder.fields.val().offset;

        comment!("The byte goes into the word, and the word into the bank.");
        self.byte_valid.d.next = self.lane_valid.q.val();
        self.byte_inside.d.next = self.lane_decoder.fields.val().valid
            & (self.lane_x.val() < self.packing.val().image_width)
            & (self.lane_y.val() < self.packing.val().image_height);
        self.byte_word_end.d.next = self.lane_decoder.fields.val().word_end;
        self.byte_last.d.next = self.pixel_end.val() & self.image_end.val();
        self.word_packer.clock.next = self.clock.val();
        self.word_packer.enable.next = self.byte_valid.q.val();
        self.word_packer.position.next = self.position.q.val();
        self.word_packer.in_image.next = self.byte_inside.q.val();
        self.word_packer.data.next = self.image_memory.read_data[0].val();
        if self.byte_valid.q.val() {
            self.position.d.next = self.position.q.val() + 1;
            if self.byte_word_end.q.val() {
                self.position.d.next = 0.into();
            }
        }
        self.word_valid.d.next = self.byte_valid.q.val() & self.byte_word_end.q.val();
        self.word_last.d.next = self.byte_last.q.val();
        if self.word_valid.q.val() {
            self.word_address.d.next = self.word_address.q.val() + 1;
        }

        if self.bank_free.val() {
            self.full_register.d.next = false;
        }
        self.next_cycles.next = self.cycles.q.val() + 1;
        self.cycles.d.next = self.next_cycles.val();
        self.lane_valid.d.next = false;
        match self.state.q.val() {
            LoaderState::Receive => {
                if self.byte_index.q.val() == 0 {
                    self.cycles.d.next = 1.into();
                }
                if self.received.val() {
                    self.byte_index.d.next = self.byte_index.q.val() + 1;
                    if self.bytes_end.val() {
                        self.byte_index.d.next = 0.into();
                        self.state.d.next = LoaderState::Drop;
                        if self.input_last.val() {
                            self.bad_image_register.d.next = false;
                            self.state.d.next = LoaderState::Wait;
                        }
                    } else if self.input_last.val() {
                        self.byte_index.d.next = 0.into();
                        self.bad_image_register.d.next = true;
                        self.bad_images_register.d.next = self.bad_images_register.q.val() + 1;
                    }
                }
            }
            LoaderState::Drop => {
                if self.received.val() & self.input_last.val() {
                    self.bad_image_register.d.next = true;
                    self.bad_images_register.d.next = self.bad_images_register.q.val() + 1;
                    self.state.d.next = LoaderState::Receive;
                }
            }
            LoaderState::Wait => {
                self.lane_index.d.next = 0.into();
                self.grid_x.d.next = 0.into();
                self.grid_y.d.next = 0.into();
                self.image_x.d.next = 0.into();
                self.image_y.d.next = 0.into();
                self.pixel_base.d.next = 0.into();
                self.row_base.d.next = 0.into();
                self.word_address.d.next = 0.into();
                if self.full_register.q.val() {
                    self.cycles.d.next = self.cycles.q.val();
                } else {
                    self.state.d.next = LoaderState::Pack;
                }
            }
            LoaderState::Pack => {
                self.lane_valid.d.next = true;
                self.lane_index.d.next = self.lane_index.q.val() + 1;
                if self.pixel_end.val() {
                    comment!("The entry after the last is on its way, and dropped.");
                    self.lane_valid.d.next = false;
                    self.lane_index.d.next = 0.into();
                    self.grid_x.d.next = self.grid_x.q.val() + 1;
                    self.image_x.d.next = self.image_x.q.val() + self.packing.val().block;
                    self.pixel_base.d.next =
                        self.pixel_base.q.val() + self.packing.val().pixel_step;
                    if self.row_end.val() {
                        self.grid_x.d.next = 0.into();
                        self.image_x.d.next = 0.into();
                        self.grid_y.d.next = self.grid_y.q.val() + 1;
                        self.image_y.d.next = self.image_y.q.val() + self.packing.val().block;
                        self.row_base.d.next = self.next_row_base.val();
                        self.pixel_base.d.next = self.next_row_base.val();
                    }
                    if self.image_end.val() {
                        self.state.d.next = LoaderState::Finish;
                    }
                }
            }
            LoaderState::Finish => {
                if self.word_last.q.val() {
                    self.full_register.d.next = true;
                    self.load_cycles_register.d.next = self.next_cycles.val();
                    self.state.d.next = LoaderState::Receive;
                }
            }
        }

        if self.reset.val() {
            self.state.d.next = LoaderState::Receive;
            self.byte_index.d.next = 0.into();
            self.lane_valid.d.next = false;
            self.byte_valid.d.next = false;
            self.position.d.next = 0.into();
            self.word_valid.d.next = false;
            self.full_register.d.next = false;
            self.bad_image_register.d.next = false;
            self.bad_images_register.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests;

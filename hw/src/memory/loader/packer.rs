//! The walk over the lane table, once for every packed pixel.

use crate::context::{LaneDecoder, LoadContext, PackControl};
use crate::leaf::Register;
use crate::{comment, dff_setup};
use rust_hdl_core::prelude::*;

/// Visits an entry of the lane table a cycle, and says which bytes of the image it wants and where they go.
///
/// A row of packed pixels begins as soon as the image bytes that it reads are there and bank 0 is free; after that no cycle
/// is lost. Outputs follow the entry by 1 cycle. `restart` begins anew. Reset: nothing on its way.
#[derive(LogicBlock, Default)]
pub struct Packer {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// How images are packed; stable while one is there.
    pub packing: Signal<In, LoadContext>,
    /// Nothing of an image is there.
    pub restart: Signal<In, Bit>,
    /// A whole image is there.
    pub complete: Signal<In, Bit>,
    /// Bytes that are there, unless `complete`.
    pub received: Signal<In, Bits<16>>,
    /// Bank 0 may not be written.
    pub full: Signal<In, Bit>,
    /// Entry of the lane table, of the address of the cycle before, word 0.
    pub lane_word_0: Signal<In, Bits<32>>,
    /// Word 1.
    pub lane_word_1: Signal<In, Bits<32>>,
    /// Which entry of the lane table.
    pub lane_address: Signal<Out, Bits<16>>,
    /// The first byte in the image.
    pub address: Signal<Out, Bits<16>>,
    /// Its place in its image row, signed.
    pub column: Signal<Out, Bits<17>>,
    /// The image has that row.
    pub row_inside: Signal<Out, Bit>,
    /// An entry wants its bytes.
    pub visited: Signal<Out, Bit>,
    /// Where the bytes go.
    pub control: Signal<Out, PackControl>,
    lane_decoder: LaneDecoder,
    index: Register<Bits<16>>,
    grid_x: Register<Bits<12>>,
    grid_y: Register<Bits<12>>,
    image_x: Register<Bits<17>>,
    image_y: Register<Bits<13>>,
    pixel_base: Register<Bits<16>>,
    row_base: Register<Bits<16>>,
    /// The image byte that the row waits for; from bit 16 on, the whole image.
    reach: Register<Bits<17>>,
    row_begun: Register<Bit>,
    finished: Register<Bit>,
    address_out: Register<Bits<16>>,
    column_out: Register<Bits<17>>,
    row_inside_out: Register<Bit>,
    visited_out: Register<Bit>,
    control_out: Register<PackControl>,
    reached: Signal<Local, Bit>,
    visit: Signal<Local, Bit>,
    pixel_end: Signal<Local, Bit>,
    row_end: Signal<Local, Bit>,
    image_end: Signal<Local, Bit>,
    next_index: Signal<Local, Bits<16>>,
    next_row_base: Signal<Local, Bits<16>>,
    byte_y: Signal<Local, Bits<13>>,
    control_in: Signal<Local, PackControl>,
}

impl Logic for Packer {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module packer: The walk over the lane table, once for every packed pixel.");
        dff_setup!(
            self,
            clock,
            index,
            grid_x,
            grid_y,
            image_x,
            image_y,
            pixel_base,
            row_base,
            reach,
            row_begun,
            finished,
            address_out,
            column_out,
            row_inside_out,
            visited_out,
            control_out
        );
        self.lane_decoder.word_0.next = self.lane_word_0.val();
        self.lane_decoder.word_1.next = self.lane_word_1.val();
        self.address.next = self.address_out.q.val();
        self.column.next = self.column_out.q.val();
        self.row_inside.next = self.row_inside_out.q.val();
        self.visited.next = self.visited_out.q.val();
        self.control.next = self.control_out.q.val();

        comment!("The entry is visited, unless its row waits.");
        self.reached.next = self.complete.val()
            | (!self.reach.q.val().get_bit(16)
                & (self.reach.q.val().get_bits::<16>(0) < self.received.val()));
        self.visit.next = !self.restart.val()
            & !self.full.val()
            & !self.finished.q.val()
            & (self.row_begun.q.val() | self.reached.val());
        self.pixel_end.next = self.visit.val() & self.lane_decoder.fields.val().pixel_end;
        self.row_end.next =
            self.pixel_end.val() & (self.grid_x.q.val() == self.packing.val().grid_width_minus_1);
        self.image_end.next =
            self.row_end.val() & (self.grid_y.q.val() == self.packing.val().grid_height_minus_1);

        comment!("Where its bytes are, and whether that is in the image.");
        self.byte_y.next = self.image_y.q.val() + self.lane_decoder.fields.val().dy;
        self.address_out.d.next = self.pixel_base.q.val() + self.lane_decoder.fields.val().offset;
        self.column_out.d.next = self.image_x.q.val() + self.lane_decoder.fields.val().column;
        self.row_inside_out.d.next =
            self.byte_y.val() < bit_cast::<13, 12>(self.packing.val().image_height);
        self.visited_out.d.next = self.visit.val();
        self.control_in.next.first_lane = self.lane_decoder.fields.val().first_lane;
        self.control_in.next.last_lane = self.lane_decoder.fields.val().last_lane;
        self.control_in.next.alternate = self.lane_decoder.fields.val().alternate;
        self.control_in.next.word_end = self.lane_decoder.fields.val().word_end;
        self.control_in.next.last = self.image_end.val();
        self.control_out.d.next = self.control_in.val();

        self.next_index.next = self.index.q.val();
        self.next_row_base.next = self.row_base.q.val() + self.packing.val().row_step;
        if self.visit.val() {
            self.next_index.next = self.index.q.val() + 1;
            self.row_begun.d.next = true;
        }
        if self.pixel_end.val() {
            self.next_index.next = 0.into();
            self.grid_x.d.next = self.grid_x.q.val() + 1;
            self.image_x.d.next =
                self.image_x.q.val() + bit_cast::<17, 16>(self.packing.val().pixel_step);
            self.pixel_base.d.next = self.pixel_base.q.val() + self.packing.val().pixel_step;
        }
        if self.row_end.val() {
            self.grid_x.d.next = 0.into();
            self.image_x.d.next = 0.into();
            self.grid_y.d.next = self.grid_y.q.val() + 1;
            self.image_y.d.next =
                self.image_y.q.val() + bit_cast::<13, 4>(self.packing.val().block);
            self.row_base.d.next = self.next_row_base.val();
            self.pixel_base.d.next = self.next_row_base.val();
            self.row_begun.d.next = false;
            if !self.reach.q.val().get_bit(16) {
                self.reach.d.next =
                    self.reach.q.val() + bit_cast::<17, 16>(self.packing.val().row_step);
            }
        }
        if self.image_end.val() {
            self.finished.d.next = true;
        }
        if self.restart.val() {
            self.next_index.next = 0.into();
            self.grid_x.d.next = 0.into();
            self.grid_y.d.next = 0.into();
            self.image_x.d.next = 0.into();
            self.image_y.d.next = 0.into();
            self.pixel_base.d.next = 0.into();
            self.row_base.d.next = 0.into();
            self.reach.d.next = bit_cast::<17, 16>(self.packing.val().reach);
            self.row_begun.d.next = false;
            self.finished.d.next = false;
        }
        self.index.d.next = self.next_index.val();
        self.lane_address.next = self.next_index.val();

        if self.reset.val() {
            self.visited_out.d.next = false;
        }
    }
}

//! Streamer: sends a tile's pixels through the array, one a cycle.

use rust_hdl_core::prelude::*;

use crate::context::{AccumulateControl, BlockContext, StreamContext, TileContext};
use crate::leaf::{EnabledRegister, Register};
use crate::{comment, dff_setup};

/// Takes tiles from the weight loader and addresses one input word a cycle.
///
/// A tile follows the one before without a gap if it is ready in the last cycle of that one. A unit starts only while one
/// of the accumulator banks is free; a tile that waits, only while few enough units of earlier layers are unwritten.
/// Outputs of the stream are registered. Reset: nothing streaming, no unit in flight.
#[derive(LogicBlock, Default)]
pub struct Streamer {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// An image starts: pulse.
    pub image_start: Signal<In, Bit>,
    /// A unit is completely drained and written: pulse.
    pub unit_written: Signal<In, Bit>,
    /// An accumulator bank is free for another unit: pulse, once a unit and before it is written.
    pub bank_released: Signal<In, Bit>,
    /// A tile is offered or being loaded.
    pub tile_valid: Signal<In, Bit>,
    /// It can be taken.
    pub tile_ready: Signal<In, Bit>,
    /// Its record.
    pub tile: Signal<In, TileContext>,
    /// It is the first of its unit.
    pub unit_first: Signal<In, Bit>,
    /// It belongs to the last channel group of its block.
    pub group_last: Signal<In, Bit>,
    /// Pixels of its block.
    pub block: Signal<In, BlockContext>,
    /// Input side of its layer.
    pub stream: Signal<In, StreamContext>,
    /// The tile is taken in this cycle.
    pub take: Signal<Out, Bit>,
    /// With it, a unit starts.
    pub unit_start: Signal<Out, Bit>,
    /// Accumulator bank of the unit that starts.
    pub unit_bank: Signal<Out, Bit>,
    /// Bank of the word.
    pub bank: Signal<Out, Bits<2>>,
    /// Address of the word.
    pub address: Signal<Out, Bits<16>>,
    /// The word lies outside the map.
    pub outside: Signal<Out, Bit>,
    /// What each of its bytes reads as then.
    pub fill: Signal<Out, Bits<8>>,
    /// Channel of each pair.
    pub mask: Signal<Out, Bits<16>>,
    /// First pixel of a tile.
    pub swap: Signal<Out, Bit>,
    /// What becomes of the sums.
    pub accumulate: Signal<Out, AccumulateControl>,
    /// A pixel is streamed in this cycle.
    pub streaming: Signal<Out, Bit>,
    /// PEs of the tile that hold a kept weight.
    pub active: Signal<Out, Bits<10>>,
    /// A tile is ready but waits for what it reads to be written.
    pub dependency: Signal<Out, Bit>,
    /// A unit is ready but both accumulator banks are in use.
    pub accumulators_busy: Signal<Out, Bit>,
    /// A tile's weights are still being loaded.
    pub weight_load: Signal<Out, Bit>,
    /// No unit is in flight.
    pub all_written: Signal<Out, Bit>,
    /// Layer that the current cycle is spent on.
    pub layer: Signal<Out, Bits<8>>,
    busy: Register<Bit>,
    in_flight: Register<Bits<3>>,
    banks_used: Register<Bits<2>>,
    /// Unwritten units of layers before that of the last unit that started.
    older: Register<Bits<3>>,
    /// The last unit that started is the last of its layer.
    layer_closed: Register<Bit>,
    unit_bank_register: Register<Bit>,
    tile_register: EnabledRegister<TileContext>,
    stream_register: EnabledRegister<StreamContext>,
    height_minus_1: EnabledRegister<Bits<8>>,
    width_minus_1: EnabledRegister<Bits<8>>,
    unit_tile_first: EnabledRegister<Bit>,
    tile_start: Register<Bit>,
    pixel_x: Register<Bits<8>>,
    pixel_y: Register<Bits<8>>,
    pixel: Register<Bits<8>>,
    row_address: Register<Bits<16>>,
    pixel_address: Register<Bits<16>>,
    x_start: EnabledRegister<Bits<12>>,
    x: Register<Bits<12>>,
    y: Register<Bits<12>>,
    layer_register: Register<Bits<8>>,
    bank_out: Register<Bits<2>>,
    address_out: Register<Bits<16>>,
    outside_out: Register<Bit>,
    fill_out: Register<Bits<8>>,
    mask_out: Register<Bits<16>>,
    swap_out: Register<Bit>,
    accumulate_out: Register<AccumulateControl>,
    row_end: Signal<Local, Bit>,
    tile_end: Signal<Local, Bit>,
    unit_allowed: Signal<Local, Bit>,
    after: Signal<Local, Bits<3>>,
    blocked: Signal<Local, Bit>,
    older_now: Signal<Local, Bits<3>>,
    older_then: Signal<Local, Bits<3>>,
    free: Signal<Local, Bit>,
    taking: Signal<Local, Bit>,
    starting: Signal<Local, Bit>,
    first: Signal<Local, Bit>,
    next_row_address: Signal<Local, Bits<16>>,
}

impl Logic for Streamer {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module streamer: Sends a tile's pixels through the array, one a cycle.");
        dff_setup!(
            self,
            clock,
            busy,
            in_flight,
            banks_used,
            older,
            layer_closed,
            unit_bank_register,
            tile_start,
            pixel_x,
            pixel_y,
            pixel,
            row_address,
            pixel_address,
            x,
            y,
            layer_register,
            bank_out,
            address_out,
            outside_out,
            fill_out,
            mask_out,
            swap_out,
            accumulate_out
        );
        clock!(
            self,
            clock,
            tile_register,
            stream_register,
            height_minus_1,
            width_minus_1,
            unit_tile_first,
            x_start
        );
        self.bank.next = self.bank_out.q.val();
        self.address.next = self.address_out.q.val();
        self.outside.next = self.outside_out.q.val();
        self.fill.next = self.fill_out.q.val();
        self.mask.next = self.mask_out.q.val();
        self.swap.next = self.swap_out.q.val();
        self.accumulate.next = self.accumulate_out.q.val();
        self.streaming.next = self.busy.q.val();
        self.active.next = self.tile_register.q.val().active;
        self.all_written.next = self.in_flight.q.val() == 0;
        self.unit_bank.next = !self.unit_bank_register.q.val();

        // Whether the offered tile may start after this cycle.
        self.row_end.next = self.pixel_x.q.val() == self.width_minus_1.q.val();
        self.tile_end.next =
            self.row_end.val() & (self.pixel_y.q.val() == self.height_minus_1.q.val());
        self.free.next = !self.busy.q.val() | self.tile_end.val();
        self.unit_allowed.next = !self.unit_first.val() | !self.banks_used.q.val().get_bit(1);
        self.older_now.next = self.older.q.val();
        if self.unit_first.val() & self.layer_closed.q.val() {
            self.older_now.next = self.in_flight.q.val();
        }
        self.after.next = 0.into();
        if self.block.val().wait_late {
            self.after.next = bit_cast::<3, 2>(self.tile.val().after);
        }
        if self.block.val().wait_all {
            self.after.next = 1.into();
        }
        self.blocked.next = self.after.val().any() & (self.older_now.val() >= self.after.val());
        self.taking.next =
            self.tile_ready.val() & self.free.val() & self.unit_allowed.val() & !self.blocked.val();
        self.starting.next = self.taking.val() & self.unit_first.val();
        self.take.next = self.taking.val();
        self.unit_start.next = self.starting.val();

        self.tile_register.enable.next = self.taking.val();
        self.tile_register.d.next = self.tile.val();
        self.stream_register.enable.next = self.taking.val();
        self.stream_register.d.next = self.stream.val();
        self.height_minus_1.enable.next = self.taking.val();
        self.height_minus_1.d.next = self.block.val().height_minus_1;
        self.width_minus_1.enable.next = self.taking.val();
        self.width_minus_1.d.next = self.block.val().width_minus_1;
        self.unit_tile_first.enable.next = self.taking.val();
        self.unit_tile_first.d.next = self.unit_first.val();
        self.x_start.enable.next = self.taking.val();
        self.x_start.d.next = self.block.val().x0 + self.tile.val().kx;

        // Why no pixel is streamed, if none is.
        self.dependency.next = self.tile_ready.val() & self.blocked.val();
        self.accumulators_busy.next =
            self.tile_ready.val() & !self.dependency.val() & !self.unit_allowed.val();
        self.weight_load.next =
            self.tile_valid.val() & !self.dependency.val() & !self.accumulators_busy.val();

        // Of this very cycle: the counters that follow by one cycle then hold whole layers when it changes.
        self.layer.next = self.layer_register.q.val();
        if self.busy.q.val() {
            self.layer.next = self.stream_register.q.val().layer;
        } else if self.tile_valid.val() {
            self.layer.next = self.stream.val().layer;
        }
        self.layer_register.d.next = self.layer.val();

        // The pixel after this one.
        self.next_row_address.next =
            self.row_address.q.val() + self.stream_register.q.val().row_step;
        self.tile_start.d.next = false;
        self.pixel.d.next = self.pixel.q.val() + 1;
        self.pixel_x.d.next = self.pixel_x.q.val() + 1;
        self.pixel_address.d.next =
            self.pixel_address.q.val() + self.stream_register.q.val().pixel_step;
        self.x.d.next = self.x.q.val() + self.stream_register.q.val().stride_x;
        if self.row_end.val() {
            self.pixel_x.d.next = 0.into();
            self.pixel_y.d.next = self.pixel_y.q.val() + 1;
            self.row_address.d.next = self.next_row_address.val();
            self.pixel_address.d.next = self.next_row_address.val();
            self.x.d.next = self.x_start.q.val();
            self.y.d.next = self.y.q.val() + self.stream_register.q.val().stride_y;
        }
        if self.tile_end.val() {
            self.busy.d.next = false;
        }
        if self.taking.val() {
            self.busy.d.next = true;
            self.tile_start.d.next = true;
            self.pixel.d.next = 0.into();
            self.pixel_x.d.next = 0.into();
            self.pixel_y.d.next = 0.into();
            self.row_address.d.next = self.block.val().in_address + self.tile.val().offset;
            self.pixel_address.d.next = self.block.val().in_address + self.tile.val().offset;
            self.x.d.next = self.block.val().x0 + self.tile.val().kx;
            self.y.d.next = self.block.val().y0 + self.tile.val().ky;
        }
        if self.starting.val() {
            self.unit_bank_register.d.next = !self.unit_bank_register.q.val();
        }
        self.older_then.next = self.older.q.val();
        if self.starting.val() {
            self.older_then.next = self.older_now.val();
        }
        if self.starting.val() {
            self.layer_closed.d.next = self.block.val().layer_end & self.group_last.val();
        }
        self.older.d.next = self.older_then.val();
        if self.unit_written.val() & self.older_then.val().any() {
            self.older.d.next = self.older_then.val() - 1;
        }
        if self.starting.val() & !self.bank_released.val() {
            self.banks_used.d.next = self.banks_used.q.val() + 1;
        }
        if !self.starting.val() & self.bank_released.val() {
            self.banks_used.d.next = self.banks_used.q.val() - 1;
        }
        if self.starting.val() & !self.unit_written.val() {
            self.in_flight.d.next = self.in_flight.q.val() + 1;
        }
        if !self.starting.val() & self.unit_written.val() {
            self.in_flight.d.next = self.in_flight.q.val() - 1;
        }

        // This pixel, registered.
        self.first.next = self.unit_tile_first.q.val()
            & (!self.stream_register.q.val().sum | self.tile_start.q.val());
        self.bank_out.d.next = self.stream_register.q.val().in_bank;
        self.address_out.d.next = self.pixel_address.q.val();
        self.fill_out.d.next = self.stream_register.q.val().fill;
        self.outside_out.d.next = (self.x.q.val() >= self.stream_register.q.val().in_width)
            | (self.y.q.val() >= self.stream_register.q.val().in_height);
        self.mask_out.d.next = self.tile_register.q.val().mask;
        self.swap_out.d.next = self.busy.q.val() & self.tile_start.q.val();
        self.accumulate_out.d.next.valid = self.busy.q.val();
        self.accumulate_out.d.next.bank = self.unit_bank_register.q.val();
        self.accumulate_out.d.next.address = self.pixel.q.val();
        if self.stream_register.q.val().sum {
            self.accumulate_out.d.next.address = 0.into();
        }
        self.accumulate_out.d.next.first = self.first.val();
        self.accumulate_out.d.next.chain = self.stream_register.q.val().sum & !self.first.val();
        self.accumulate_out.d.next.last =
            self.busy.q.val() & self.tile_end.val() & self.tile_register.q.val().last;

        if self.image_start.val() {
            self.layer_register.d.next = 0.into();
        }
        if self.reset.val() {
            self.busy.d.next = false;
            self.in_flight.d.next = 0.into();
            self.banks_used.d.next = 0.into();
            self.older.d.next = 0.into();
            self.layer_closed.d.next = false;
            self.unit_bank_register.d.next = false;
            self.layer_register.d.next = 0.into();
            self.swap_out.d.next = false;
            self.accumulate_out.d.next.valid = false;
            self.accumulate_out.d.next.last = false;
        }
    }
}

//! Weight loader: walks the tile records of a block and loads each tile's weights while the tile before streams.

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::context::{BlockContext, DrainContext, StreamContext, TileContext, TileDecoder};
use crate::leaf::{Constant, EnabledRegister, Register};
use crate::{comment, dff_setup};

/// Presents the `tile_rows` weight rows of a tile to the weight memory, one a cycle, and offers the tile to the
/// streamer from the cycle of its last row on. The next tile is begun when the streamer takes this one. A diagonal tile
/// has one weight row, which is presented as often.
///
/// Reset: no block, nothing offered.
#[derive(LogicBlock, Default)]
pub struct WeightLoader {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// A block is up; it stays until taken.
    pub block_valid: Signal<In, Bit>,
    /// Its pixels.
    pub block: Signal<In, BlockContext>,
    /// Its layer's input side.
    pub stream: Signal<In, StreamContext>,
    /// Its layer's output side.
    pub drain: Signal<In, DrainContext>,
    /// The streamer takes the offered tile.
    pub take: Signal<In, Bit>,
    /// Tile memory word 0, of the address of the cycle before.
    pub word_0: Signal<In, Bits<32>>,
    /// Tile memory word 1.
    pub word_1: Signal<In, Bits<32>>,
    /// Tile memory address.
    pub tile_address: Signal<Out, Bits<16>>,
    /// Weight memory address.
    pub weight_address: Signal<Out, Bits<16>>,
    /// The weights of row 0 are being addressed; the other rows follow.
    pub load: Signal<Out, Bit>,
    /// The block is copied in this cycle.
    pub block_taken: Signal<Out, Bit>,
    /// The tile is diagonal.
    pub diagonal: Signal<Out, Bit>,
    /// Pair of columns that the row being addressed keeps then, modulo 2^5.
    pub position: Signal<Out, Bits<5>>,
    /// Which of the pair.
    pub odd: Signal<Out, Bit>,
    /// A tile is loaded or being loaded.
    pub tile_valid: Signal<Out, Bit>,
    /// It can be taken.
    pub tile_ready: Signal<Out, Bit>,
    /// Its record.
    pub tile: Signal<Out, TileContext>,
    /// It is the first of its unit.
    pub unit_first: Signal<Out, Bit>,
    /// It belongs to the first channel group of its block.
    pub group_first: Signal<Out, Bit>,
    /// It belongs to the last channel group of its block.
    pub group_last: Signal<Out, Bit>,
    /// Pixels of its block.
    pub tile_block: Signal<Out, BlockContext>,
    /// Input side of its layer.
    pub tile_stream: Signal<Out, StreamContext>,
    /// Output side of its layer.
    pub tile_drain: Signal<Out, DrainContext>,
    decoder: TileDecoder,
    loading: Register<Bit>,
    row: Register<Bits<5>>,
    address: Register<Bits<16>>,
    column_pair: Register<Bits<5>>,
    parities: Register<Bits<16>>,
    pointer: Register<Bits<16>>,
    record_valid: Register<Bit>,
    need_block: Register<Bit>,
    prefetched: Register<Bit>,
    valid: Register<Bit>,
    record: EnabledRegister<TileContext>,
    first: Register<Bit>,
    group: Register<Bits<8>>,
    record_group_first: EnabledRegister<Bit>,
    record_group_last: EnabledRegister<Bit>,
    record_first: EnabledRegister<Bit>,
    block_register: EnabledRegister<BlockContext>,
    stream_register: EnabledRegister<StreamContext>,
    drain_register: EnabledRegister<DrainContext>,
    last_row: Constant<Bits<5>>,
    row_end: Signal<Local, Bit>,
    start: Signal<Local, Bit>,
    taking: Signal<Local, Bit>,
    groups: Signal<Local, Bits<8>>,
    this_group: Signal<Local, Bits<8>>,
    this_first: Signal<Local, Bit>,
    this_last: Signal<Local, Bit>,
}

impl WeightLoader {
    /// A loader for arrays of this size.
    pub fn new(config: &ArrayConfig) -> Self {
        Self {
            need_block: Register::starting_at(true),
            last_row: Constant::new(bits(config.tile_rows() as u64 - 1)),
            ..Self::default()
        }
    }
}

impl Logic for WeightLoader {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module weight_loader: Loads a tile's weights while the tile before streams.");
        dff_setup!(
            self,
            clock,
            loading,
            row,
            address,
            column_pair,
            parities,
            pointer,
            record_valid,
            need_block,
            prefetched,
            valid,
            first,
            group
        );
        clock!(
            self,
            clock,
            record,
            record_first,
            record_group_first,
            record_group_last,
            block_register,
            stream_register,
            drain_register
        );
        self.decoder.word_0.next = self.word_0.val();
        self.decoder.word_1.next = self.word_1.val();
        self.tile_address.next = self.pointer.q.val();
        self.weight_address.next = self.address.q.val();
        self.diagonal.next = self.record.q.val().diagonal;
        self.position.next = self.column_pair.q.val();
        self.odd.next = self.parities.q.val().get_bit(0);
        self.tile.next = self.record.q.val();
        self.unit_first.next = self.record_first.q.val();
        self.group_first.next = self.record_group_first.q.val();
        self.group_last.next = self.record_group_last.q.val();
        self.tile_block.next = self.block_register.q.val();
        self.tile_stream.next = self.stream_register.q.val();
        self.tile_drain.next = self.drain_register.q.val();
        self.tile_valid.next = self.valid.q.val();

        self.row_end.next = self.row.q.val() == self.last_row.val();
        self.tile_ready.next = self.valid.q.val() & (!self.loading.q.val() | self.row_end.val());
        self.start.next = (!self.loading.q.val() | self.row_end.val())
            & (!self.valid.q.val() | self.take.val())
            & self.record_valid.q.val()
            & (!self.need_block.q.val() | self.prefetched.q.val());

        // The first tile of a block still finds the block's context at the inputs.
        self.groups.next = self.stream_register.q.val().groups_minus_1;
        self.this_group.next = self.group.q.val();
        self.this_first.next = self.first.q.val();
        if self.need_block.q.val() {
            self.groups.next = self.stream.val().groups_minus_1;
            self.this_group.next = 0.into();
            self.this_first.next = true;
        }
        self.this_last.next = self.this_group.val() == self.groups.val();

        self.record.enable.next = self.start.val();
        self.record.d.next = self.decoder.fields.val();
        self.record_first.enable.next = self.start.val();
        self.record_first.d.next = self.this_first.val();
        self.record_group_first.enable.next = self.start.val();
        self.record_group_first.d.next = self.this_group.val() == 0;
        self.record_group_last.enable.next = self.start.val();
        self.record_group_last.d.next = self.this_last.val();
        self.taking.next = self.start.val() & self.need_block.q.val();
        self.block_taken.next = self.taking.val();
        self.block_register.enable.next = self.taking.val();
        self.block_register.d.next = self.block.val();
        self.stream_register.enable.next = self.taking.val();
        self.stream_register.d.next = self.stream.val();
        self.drain_register.enable.next = self.taking.val();
        self.drain_register.d.next = self.drain.val();
        self.record_valid.d.next = true;
        if self.take.val() {
            self.valid.d.next = false;
        }
        if self.loading.q.val() {
            self.row.d.next = self.row.q.val() + 1;
            self.column_pair.d.next = self.column_pair.q.val() + 1;
            self.parities.d.next = self.parities.q.val() >> 1;
            if !self.record.q.val().diagonal | (self.row_end.val() & !self.record.q.val().keep_row)
            {
                self.address.d.next = self.address.q.val() + 1;
            }
            if self.row_end.val() {
                self.loading.d.next = false;
            }
        }
        if self.need_block.q.val() & !self.prefetched.q.val() & self.block_valid.val() {
            self.pointer.d.next = self.stream.val().tile_base;
            self.prefetched.d.next = true;
            self.record_valid.d.next = false;
        }
        if self.start.val() {
            self.loading.d.next = true;
            self.row.d.next = 0.into();
            self.column_pair.d.next = self.decoder.fields.val().diagonal_column;
            self.parities.d.next = self.decoder.fields.val().mask;
            self.valid.d.next = true;
            self.pointer.d.next = self.pointer.q.val() + 1;
            self.record_valid.d.next = false;
            self.first.d.next = self.decoder.fields.val().last;
            self.group.d.next = self.this_group.val();
            self.need_block.d.next = false;
            self.prefetched.d.next = false;
            if self.need_block.q.val() {
                self.address.d.next = self.stream.val().weight_base;
            }
            if self.decoder.fields.val().last {
                self.group.d.next = self.this_group.val() + 1;
                self.need_block.d.next = self.this_last.val();
            }
        }

        self.load.next = self.loading.q.val() & (self.row.q.val() == 0);

        if self.reset.val() {
            self.loading.d.next = false;
            self.valid.d.next = false;
            self.need_block.d.next = true;
            self.prefetched.d.next = false;
            self.record_valid.d.next = false;
        }
    }
}

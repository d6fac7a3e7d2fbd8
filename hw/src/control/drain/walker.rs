//! The walk over a unit's accumulators.

use rust_hdl_core::prelude::*;
use spec::ArrayConfig;

use crate::context::{BlockContext, DrainContext, WriteControl};
use crate::leaf::{Constant, EnabledRegister, Register};
use crate::{comment, dff_setup};

/// Visits the accumulators of a unit, one a cycle: pixel by pixel, step by step, a pooling window a step.
///
/// The first is addressed two cycles after `start`, which is d. `busy` is up from the cycle after `start` to `unit_end`, in
/// which the next unit may start: its first visit then follows the last of this one without a gap.
/// Reset: nothing to visit.
#[derive(LogicBlock, Default)]
pub(super) struct Walker {
    pub(super) clock: Signal<In, Clock>,
    pub(super) reset: Signal<In, Bit>,
    /// A unit begins: pulse, also with `unit_end`. Its context is copied.
    pub(super) start: Signal<In, Bit>,
    pub(super) start_bank: Signal<In, Bit>,
    pub(super) start_block: Signal<In, BlockContext>,
    pub(super) start_layer: Signal<In, DrainContext>,
    pub(super) start_sum: Signal<In, Bit>,
    pub(super) start_group_first: Signal<In, Bit>,
    pub(super) start_group_last: Signal<In, Bit>,
    pub(super) busy: Signal<Out, Bit>,
    /// The last visit is chosen: pulse, a cycle before its d.
    pub(super) unit_end: Signal<Out, Bit>,
    /// At d.
    pub(super) bank: Signal<Out, Bit>,
    /// At d.
    pub(super) accumulator_address: Signal<Out, Bits<8>>,
    /// At d.
    pub(super) step: Signal<Out, Bits<4>>,
    /// At d + 1.
    pub(super) parameter_address: Signal<Out, Bits<16>>,
    /// At d + 1.
    pub(super) residual_bank: Signal<Out, Bits<2>>,
    /// At d + 1.
    pub(super) residual_address: Signal<Out, Bits<16>>,
    /// At d + 1.
    pub(super) residual_granule: Signal<Out, Bits<4>>,
    /// What is to be written, at d.
    pub(super) write: Signal<Out, WriteControl>,
    here: EnabledRegister<BlockContext>,
    layer: EnabledRegister<DrainContext>,
    bank_here: EnabledRegister<Bit>,
    sum: EnabledRegister<Bit>,
    group_last: EnabledRegister<Bit>,
    busy_register: Register<Bit>,
    window_x: Register<Bits<2>>,
    window_y: Register<Bits<2>>,
    /// Accumulators, and words of the residual, from the window's first to the row that is visited.
    window_row: Register<Bits<8>>,
    residual_window_row: Register<Bits<16>>,
    residual_window: Register<Bits<16>>,
    step_register: Register<Bits<4>>,
    pixel_x: Register<Bits<8>>,
    pixel_y: Register<Bits<8>>,
    index: Register<Bits<8>>,
    row_index: Register<Bits<8>>,
    out_row: Register<Bits<16>>,
    out_pixel: Register<Bits<16>>,
    residual_row: Register<Bits<16>>,
    residual_pixel: Register<Bits<16>>,
    word: Register<Bits<16>>,
    start_word: Register<Bits<16>>,
    granule: Register<Bits<4>>,
    start_granule: Register<Bits<4>>,
    row: Register<Bits<16>>,
    start_row: Register<Bits<16>>,
    bank_out: Register<Bit>,
    address_out: Register<Bits<8>>,
    step_out: Register<Bits<4>>,
    parameter_row: Register<Bits<16>>,
    parameter_out: Register<Bits<16>>,
    residual_bank_here: Register<Bits<2>>,
    residual_bank_out: Register<Bits<2>>,
    residual_base_out: Register<Bits<16>>,
    residual_offset_out: Register<Bits<16>>,
    residual_out: Register<Bits<16>>,
    granule_out: Register<Bits<4>>,
    residual_granule_out: Register<Bits<4>>,
    write_out: Register<WriteControl>,
    last_granule: Constant<Bits<4>>,
    last_step: Signal<Local, Bits<4>>,
    last_x: Signal<Local, Bits<8>>,
    last_y: Signal<Local, Bits<8>>,
    block_width: Signal<Local, Bits<8>>,
    window_row_end: Signal<Local, Bit>,
    granule_end: Signal<Local, Bit>,
    pixel_end: Signal<Local, Bit>,
    row_end: Signal<Local, Bit>,
    last_visit: Signal<Local, Bit>,
    next_word: Signal<Local, Bits<16>>,
    next_granule: Signal<Local, Bits<4>>,
    next_row: Signal<Local, Bits<16>>,
    write_address: Signal<Local, Bits<16>>,
    columns: Signal<Local, Bits<8>>,
    row_indices: Signal<Local, Bits<8>>,
    residual_columns: Signal<Local, Bits<16>>,
    residual_rows: Signal<Local, Bits<16>>,
    next_row_index: Signal<Local, Bits<8>>,
    next_residual_window_row: Signal<Local, Bits<16>>,
    next_out_row: Signal<Local, Bits<16>>,
    next_residual_row: Signal<Local, Bits<16>>,
}

impl Walker {
    /// A walker for words and lanes of this configuration.
    pub(super) fn new(config: &ArrayConfig) -> Self {
        let last_granule = bits(config.granules() as u64 - 1);
        Self { last_granule: Constant::new(last_granule), ..Self::default() }
    }
}

impl Logic for Walker {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module drain_walker: Visits the accumulators of a unit, one a cycle.");
        dff_setup!(
            self,
            clock,
            busy_register,
            window_x,
            window_y,
            window_row,
            residual_window_row,
            residual_window,
            step_register,
            pixel_x,
            pixel_y,
            index,
            row_index,
            out_row,
            out_pixel,
            residual_row,
            residual_pixel,
            word,
            start_word,
            granule,
            start_granule,
            row,
            start_row,
            bank_out,
            address_out,
            step_out,
            parameter_row,
            parameter_out,
            residual_bank_here,
            residual_bank_out,
            residual_base_out,
            residual_offset_out,
            residual_out,
            granule_out,
            residual_granule_out,
            write_out
        );
        clock!(self, clock, here, layer, bank_here, sum, group_last);

        // The unit's context.
        self.here.enable.next = self.start.val();
        self.here.d.next = self.start_block.val();
        self.layer.enable.next = self.start.val();
        self.layer.d.next = self.start_layer.val();
        self.bank_here.enable.next = self.start.val();
        self.bank_here.d.next = self.start_bank.val();
        self.sum.enable.next = self.start.val();
        self.sum.d.next = self.start_sum.val();
        self.group_last.enable.next = self.start.val();
        self.group_last.d.next = self.start_group_last.val();

        // Limits and steps of this unit.
        self.last_step.next = self.layer.q.val().steps_minus_1;
        if self.group_last.q.val() {
            self.last_step.next = self.layer.q.val().last_steps_minus_1;
        }
        self.block_width.next = self.here.q.val().width_minus_1 + 1;
        self.last_x.next = self.here.q.val().width_minus_1
            - bit_cast::<8, 2>(self.here.q.val().window_width_minus_1);
        self.last_y.next = self.here.q.val().height_minus_1
            - bit_cast::<8, 2>(self.here.q.val().window_height_minus_1);
        if self.sum.q.val() {
            self.last_x.next = 0.into();
            self.last_y.next = 0.into();
        }
        self.window_row_end.next = self.window_x.q.val() == self.here.q.val().window_width_minus_1;
        self.granule_end.next = self.window_row_end.val()
            & (self.window_y.q.val() == self.here.q.val().window_height_minus_1);
        self.pixel_end.next =
            self.granule_end.val() & (self.step_register.q.val() == self.last_step.val());
        self.row_end.next = self.pixel_end.val() & (self.pixel_x.q.val() == self.last_x.val());
        self.last_visit.next = self.row_end.val() & (self.pixel_y.q.val() == self.last_y.val());
        self.busy.next = self.busy_register.q.val();
        self.unit_end.next = self.busy_register.q.val() & self.last_visit.val();
        self.next_out_row.next = self.out_row.q.val() + self.layer.q.val().out_row_step;
        // A window's stride of 1, 2 or 3 pixels.
        self.columns.next = 1.into();
        self.residual_columns.next = self.layer.q.val().residual_pixel_step;
        if self.here.q.val().pool_stride_x_minus_1.get_bit(0) {
            self.columns.next = 2.into();
            self.residual_columns.next = self.layer.q.val().residual_pixel_step << 1;
        }
        if self.here.q.val().pool_stride_x_minus_1.get_bit(1) {
            self.columns.next = 3.into();
            self.residual_columns.next = (self.layer.q.val().residual_pixel_step << 1)
                + self.layer.q.val().residual_pixel_step;
        }
        self.row_indices.next = self.block_width.val();
        self.residual_rows.next = self.layer.q.val().residual_row_step;
        if self.here.q.val().pool_stride_y_minus_1.get_bit(0) {
            self.row_indices.next = self.block_width.val() << 1;
            self.residual_rows.next = self.layer.q.val().residual_row_step << 1;
        }
        if self.here.q.val().pool_stride_y_minus_1.get_bit(1) {
            self.row_indices.next = (self.block_width.val() << 1) + self.block_width.val();
            self.residual_rows.next =
                (self.layer.q.val().residual_row_step << 1) + self.layer.q.val().residual_row_step;
        }
        self.next_row_index.next = self.row_index.q.val() + self.row_indices.val();
        self.next_residual_row.next = self.residual_row.q.val() + self.residual_rows.val();
        self.next_residual_window_row.next =
            self.residual_window_row.q.val() + self.layer.q.val().residual_row_step;

        // The granule after this one; a unit that is not the first of its block goes on there.
        self.next_row.next = self.row.q.val();
        self.next_granule.next = self.granule.q.val();
        self.next_word.next = self.word.q.val();
        if self.busy_register.q.val() & self.granule_end.val() {
            self.next_row.next = self.row.q.val() + 1;
            self.next_granule.next = self.granule.q.val() + 1;
            if self.granule.q.val() == self.last_granule.val() {
                self.next_granule.next = 0.into();
                self.next_word.next = self.word.q.val() + 1;
            }
        }

        // One accumulator a cycle.
        if self.busy_register.q.val() {
            self.window_x.d.next = self.window_x.q.val() + 1;
            self.residual_window.d.next =
                self.residual_window.q.val() + self.layer.q.val().residual_pixel_step;
            if self.window_row_end.val() {
                self.window_x.d.next = 0.into();
                self.window_y.d.next = self.window_y.q.val() + 1;
                self.window_row.d.next = self.window_row.q.val() + self.block_width.val();
                self.residual_window_row.d.next = self.next_residual_window_row.val();
                self.residual_window.d.next = self.next_residual_window_row.val();
            }
            if self.granule_end.val() {
                self.step_register.d.next = self.step_register.q.val() + 1;
                self.window_y.d.next = 0.into();
                self.window_row.d.next = 0.into();
                self.residual_window_row.d.next = 0.into();
                self.residual_window.d.next = 0.into();
            }
            self.row.d.next = self.next_row.val();
            self.granule.d.next = self.next_granule.val();
            self.word.d.next = self.next_word.val();
            if self.pixel_end.val() {
                self.step_register.d.next = 0.into();
                self.pixel_x.d.next = self.pixel_x.q.val() + self.columns.val();
                self.index.d.next = self.index.q.val() + self.columns.val();
                self.out_pixel.d.next = self.out_pixel.q.val() + self.layer.q.val().out_pixel_step;
                self.residual_pixel.d.next =
                    self.residual_pixel.q.val() + self.residual_columns.val();
                if !self.last_visit.val() {
                    self.word.d.next = self.start_word.q.val();
                    self.granule.d.next = self.start_granule.q.val();
                    self.row.d.next = self.start_row.q.val();
                }
            }
            if self.row_end.val() {
                self.pixel_x.d.next = 0.into();
                self.pixel_y.d.next = self.pixel_y.q.val()
                    + bit_cast::<8, 2>(self.here.q.val().pool_stride_y_minus_1)
                    + 1;
                self.row_index.d.next = self.next_row_index.val();
                self.index.d.next = self.next_row_index.val();
                self.out_row.d.next = self.next_out_row.val();
                self.out_pixel.d.next = self.next_out_row.val();
                self.residual_row.d.next = self.next_residual_row.val();
                self.residual_pixel.d.next = self.next_residual_row.val();
            }
            if self.last_visit.val() {
                self.busy_register.d.next = false;
            }
        }
        if self.start.val() {
            self.busy_register.d.next = true;
            self.window_x.d.next = 0.into();
            self.window_y.d.next = 0.into();
            self.window_row.d.next = 0.into();
            self.residual_window_row.d.next = 0.into();
            self.residual_window.d.next = 0.into();
            self.step_register.d.next = 0.into();
            self.pixel_x.d.next = 0.into();
            self.pixel_y.d.next = 0.into();
            self.index.d.next = 0.into();
            self.row_index.d.next = 0.into();
            self.out_row.d.next = self.start_block.val().out_address;
            self.out_pixel.d.next = self.start_block.val().out_address;
            self.residual_row.d.next = self.start_block.val().residual_address;
            self.residual_pixel.d.next = self.start_block.val().residual_address;
            self.word.d.next = self.next_word.val();
            self.start_word.d.next = self.next_word.val();
            self.granule.d.next = self.next_granule.val();
            self.start_granule.d.next = self.next_granule.val();
            self.row.d.next = self.next_row.val();
            self.start_row.d.next = self.next_row.val();
            if self.start_group_first.val() {
                self.word.d.next = 0.into();
                self.granule.d.next = self.start_layer.val().out_granule;
                self.row.d.next = 0.into();
                self.start_word.d.next = 0.into();
                self.start_granule.d.next = self.start_layer.val().out_granule;
                self.start_row.d.next = 0.into();
            }
        }

        // At d: the accumulator; at d + 1: parameters and residual.
        self.address_out.d.next =
            self.index.q.val() + self.window_row.q.val() + bit_cast::<8, 2>(self.window_x.q.val());
        self.step_out.d.next = self.step_register.q.val();
        self.bank_out.d.next = self.bank_here.q.val();
        self.parameter_row.d.next = self.layer.q.val().parameter_base + self.row.q.val();
        self.residual_bank_here.d.next = self.layer.q.val().residual_bank;
        self.residual_base_out.d.next = self.residual_pixel.q.val() + self.word.q.val();
        self.residual_offset_out.d.next = self.residual_window.q.val();
        self.granule_out.d.next = self.granule.q.val();
        self.write_address.next = self.out_pixel.q.val() + self.word.q.val();
        if self.layer.q.val().logits {
            self.write_address.next = self.out_pixel.q.val() + self.row.q.val();
        }
        self.write_out.d.next.first = self.busy_register.q.val()
            & (self.window_x.q.val() == 0)
            & (self.window_y.q.val() == 0);
        self.write_out.d.next.valid = self.busy_register.q.val() & self.granule_end.val();
        self.write_out.d.next.address = self.write_address.val();
        self.write_out.d.next.granule = self.granule.q.val();
        self.write_out.d.next.last = self.busy_register.q.val() & self.last_visit.val();
        self.write_out.d.next.bank = self.bank_here.q.val();
        self.bank.next = self.bank_out.q.val();
        self.accumulator_address.next = self.address_out.q.val();
        self.step.next = self.step_out.q.val();
        self.write.next = self.write_out.q.val();
        self.parameter_out.d.next = self.parameter_row.q.val();
        self.residual_bank_out.d.next = self.residual_bank_here.q.val();
        self.residual_bank.next = self.residual_bank_out.q.val();
        self.residual_out.d.next =
            self.residual_base_out.q.val() + self.residual_offset_out.q.val();
        self.residual_granule_out.d.next = self.granule_out.q.val();
        self.parameter_address.next = self.parameter_out.q.val();
        self.residual_address.next = self.residual_out.q.val();
        self.residual_granule.next = self.residual_granule_out.q.val();

        if self.reset.val() {
            self.busy_register.d.next = false;
            self.write_out.d.next.first = false;
            self.write_out.d.next.valid = false;
            self.write_out.d.next.last = false;
        }
    }
}

//! Instruction fetch: walks the program and holds the contexts of the layer and block that come next.

use rust_hdl_core::prelude::*;
use spec::isa::{Block, Drain, End, Load, Stream};

use crate::context::{
    BlockContext, BlockDecoder, DrainContext, DrainDecoder, EndContext, EndDecoder, LoadContext,
    LoadDecoder, StreamContext, StreamDecoder,
};
use crate::leaf::{EnabledRegister, Fixed, Register};
use crate::{comment, dff_setup};

/// What the fetch unit does with the word at the program counter.
#[derive(LogicState, Clone, Copy, Debug, PartialEq)]
pub enum FetchState {
    /// The program memory is being read.
    Read,
    /// The instruction is there.
    Execute,
    /// An unknown opcode; left by reset only.
    Failed,
}

/// Fetches and executes instructions, two cycles each.
///
/// `BLOCK` puts a block up for the weight loader and the next instructions wait until it is taken. `LOAD` waits for an
/// image, `END` until everything is drained; then the output sends, and the program starts again. A `DRAIN` with logits
/// waits until the logits of the image before are sent. Reset: program counter 0, nothing pending.
#[derive(LogicBlock, Default)]
pub struct Fetch {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Synchronous, active high.
    pub reset: Signal<In, Bit>,
    /// A packed image is in bank 0.
    pub image_ready: Signal<In, Bit>,
    /// The weight loader takes the block.
    pub block_taken: Signal<In, Bit>,
    /// No tile is loaded, streamed or drained.
    pub idle: Signal<In, Bit>,
    /// Logits are being sent.
    pub output_busy: Signal<In, Bit>,
    /// Program memory word 0, of the address of the cycle before.
    pub word_0: Signal<In, Bits<32>>,
    /// Program memory word 1.
    pub word_1: Signal<In, Bits<32>>,
    /// Program memory word 2.
    pub word_2: Signal<In, Bits<32>>,
    /// Program memory word 3.
    pub word_3: Signal<In, Bits<32>>,
    /// Program memory word 4.
    pub word_4: Signal<In, Bits<32>>,
    /// Program memory address.
    pub program_address: Signal<Out, Bits<16>>,
    /// A block is up.
    pub block_valid: Signal<Out, Bit>,
    /// Its pixels.
    pub block: Signal<Out, BlockContext>,
    /// Its layer's input side.
    pub stream: Signal<Out, StreamContext>,
    /// Its layer's output side.
    pub drain: Signal<Out, DrainContext>,
    /// A `LOAD` has been executed.
    pub configured: Signal<Out, Bit>,
    /// How images are packed.
    pub load: Signal<Out, LoadContext>,
    /// How many logits to send.
    pub end_context: Signal<Out, EndContext>,
    /// The cycle before an image's first: pulse.
    pub image_start: Signal<Out, Bit>,
    /// An image is being computed.
    pub running: Signal<Out, Bit>,
    /// All blocks have been taken, what is left is draining.
    pub draining: Signal<Out, Bit>,
    /// The image is done: pulse.
    pub image_end: Signal<Out, Bit>,
    /// Level: an image has been computed and the next has not begun.
    pub done: Signal<Out, Bit>,
    /// Level: unknown opcode.
    pub error: Signal<Out, Bit>,
    state: Register<FetchState>,
    program_counter: Register<Bits<16>>,
    block_valid_register: Register<Bit>,
    block_register: EnabledRegister<BlockContext>,
    stream_register: EnabledRegister<StreamContext>,
    drain_register: EnabledRegister<DrainContext>,
    load_register: EnabledRegister<LoadContext>,
    end_register: EnabledRegister<EndContext>,
    configured_register: Register<Bit>,
    running_register: Register<Bit>,
    done_register: Register<Bit>,
    stream_decoder: StreamDecoder,
    drain_decoder: DrainDecoder,
    block_decoder: BlockDecoder,
    load_decoder: LoadDecoder,
    end_decoder: EndDecoder,
    opcode: Signal<Local, Bits<4>>,
    stream_opcode: Fixed<4, { Stream::OPCODE as u64 }>,
    drain_opcode: Fixed<4, { Drain::OPCODE as u64 }>,
    block_opcode: Fixed<4, { Block::OPCODE as u64 }>,
    end_opcode: Fixed<4, { End::OPCODE as u64 }>,
    load_opcode: Fixed<4, { Load::OPCODE as u64 }>,
    next_address: Signal<Local, Bits<16>>,
    output_wait: Signal<Local, Bit>,
}

impl Logic for Fetch {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module fetch: Walks the program.");
        dff_setup!(
            self,
            clock,
            state,
            program_counter,
            block_valid_register,
            configured_register,
            running_register,
            done_register
        );
        clock!(
            self,
            clock,
            block_register,
            stream_register,
            drain_register,
            load_register,
            end_register
        );
        self.block_register.enable.next = false;
        self.block_register.d.next = self.block_decoder.fields.val();
        self.stream_register.enable.next = false;
        self.stream_register.d.next = self.stream_decoder.fields.val();
        self.drain_register.enable.next = false;
        self.drain_register.d.next = self.drain_decoder.fields.val();
        self.load_register.enable.next = false;
        self.load_register.d.next = self.load_decoder.fields.val();
        self.end_register.enable.next = false;
        self.end_register.d.next = self.end_decoder.fields.val();
        self.stream_decoder.word_0.next = self.word_0.val();
        self.stream_decoder.word_1.next = self.word_1.val();
        self.stream_decoder.word_2.next = self.word_2.val();
        self.stream_decoder.word_3.next = self.word_3.val();
        self.stream_decoder.word_4.next = self.word_4.val();
        self.drain_decoder.word_0.next = self.word_0.val();
        self.drain_decoder.word_1.next = self.word_1.val();
        self.drain_decoder.word_2.next = self.word_2.val();
        self.drain_decoder.word_3.next = self.word_3.val();
        self.drain_decoder.word_4.next = self.word_4.val();
        self.block_decoder.word_0.next = self.word_0.val();
        self.block_decoder.word_1.next = self.word_1.val();
        self.block_decoder.word_2.next = self.word_2.val();
        self.block_decoder.word_3.next = self.word_3.val();
        self.block_decoder.word_4.next = self.word_4.val();
        self.load_decoder.word_0.next = self.word_0.val();
        self.load_decoder.word_1.next = self.word_1.val();
        self.load_decoder.word_2.next = self.word_2.val();
        self.load_decoder.word_3.next = self.word_3.val();
        self.load_decoder.word_4.next = self.word_4.val();
        self.end_decoder.word_0.next = self.word_0.val();

        self.program_address.next = self.program_counter.q.val();
        self.block_valid.next = self.block_valid_register.q.val();
        self.block.next = self.block_register.q.val();
        self.stream.next = self.stream_register.q.val();
        self.drain.next = self.drain_register.q.val();
        self.load.next = self.load_register.q.val();
        self.end_context.next = self.end_register.q.val();
        self.configured.next = self.configured_register.q.val();
        self.running.next = self.running_register.q.val();
        self.done.next = self.done_register.q.val();
        self.image_start.next = false;
        self.image_end.next = false;
        self.draining.next = false;
        self.error.next = false;
        self.opcode.next = self.word_0.val().get_bits::<4>(0);
        self.next_address.next = self.program_counter.q.val() + 1;
        self.output_wait.next = (self.opcode.val() == self.drain_opcode.val())
            & self.drain_decoder.fields.val().logits
            & self.output_busy.val();

        if self.block_taken.val() {
            self.block_valid_register.d.next = false;
        }
        match self.state.q.val() {
            FetchState::Read => {
                self.state.d.next = FetchState::Execute;
            }
            FetchState::Execute => {
                if self.opcode.val() == self.load_opcode.val() {
                    self.load_register.enable.next = true;
                    self.configured_register.d.next = true;
                    if self.image_ready.val() {
                        self.image_start.next = true;
                        self.running_register.d.next = true;
                        self.done_register.d.next = false;
                        self.program_counter.d.next = self.next_address.val();
                        self.state.d.next = FetchState::Read;
                    }
                } else if self.opcode.val() == self.end_opcode.val() {
                    self.end_register.enable.next = true;
                    self.draining.next = !self.block_valid_register.q.val();
                    if !self.block_valid_register.q.val() & self.idle.val() {
                        self.image_end.next = true;
                        self.running_register.d.next = false;
                        self.done_register.d.next = true;
                        self.program_counter.d.next = 0.into();
                        self.state.d.next = FetchState::Read;
                    }
                } else if (self.opcode.val() == self.stream_opcode.val())
                    | (self.opcode.val() == self.drain_opcode.val())
                    | (self.opcode.val() == self.block_opcode.val())
                {
                    if !self.block_valid_register.q.val() & !self.output_wait.val() {
                        if self.opcode.val() == self.stream_opcode.val() {
                            self.stream_register.enable.next = true;
                        }
                        if self.opcode.val() == self.drain_opcode.val() {
                            self.drain_register.enable.next = true;
                        }
                        if self.opcode.val() == self.block_opcode.val() {
                            self.block_register.enable.next = true;
                            self.block_valid_register.d.next = true;
                        }
                        self.program_counter.d.next = self.next_address.val();
                        self.state.d.next = FetchState::Read;
                    }
                } else {
                    self.state.d.next = FetchState::Failed;
                }
            }
            _ => {
                self.error.next = true;
            }
        }

        if self.reset.val() {
            self.state.d.next = FetchState::Read;
            self.program_counter.d.next = 0.into();
            self.block_valid_register.d.next = false;
            self.configured_register.d.next = false;
            self.running_register.d.next = false;
            self.done_register.d.next = false;
        }
    }
}

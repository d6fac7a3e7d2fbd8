//! What a simulator is asked to run, and what the run gives.

use std::time::Duration;

use spec::status;

/// Status registers in a snapshot.
pub(crate) const N_REGISTERS: usize = status::REGISTERS.len();

/// Words of a bank to copy out when a layer has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Index of the layer.
    pub(crate) layer: usize,
    /// Memory that holds it.
    pub(crate) memory: &'static str,
    /// First word.
    pub(crate) address: usize,
    /// Number of words.
    pub(crate) n_words: usize,
}

/// A byte whose last change within a layer is to be timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Index of the image.
    pub(crate) image: usize,
    /// Index of the layer.
    pub(crate) layer: usize,
    /// Memory that holds the byte.
    pub(crate) memory: &'static str,
    /// Word of the memory.
    pub(crate) address: usize,
    /// Byte of the word.
    pub(crate) byte: usize,
}

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    /// The bytes for the input port.
    pub(crate) bytes: &'a [u8],
    /// How many of them go up to each byte that is the last of an image, at least one. Those of `image_bytes` are images
    /// and get an answer.
    pub(crate) frames: &'a [u64],
    /// Bytes of an image, at least one.
    pub(crate) image_bytes: usize,
    /// Logits of the program.
    pub(crate) n_logits: usize,
    /// Layers of the program, at least one.
    pub(crate) n_layers: usize,
    /// Ordered by layer.
    pub(crate) copies: &'a [Copy],
    /// Bytes of a word of the banks.
    pub(crate) word_bytes: usize,
    /// Cycles of reset.
    pub(crate) reset_cycles: u64,
    /// Cycles without any image coming to its end.
    pub(crate) cycle_limit: u64,
    /// Cycles after which the run is over, whatever has come of it.
    pub(crate) most_cycles: u64,
    /// Whether an image is offered while the one before is computed.
    pub(crate) back_to_back: bool,
    /// Nonzero: the input pauses and the output is held at random.
    pub(crate) stall_seed: u64,
    /// A byte to time.
    pub(crate) watch: Option<Watch>,
}

/// How a run ended; the number is the status that the shim gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished,
    Timeout,
    HardwareError,
    ProtocolError,
    Fatal,
}

impl Ending {
    pub(crate) const ALL: [Self; 5] =
        [Self::Finished, Self::Timeout, Self::HardwareError, Self::ProtocolError, Self::Fatal];

    /// Its name in the shim.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Finished => "FINISHED",
            Self::Timeout => "TIMEOUT",
            Self::HardwareError => "HARDWARE_ERROR",
            Self::ProtocolError => "PROTOCOL_ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// A status that the shim gave.
    pub(crate) fn of(status: u32) -> Self {
        Self::ALL.into_iter().find(|ending| *ending as u32 == status).unwrap_or(Self::Fatal)
    }
}

/// What a run gave.
#[derive(Clone, Debug)]
pub(crate) struct RunResult {
    /// All words of all copies, packed, image after image.
    pub(crate) outputs: Vec<u8>,
    /// `n_logits` an image.
    pub(crate) logits: Vec<i16>,
    /// One an image.
    pub(crate) classes: Vec<u32>,
    /// `N_REGISTERS` a layer and image, as they were when the layer's last word had been streamed.
    pub(crate) registers: Vec<u32>,
    /// The cycle counter when the layer had been written, one a layer and image.
    pub(crate) drained_cycles: Vec<u32>,
    /// Cycle of the run at which the image's last layer had been written, one an image.
    pub(crate) done_cycles: Vec<u64>,
    /// Cycles simulated, reset not counted.
    pub(crate) n_cycles: u64,
    /// Processor time that the simulation took.
    pub(crate) cpu_time: Duration,
    /// The cycle counter at the watched byte's last change, zero if it did not change.
    pub(crate) watch_cycle: u64,
    /// Cycles of sending the logits and the class of the image that was sent last.
    pub(crate) output_cycles: u32,
    /// How it ended.
    pub(crate) ending: Ending,
    /// Image that was being computed at the end.
    pub(crate) image: usize,
    /// Layer that was streaming at the end.
    pub(crate) stream_layer: u32,
    /// Layers written at the end.
    pub(crate) drained_layers: u32,
    /// Program counter at the end.
    pub(crate) program_counter: u32,
    /// Status register 0 at the end.
    pub(crate) state: u32,
    /// Bad images at the end.
    pub(crate) n_bad_images: u32,
}

/// Depth and stride of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryShape {
    pub(crate) depth: usize,
    /// Bytes from row to row; a row's bytes come first, least significant first.
    pub(crate) stride: usize,
}

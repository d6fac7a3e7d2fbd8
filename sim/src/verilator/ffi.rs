//! The compiled model behind safe types: the only unsafe code of the workspace.

#![allow(
    unsafe_code,
    reason = "a library that is compiled at run time can only be called through raw symbols"
)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use libloading::{Library, Symbol};

/// Changes with every change of the structures below or of `shim.cpp`'s functions.
pub(crate) const ABI: u32 = 3;
/// Status registers in a snapshot.
pub(crate) const N_REGISTERS: usize = 16;

/// A memory of the model as the library describes it.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawMemory {
    data: *mut u8,
    stride: u64,
    depth: u64,
}

#[repr(C)]
struct RawRegion {
    layer: u64,
    data: *const u8,
    stride: u64,
    n_words: u64,
}

#[repr(C)]
struct RawJob {
    images: *const u8,
    frames: *const u64,
    n_frames: u64,
    image_bytes: u64,
    n_images: u64,
    n_logits: u64,
    n_layers: u64,
    regions: *const RawRegion,
    n_regions: u64,
    word_bytes: u64,
    image_output_bytes: u64,
    reset_cycles: u64,
    cycle_limit: u64,
    back_to_back: u64,
    stall_seed: u64,
    watch: *mut u8,
    watch_image: u64,
    watch_layer: u64,
}

#[repr(C)]
struct RawResult {
    outputs: *mut u8,
    logits: *mut i16,
    classes: *mut u32,
    registers: *mut u32,
    drained_cycles: *mut u32,
    done_cycles: *mut u64,
    n_cycles: u64,
    cpu_ns: u64,
    watch_cycle: u64,
    output_cycles: u32,
    status: u32,
    image: u32,
    stream_layer: u32,
    drained_layers: u32,
    program_counter: u32,
    state: u32,
    n_bad_images: u32,
}

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
    /// Whether an image is offered while the one before is computed.
    pub(crate) back_to_back: bool,
    /// Nonzero: the input pauses and the output is held at random.
    pub(crate) stall_seed: u64,
    /// A byte to time.
    pub(crate) watch: Option<Watch>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished,
    Timeout,
    HardwareError,
    ProtocolError,
    Fatal,
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

type New = unsafe extern "C" fn() -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Message = unsafe extern "C" fn(*mut c_void) -> *const c_char;
type FindMemory = unsafe extern "C" fn(*mut c_void, *const c_char, *mut RawMemory) -> u32;
type Run = unsafe extern "C" fn(*mut c_void, *const RawJob, *mut RawResult);
type Trace = unsafe extern "C" fn(*mut c_void, *const c_char) -> u32;

/// A loaded library and its functions.
pub(crate) struct Functions {
    new: New,
    free: Free,
    message: Message,
    find_memory: FindMemory,
    run: Run,
    trace: Trace,
    end_trace: Free,
    // Last, so that it outlives the pointers above.
    _library: Library,
}

impl Functions {
    /// Loads a library that `build` made.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let reason = |error: libloading::Error| error.to_string();
        // SAFETY: the library is compiled from the shim and Verilator's sources, whose initializers only set up their
        // own static data.
        let library = unsafe { Library::new(path) }.map_err(reason)?;
        // SAFETY: the shim defines the symbol with this signature in every version.
        let abi = unsafe {
            library.get::<unsafe extern "C" fn() -> u32>(b"twofold_abi\0").map_err(reason)?()
        };
        if abi != ABI {
            return Err(format!("it has interface {abi}, this program needs {ABI}"));
        }
        // SAFETY: the interface number matches, so each symbol has the signature that is written here.
        unsafe {
            let new: Symbol<New> = library.get(b"twofold_new\0").map_err(reason)?;
            let free: Symbol<Free> = library.get(b"twofold_free\0").map_err(reason)?;
            let message: Symbol<Message> = library.get(b"twofold_message\0").map_err(reason)?;
            let find_memory: Symbol<FindMemory> =
                library.get(b"twofold_memory\0").map_err(reason)?;
            let run: Symbol<Run> = library.get(b"twofold_run\0").map_err(reason)?;
            let trace: Symbol<Trace> = library.get(b"twofold_trace\0").map_err(reason)?;
            let end_trace: Symbol<Free> = library.get(b"twofold_end_trace\0").map_err(reason)?;
            Ok(Self {
                new: *new,
                free: *free,
                message: *message,
                find_memory: *find_memory,
                run: *run,
                trace: *trace,
                end_trace: *end_trace,
                _library: library,
            })
        }
    }
}

/// One accelerator: its state, and the library that computes it.
pub(crate) struct Instance {
    handle: NonNull<c_void>,
    functions: Arc<Functions>,
}

// SAFETY: an instance owns its Verilator context and model and shares no mutable state with others; nothing in it is
// bound to the thread that made it. It is not `Sync`: every call that changes it takes `&mut self`.
unsafe impl Send for Instance {}

impl Instance {
    /// A new accelerator, before reset. `None` if the model cannot be set up.
    pub(crate) fn new(functions: Arc<Functions>) -> Option<Self> {
        // SAFETY: the function takes no argument and gives null or an owned handle.
        let handle = NonNull::new(unsafe { (functions.new)() })?;
        Some(Self { handle, functions })
    }

    fn memory(&self, name: &str) -> Option<RawMemory> {
        let name = CString::new(name).ok()?;
        let mut memory = RawMemory { data: ptr::null_mut(), stride: 0, depth: 0 };
        // SAFETY: the handle is live, the name ends in zero, and `memory` has the layout that the shim fills.
        let found = unsafe {
            (self.functions.find_memory)(self.handle.as_ptr(), name.as_ptr(), &mut memory)
        };
        (found != 0).then_some(memory)
    }

    /// The size of a memory, `None` if there is none of this name.
    pub(crate) fn memory_shape(&self, name: &str) -> Option<MemoryShape> {
        let RawMemory { stride, depth, .. } = self.memory(name)?;
        Some(MemoryShape { depth: depth as usize, stride: stride as usize })
    }

    /// Writes rows of `row_bytes` bytes from row 0 on. `None` if the memory is missing or too small.
    pub(crate) fn poke(&mut self, name: &str, bytes: &[u8], row_bytes: usize) -> Option<()> {
        let RawMemory { data, stride, depth } = self.memory(name)?;
        let n_rows = bytes.len().checked_div(row_bytes)?;
        if row_bytes > stride as usize
            || n_rows > depth as usize
            || n_rows * row_bytes != bytes.len()
        {
            return None;
        }
        for (index, row) in bytes.chunks_exact(row_bytes).enumerate() {
            // SAFETY: row `index` is below `depth` and no longer than `stride`, so the bytes lie in the memory, which
            // lives as long as the handle and which nobody else writes during `&mut self`.
            unsafe {
                ptr::copy_nonoverlapping(row.as_ptr(), data.add(index * stride as usize), row_bytes)
            };
        }
        Some(())
    }

    fn rows(
        &self,
        name: &str,
        address: usize,
        n_rows: usize,
        row_bytes: usize,
    ) -> Option<RawMemory> {
        let memory = self.memory(name)?;
        let end = address.checked_add(n_rows)?;
        (end <= memory.depth as usize && row_bytes <= memory.stride as usize).then_some(memory)
    }

    /// Resets the accelerator and runs images. `None` if a copy or the watch lies outside its memory, or if the frames
    /// are not those of the bytes.
    pub(crate) fn run(&mut self, job: &Job) -> Option<RunResult> {
        let n_images = job.frames.iter().filter(|n| **n == job.image_bytes as u64).count();
        let n_bytes = job.frames.iter().try_fold(0u64, |sum, n| sum.checked_add(*n))?;
        if n_bytes != job.bytes.len() as u64 || job.frames.contains(&0) || job.n_layers == 0 {
            return None;
        }
        let mut regions = Vec::with_capacity(job.copies.len());
        for copy in job.copies {
            let memory = self.rows(copy.memory, copy.address, copy.n_words, job.word_bytes)?;
            // SAFETY: `rows` checked that the address lies in the memory, or one past it with no words.
            let data = unsafe { memory.data.add(copy.address * memory.stride as usize) };
            regions.push(RawRegion {
                layer: copy.layer as u64,
                data,
                stride: memory.stride,
                n_words: copy.n_words as u64,
            });
        }
        let watch = match job.watch {
            None => ptr::null_mut(),
            Some(watch) => {
                let memory = self.rows(watch.memory, watch.address, 1, watch.byte + 1)?;
                // SAFETY: `rows` checked that the byte lies in the memory.
                unsafe { memory.data.add(watch.address * memory.stride as usize + watch.byte) }
            }
        };
        let image_output_bytes =
            job.copies.iter().map(|copy| copy.n_words).sum::<usize>() * job.word_bytes;
        let mut outputs = vec![0u8; n_images * image_output_bytes];
        let mut logits = vec![0i16; n_images * job.n_logits];
        let mut classes = vec![0u32; n_images];
        let mut registers = vec![0u32; n_images * job.n_layers * N_REGISTERS];
        let mut drained_cycles = vec![0u32; n_images * job.n_layers];
        let mut done_cycles = vec![0u64; n_images];
        let raw_job = RawJob {
            images: job.bytes.as_ptr(),
            frames: job.frames.as_ptr(),
            n_frames: job.frames.len() as u64,
            image_bytes: job.image_bytes as u64,
            n_images: n_images as u64,
            n_logits: job.n_logits as u64,
            n_layers: job.n_layers as u64,
            regions: regions.as_ptr(),
            n_regions: regions.len() as u64,
            word_bytes: job.word_bytes as u64,
            image_output_bytes: image_output_bytes as u64,
            reset_cycles: job.reset_cycles,
            cycle_limit: job.cycle_limit,
            back_to_back: u64::from(job.back_to_back),
            stall_seed: job.stall_seed,
            watch,
            watch_image: job.watch.map_or(u64::MAX, |watch| watch.image as u64),
            watch_layer: job.watch.map_or(u64::MAX, |watch| watch.layer as u64),
        };
        let mut result = RawResult {
            outputs: outputs.as_mut_ptr(),
            logits: logits.as_mut_ptr(),
            classes: classes.as_mut_ptr(),
            registers: registers.as_mut_ptr(),
            drained_cycles: drained_cycles.as_mut_ptr(),
            done_cycles: done_cycles.as_mut_ptr(),
            n_cycles: 0,
            cpu_ns: 0,
            watch_cycle: 0,
            output_cycles: 0,
            status: 0,
            image: 0,
            stream_layer: 0,
            drained_layers: 0,
            program_counter: 0,
            state: 0,
            n_bad_images: 0,
        };
        // SAFETY: the handle is live and exclusively borrowed. All pointers of the job and of the result are valid for
        // the sizes beside them until the call returns: the shim writes at most `n_images` entries of each output, and
        // reads the regions and writes the watched byte, which were checked against the memories of this very instance.
        unsafe { (self.functions.run)(self.handle.as_ptr(), &raw_job, &mut result) };
        Some(RunResult {
            n_cycles: result.n_cycles,
            cpu_time: Duration::from_nanos(result.cpu_ns),
            watch_cycle: result.watch_cycle,
            output_cycles: result.output_cycles,
            ending: match result.status {
                0 => Ending::Finished,
                1 => Ending::Timeout,
                2 => Ending::HardwareError,
                3 => Ending::ProtocolError,
                _ => Ending::Fatal,
            },
            image: result.image as usize,
            stream_layer: result.stream_layer,
            drained_layers: result.drained_layers,
            program_counter: result.program_counter,
            state: result.state,
            n_bad_images: result.n_bad_images,
            outputs,
            logits,
            classes,
            registers,
            drained_cycles,
            done_cycles,
        })
    }

    /// What the model said last, for [`Ending::Fatal`].
    pub(crate) fn message(&self) -> String {
        // SAFETY: the handle is live; the text ends in zero and stays until the next call, which needs `&mut self`.
        let text = unsafe { CStr::from_ptr((self.functions.message)(self.handle.as_ptr())) };
        text.to_string_lossy().into_owned()
    }

    /// Begins to write every signal to a file. `false` if the model cannot, or the file.
    pub(crate) fn begin_trace(&mut self, path: &Path) -> bool {
        let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else { return false };
        // SAFETY: the handle is live and exclusively borrowed, the path ends in zero.
        unsafe { (self.functions.trace)(self.handle.as_ptr(), path.as_ptr()) == 1 }
    }

    /// Finishes the file.
    pub(crate) fn end_trace(&mut self) {
        // SAFETY: the handle is live and exclusively borrowed.
        unsafe { (self.functions.end_trace)(self.handle.as_ptr()) }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the handle came from `new` of the same library and is freed once.
        unsafe { (self.functions.free)(self.handle.as_ptr()) }
    }
}

//! The library's own structures and functions, as `shim.cpp` declares them.

use std::ffi::{c_char, c_void};
use std::path::Path;

use libloading::{Library, Symbol};

/// Changes with every change of the structures below or of `shim.cpp`'s functions.
pub(crate) const ABI: u32 = 4;

/// A memory of the model as the library describes it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct RawMemory {
    pub(super) data: *mut u8,
    pub(super) stride: u64,
    pub(super) depth: u64,
}

#[repr(C)]
pub(super) struct RawRegion {
    pub(super) layer: u64,
    pub(super) data: *const u8,
    pub(super) stride: u64,
    pub(super) n_words: u64,
}

#[repr(C)]
pub(super) struct RawJob {
    pub(super) images: *const u8,
    pub(super) frames: *const u64,
    pub(super) n_frames: u64,
    pub(super) image_bytes: u64,
    pub(super) n_images: u64,
    pub(super) n_logits: u64,
    pub(super) n_layers: u64,
    pub(super) regions: *const RawRegion,
    pub(super) n_regions: u64,
    pub(super) word_bytes: u64,
    pub(super) image_output_bytes: u64,
    pub(super) reset_cycles: u64,
    pub(super) cycle_limit: u64,
    pub(super) most_cycles: u64,
    pub(super) back_to_back: u64,
    pub(super) stall_seed: u64,
    pub(super) watch: *mut u8,
    pub(super) watch_image: u64,
    pub(super) watch_layer: u64,
}

#[repr(C)]
pub(super) struct RawResult {
    pub(super) outputs: *mut u8,
    pub(super) logits: *mut i16,
    pub(super) classes: *mut u32,
    pub(super) registers: *mut u32,
    pub(super) drained_cycles: *mut u32,
    pub(super) done_cycles: *mut u64,
    pub(super) n_cycles: u64,
    pub(super) cpu_ns: u64,
    pub(super) watch_cycle: u64,
    pub(super) output_cycles: u32,
    pub(super) status: u32,
    pub(super) image: u32,
    pub(super) stream_layer: u32,
    pub(super) drained_layers: u32,
    pub(super) program_counter: u32,
    pub(super) state: u32,
    pub(super) n_bad_images: u32,
}

type New = unsafe extern "C" fn() -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Message = unsafe extern "C" fn(*mut c_void) -> *const c_char;
type FindMemory = unsafe extern "C" fn(*mut c_void, *const c_char, *mut RawMemory) -> u32;
type Run = unsafe extern "C" fn(*mut c_void, *const RawJob, *mut RawResult);
type Trace = unsafe extern "C" fn(*mut c_void, *const c_char) -> u32;

/// A loaded library and its functions.
pub(crate) struct Functions {
    pub(super) new: New,
    pub(super) free: Free,
    pub(super) message: Message,
    pub(super) find_memory: FindMemory,
    pub(super) run: Run,
    pub(super) trace: Trace,
    pub(super) end_trace: Free,
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

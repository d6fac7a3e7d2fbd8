//! The compiled model behind safe types: the only unsafe code of the workspace.

#![allow(
    unsafe_code,
    reason = "a library that is compiled at run time can only be called through raw symbols"
)]

mod raw;

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use super::job::{Ending, Job, MemoryShape, N_REGISTERS, RunResult};
use raw::{RawJob, RawMemory, RawRegion, RawResult};

pub(crate) use raw::{ABI, Functions};

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

    /// The first rows of a memory, `row_bytes` bytes of each. `None` if the memory is missing or too small.
    pub(crate) fn peek(&self, name: &str, n_rows: usize, row_bytes: usize) -> Option<Vec<u8>> {
        let RawMemory { data, stride, .. } = self.rows(name, 0, n_rows, row_bytes)?;
        let mut bytes = vec![0; n_rows * row_bytes];
        for (index, row) in bytes.chunks_exact_mut(row_bytes.max(1)).enumerate() {
            // SAFETY: `rows` checked that the row lies in the memory, which lives as long as the handle and which nobody
            // writes during `&self`.
            unsafe {
                ptr::copy_nonoverlapping(
                    data.add(index * stride as usize),
                    row.as_mut_ptr(),
                    row_bytes,
                )
            };
        }
        Some(bytes)
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
            most_cycles: job.most_cycles,
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
            status: Ending::Finished as u32,
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
            ending: Ending::of(result.status),
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

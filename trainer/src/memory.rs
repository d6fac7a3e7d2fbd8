//! How the C library gives memory back to the system: as good as never.
//!
//! Every batch asks for the same large blocks again. By default the allocator returns each to the system and has it
//! zeroed page by page the next time, which costs a third of the time of a small network's training.

use std::ffi::OsString;

/// Read by the C library when a program starts (`man mallopt`).
pub(crate) const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
    ("MALLOC_TRIM_THRESHOLD_", "8589934592"),
    ("MALLOC_TOP_PAD_", "67108864"),
];

/// Starts this program again in the same process with the settings, unless one of them is set.
///
/// Returns where there is nothing to do; where the start fails, training is slower and nothing else.
pub fn keep_freed_memory() {
    #[cfg(target_os = "linux")]
    if SETTINGS.iter().all(|(name, _)| std::env::var_os(name).is_none()) {
        use std::os::unix::process::CommandExt;
        let Ok(program) = std::env::current_exe() else { return };
        let mut arguments = std::env::args_os();
        let name: OsString = arguments.next().unwrap_or_default();
        let error =
            std::process::Command::new(program).arg0(name).args(arguments).envs(SETTINGS).exec();
        flow::progress::say(&format!(
            "warning: memory settings cannot be made ({error}); training is slower"
        ));
    }
}

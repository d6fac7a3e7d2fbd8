//! Tells the linker where libtorch is, so that the program runs from a clean shell, and from one that names another.

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
        // An RPATH: unlike a RUNPATH it goes before LD_LIBRARY_PATH, where another libtorch may lie.
        println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags");
    }
}

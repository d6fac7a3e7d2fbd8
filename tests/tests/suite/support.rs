//! What several modules need: cases, arrays as models, and the `twofold` program in a checkout of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use codegen::Options;
use flow::cases::{Case, Shortcut, Topology};
use sim::Machine;
use spec::{ArrayConfig, Normalize, Pattern, Preprocess, Program, QuantNetwork, Transfer};
use tempfile::TempDir;
pub(crate) use twofold_tests::design::{array, verilog_with};
pub(crate) use twofold_tests::executor::machine;

/// The checkout that these tests are part of.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in a folder of the checkout")
}

/// A case of tests/cases.
pub(crate) fn case(name: &str) -> Case {
    Case::read(&root().join("tests/cases"), name).expect("the case exists")
}

/// A toy network of images of 12 x 10 pixels, with the classes a to e.
pub(crate) fn toy_of_images() -> QuantNetwork {
    let mut network = Topology::Toy.network(Pattern::UhpShared, 16, Shortcut::Identity, 1);
    network.classes = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
    network.input.preprocess = Some(Preprocess {
        height: 12,
        width: 10,
        channels: 3,
        downsample: 1,
        transfer: Transfer::Linear,
        normalize: Normalize::PerChip,
        scale: 0.25,
        clip: 1.0,
        zero_point: None,
    });
    network
}

/// An 8-bit gray BMP of 12 x 10 pixels, from this value on.
pub(crate) fn bmp(first: u8) -> Vec<u8> {
    let (width, height) = (12u32, 10u32);
    let offset = 54 + 1024;
    let mut bytes = b"BM".to_vec();
    let header = [
        offset + width * height,
        0,
        offset,
        40,
        width,
        height,
        8 << 16 | 1,
        0,
        width * height,
        2835,
        2835,
        256,
        0,
    ];
    bytes.extend(header.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend((0..=255u8).flat_map(|gray| [gray, gray, gray, 0]));
    bytes.extend((0..width * height).map(|pixel| first.wrapping_add(pixel as u8)));
    bytes
}

/// Compiles and loads a network.
pub(crate) fn load(
    machine: &mut Machine,
    network: &QuantNetwork,
    config: &ArrayConfig,
    options: &Options,
) -> Program {
    let program = codegen::compile(network, config, options).expect("the network fits");
    machine.load(&program).expect("the program fits the machine");
    program
}

/// The `twofold` program of this build; built if cargo has not done so for these tests.
pub(crate) fn twofold() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("a test is a program");
        let profile = test.ancestors().nth(2).expect("tests lie in deps of a profile's folder");
        let target = profile.parent().expect("a profile's folder is in the target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .current_dir(root())
            .args(["build", "--quiet", "--bin", "twofold", "--target-dir"])
            .arg(target);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile.join("twofold")
    });
    &PROGRAM
}

/// A checkout with a `build` folder of its own, so that no run sees what another leaves. Cases, networks, waivers, tools
/// and the cache of models are those of the real one.
pub(crate) struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// With the tools.
    pub(crate) fn new() -> Self {
        let checkout = Self::without_tools();
        symlink(root().join(".tools"), checkout.path(".tools")).expect("the folder is new");
        fs::create_dir_all(root().join("build/model")).expect("the checkout is writable");
        fs::create_dir(checkout.path("build")).expect("the folder is new");
        symlink(root().join("build/model"), checkout.path("build/model"))
            .expect("the folder is new");
        checkout
    }

    /// As on a machine where no tool was set up.
    pub(crate) fn without_tools() -> Self {
        let parent = root().join("build");
        fs::create_dir_all(&parent).expect("the checkout is writable");
        // Not in the system's folder for temporary files, which the tools in WebAssembly do not see.
        let folder = tempfile::Builder::new()
            .prefix("test-")
            .tempdir_in(parent)
            .expect("the checkout is writable");
        let checkout = Self { folder };
        for name in ["constraints", "scripts", "hw", "networks", "tests"] {
            fs::create_dir(checkout.path(name)).expect("the folder is new");
        }
        fs::write(checkout.path("scripts/setup.sh"), "").expect("the folder is writable");
        for name in ["hw/lint.vlt", "tests/cases"] {
            symlink(root().join(name), checkout.path(name)).expect("the folder is new");
        }
        checkout
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `twofold` with arguments, run in the checkout.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(twofold());
        command.current_dir(self.folder.path()).env("TWOFOLD_ROOT", self.folder.path()).args(args);
        command
    }

    /// Runs `twofold` to a success and gives its stdout.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("twofold starts");
        let Output { status, stdout, stderr } = &output;
        assert!(
            status.success(),
            "twofold {}: {status}\n{}",
            args.join(" "),
            String::from_utf8_lossy(stderr)
        );
        String::from_utf8(stdout.clone()).expect("twofold writes UTF-8")
    }
}

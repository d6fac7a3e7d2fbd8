//! Models: built, cached, damaged, traced.

use std::fs;
use std::path::Path;

use sim::tools::Tools;
use sim::{Machine, Model, TraceMode};
use twofold_sim as sim;

use crate::support::{VERILOG, alone, config, expected, image, program, tools};

#[test]
fn a_model_is_built_once_and_again_if_its_file_is_damaged() {
    let cache = tempfile::tempdir().unwrap();
    let build = || Model::build_in(&tools(), cache.path(), VERILOG, TraceMode::Off).unwrap();
    let library = || {
        let mut libraries = Vec::new();
        for entry in fs::read_dir(cache.path()).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with(".partial"), "{name} is left over");
            if name.ends_with(".so") {
                libraries.push((entry.path(), entry.metadata().unwrap().modified().unwrap()));
            }
        }
        assert_eq!(libraries.len(), 1);
        libraries.remove(0)
    };
    std::thread::scope(|scope| {
        scope.spawn(build);
        scope.spawn(build);
    });
    let first = library();
    build();
    assert_eq!(library(), first);
    let whole = fs::read(&first.0).unwrap();
    // What was cut off or changed would end this process by a signal when it is called.
    for damaged in [b"not a library".as_slice(), &whole[..whole.len() / 2], &[]] {
        // Another file, for the old one is loaded in this process.
        fs::remove_file(&first.0).unwrap();
        fs::write(&first.0, damaged).unwrap();
        let mut machine = Machine::new(&build(), &config()).unwrap();
        machine.load(&program()).unwrap();
        let output = machine.run(&[&image(1)], &alone()).unwrap();
        assert_eq!(output.images[0].logits, expected(&image(1)).logits);
        assert_eq!(fs::metadata(&first.0).unwrap().len(), whole.len() as u64);
    }
    // So do the objects that every model shares, and a library without its record.
    fs::remove_file(first.0.with_extension("json")).unwrap();
    let mut n_objects = 0;
    for folder in fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()) {
        for object in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path())
        {
            if object.extension().is_some_and(|extension| extension == "o") {
                let half = fs::metadata(&object).unwrap().len() / 2;
                fs::File::options().write(true).open(&object).unwrap().set_len(half).unwrap();
                n_objects += 1;
            }
        }
    }
    assert!(n_objects >= 2, "{n_objects}");
    build();
    assert_eq!(fs::metadata(&first.0).unwrap().len(), whole.len() as u64);

    // Neither Verilator nor a compiler is needed for what is there; for anything else they are.
    let nothing = Tools::at(cache.path(), "", None);
    let model = Model::build_in(&nothing, cache.path(), VERILOG, TraceMode::Off).unwrap();
    Machine::new(&model, &config()).unwrap();
    let changed = format!("{VERILOG}\n");
    let error = Model::build_in(&nothing, cache.path(), &changed, TraceMode::Off).err().unwrap();
    assert!(error.to_string().starts_with("Verilator is not set up in "), "{error}");
}

/// A checkout whose Verilator is a script.
fn with_verilator(script: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join(".tools/venv/lib/python3/site-packages/verilator");
    fs::create_dir_all(package.join("bin")).unwrap();
    fs::write(root.path().join(".tools/venv/verilator.stamp"), "").unwrap();
    executable(&package.join("bin/verilator_bin"), script);
    std::os::unix::fs::symlink(tools().verilator().unwrap().include_dir(), package.join("include"))
        .unwrap();
    root
}

fn executable(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk_is_named_at_every_step() {
    let real = tools().verilator().unwrap();
    let (root, binary) = (real.root.display(), real.binary.display());
    // Verilator does not notice that its files were cut off, and ends as if all were well.
    for (file, size) in
        [("Vmodel___024root.h", 1500), ("Vmodel___024root__0.cpp", 4096), ("Vmodel__ver.d", 0)]
    {
        let script = format!(
            "export VERILATOR_ROOT='{root}'; '{binary}' \"$@\" || exit; \
             while [ \"$1\" != --Mdir ]; do shift; done; truncate -s {size} \"$2/{file}\""
        );
        let checkout = with_verilator(&script);
        let tools = Tools::at(checkout.path(), std::env::var_os("PATH").unwrap(), None);
        let error =
            Model::build_in(&tools, &checkout.path().join("cache"), VERILOG, TraceMode::Off);
        let error = error.err().unwrap().to_string();
        assert!(
            error
                .contains(&format!("{file} was cut off when Verilator wrote it; help: free space")),
            "{error}"
        );
    }
    // Compilers do notice.
    let folder = tempfile::tempdir().unwrap();
    let compiler = folder.path().join("full++");
    executable(
        &compiler,
        "echo 'ld: final link failed: No space left on device' >&2; echo 'error: 1' >&2; exit 1",
    );
    let tools = Tools::at(tools().root(), "", Some(compiler.display().to_string()));
    let error = Model::build_in(&tools, &folder.path().join("cache"), VERILOG, TraceMode::Off);
    let error = error.err().unwrap().to_string();
    let expected = format!(
        "{} has no room for the model: ld: final link failed: No space left on device; help: free space",
        compiler.display()
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_trace_holds_the_signals_under_their_names() {
    let model = Model::build(&tools(), VERILOG, TraceMode::Fst).unwrap();
    let mut machine = Machine::new(&model, &config()).unwrap();
    machine.load(&program()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.fst");
    let output = machine.trace(&image(3), &path, &alone()).unwrap();
    assert_eq!(output.images[0].logits, expected(&image(3)).logits);

    let mut reader =
        fst_reader::FstReader::open(std::io::BufReader::new(fs::File::open(&path).unwrap()))
            .unwrap();
    let mut scope = Vec::new();
    let mut names = Vec::new();
    reader
        .read_hierarchy(|entry| match entry {
            fst_reader::FstHierarchyEntry::Scope { name, .. } => scope.push(name),
            fst_reader::FstHierarchyEntry::UpScope => drop(scope.pop()),
            fst_reader::FstHierarchyEntry::Var { name, handle, .. } => {
                names.push((format!("{}.{name}", scope.join(".")), handle.get_index()));
            }
            _ => {}
        })
        .unwrap();
    let find = |end: &str| {
        let found = names.iter().find(|(name, _)| name.ends_with(end));
        found.unwrap_or_else(|| panic!("no {end} in {names:?}")).1
    };
    let drained = find("accelerator.drained_layers [7:0]");
    find("bank1.write");
    let mut values = Vec::new();
    reader
        .read_signals(
            &fst_reader::FstFilter::filter_signals(vec![fst_reader::FstSignalHandle::from_index(
                drained,
            )]),
            |_, _, value| {
                if let fst_reader::FstSignalValue::String(bits) = value {
                    values.push(String::from_utf8(bits.to_vec()).unwrap());
                }
                Ok::<(), std::convert::Infallible>(())
            },
        )
        .unwrap();
    let last = values.last().unwrap();
    assert_eq!(u8::from_str_radix(last, 2).unwrap(), 4, "{values:?}");

    let error = machine
        .trace(&image(3), &folder.path().join("none/x.fst"), &alone())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot write the trace "), "{error}");
}

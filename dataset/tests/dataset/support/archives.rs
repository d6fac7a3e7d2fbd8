//! Small CIFAR data sets, and archives.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A CIFAR record: the labels, then red, green and blue planes that tell where they are.
pub(crate) fn record(labels: &[u8], seed: u8) -> Vec<u8> {
    let plane = |channel: u8| {
        (0..1024)
            .map(move |idx: u32| (idx as u8) ^ (idx >> 8) as u8 ^ seed.wrapping_mul(7) ^ channel)
    };
    labels.iter().copied().chain([0, 0x40, 0x80].into_iter().flat_map(plane)).collect()
}

/// Class names `prefix0`, `prefix1`, ...
pub(crate) fn names(prefix: &str, n: usize) -> String {
    (0..n).map(|idx| format!("{prefix}{idx}\n")).collect()
}

/// A small CIFAR-100: `per_class` training records and one test record a class, classes in turn.
pub(crate) fn cifar100(per_class: usize) -> Vec<(String, Vec<u8>)> {
    let records = |n: usize| {
        (0..n).flat_map(|idx| record(&[(idx % 20) as u8, (idx % 100) as u8], idx as u8)).collect()
    };
    vec![
        ("cifar-100-binary/train.bin".into(), records(100 * per_class)),
        ("cifar-100-binary/test.bin".into(), records(100)),
        ("cifar-100-binary/fine_label_names.txt".into(), names("fine", 100).into_bytes()),
        ("cifar-100-binary/coarse_label_names.txt".into(), names("coarse", 20).into_bytes()),
    ]
}

/// A small CIFAR-10: 8 records a batch. As in the official files, the names end with an empty line.
pub(crate) fn cifar10() -> Vec<(String, Vec<u8>)> {
    let records = |from: usize, n: usize| {
        (from..from + n).flat_map(|idx| record(&[(idx % 10) as u8], idx as u8)).collect()
    };
    let batch = |idx: usize| {
        (format!("cifar-10-batches-bin/data_batch_{idx}.bin"), records((idx - 1) * 8, 8))
    };
    let mut files: Vec<_> = (1..=5).map(batch).collect();
    files.push(("cifar-10-batches-bin/test_batch.bin".into(), records(3, 10)));
    let names = format!("{}\n", names("class", 10));
    files.push(("cifar-10-batches-bin/batches.meta.txt".into(), names.into_bytes()));
    files
}

/// A tar archive with the folders' own entries.
pub(crate) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut folders = Vec::new();
    for (name, bytes) in files {
        let folder = name.split('/').next().unwrap_or_default().to_owned();
        if !folders.contains(&folder) {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(0o755);
            builder.append_data(&mut header, format!("{folder}/"), &[][..]).unwrap();
            folders.push(folder);
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

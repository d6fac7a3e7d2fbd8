//! Everything that people may hold by mistake: each is refused in one line that names the file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use twofold_dataset::Split;

use crate::support::{
    Data, Phoenix, bmp, cifar10, cifar100, gzip, jpeg, names, png, read_image, tar, tiff,
};

/// What was refused, and in which words.
#[derive(Default)]
struct Refusals {
    text: String,
    n: usize,
}

impl Refusals {
    /// Loads all that is at `name` in the data, which must be refused by a line that names `file`.
    fn add(&mut self, what: &str, data: &Data, name: &str, file: &str) {
        let splits = [Split::Test, Split::Train, Split::Validation];
        let error = splits.into_iter().find_map(|split| data.load_at(name, split).err());
        let message = data.shown(&error.unwrap_or_else(|| panic!("{what}: not refused")));
        let named = if file.is_empty() { "DATA: ".to_owned() } else { format!("DATA/{file}: ") };
        assert!(message.starts_with(&named), "{what}: {message}");
        assert!(!message.contains('\n'), "{what}: {message}");
        self.text += &format!("{what}:\n  {message}\n");
        self.n += 1;
    }
}

type Files = Vec<(String, Vec<u8>)>;

/// Files of a CIFAR after a change, as a folder `x`.
fn folder(mut files: Files, change: impl Fn(&mut Files)) -> Data {
    change(&mut files);
    let data = Data::new();
    for (name, bytes) in files {
        data.write(&format!("x/{}", name.split_once('/').unwrap().1), bytes);
    }
    data
}

/// Files of a CIFAR after a change, as an archive `x.tar.gz` that may be damaged.
fn archive(
    mut files: Files,
    change: impl Fn(&mut Files),
    damage: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Data {
    change(&mut files);
    let data = Data::new();
    data.write("x.tar.gz", damage(gzip(&tar(&files))));
    data
}

fn file<'a>(files: &'a mut Files, name: &str) -> &'a mut Vec<u8> {
    &mut files.iter_mut().find(|file| file.0.ends_with(name)).unwrap().1
}

#[test]
fn cifar() {
    let mut all = Refusals::default();
    let whole = |bytes: Vec<u8>| bytes;
    let remove =
        |name: &'static str| move |files: &mut Files| files.retain(|file| !file.0.ends_with(name));

    let data = folder(cifar100(3), |files| file(files, "train.bin").truncate(3074 * 7 + 1000));
    all.add("truncated record", &data, "x", "x/train.bin");
    let data = archive(cifar100(3), |files| file(files, "test.bin").truncate(3073), whole);
    let member = "x.tar.gz/cifar-100-binary/test.bin";
    all.add("truncated record in an archive", &data, "x.tar.gz", member);
    let data = folder(cifar100(3), |files| file(files, "test.bin")[3074 * 5 + 1] = 100);
    all.add("fine label out of range", &data, "x", "x/test.bin");
    let data = folder(cifar100(3), |files| file(files, "test.bin")[3074 * 2] = 20);
    all.add("coarse label out of range", &data, "x", "x/test.bin");
    let data = folder(cifar10(), |files| file(files, "data_batch_4.bin")[3073] = 10);
    all.add("label out of range in a batch", &data, "x", "x/data_batch_4.bin");
    let data = folder(cifar10(), |files| *file(files, "batch_1.bin") = cifar100(1)[0].1.clone());
    all.add("records of the other CIFAR", &data, "x", "x/data_batch_1.bin");
    all.add("no test file", &folder(cifar100(3), remove("test.bin")), "x", "x");
    all.add("no training file", &folder(cifar100(3), remove("train.bin")), "x", "x");
    all.add("a batch missing", &folder(cifar10(), remove("data_batch_3.bin")), "x", "x");
    all.add("no class names", &folder(cifar10(), remove("batches.meta.txt")), "x", "x");
    let data = archive(cifar100(3), remove("fine_label_names.txt"), whole);
    all.add("no class names in the archive", &data, "x.tar.gz", "x.tar.gz");
    let data = archive(cifar100(3), remove("test.bin"), whole);
    all.add("no test file in the archive", &data, "x.tar.gz", "x.tar.gz");
    let short = |files: &mut Files| *file(files, "fine_label_names.txt") = names("c", 99).into();
    all.add("class names too few", &folder(cifar100(3), short), "x", "x/fine_label_names.txt");
    let twice = |files: &mut Files| {
        *file(files, "batches.meta.txt") = format!("{}c3\n", names("c", 9)).into();
    };
    all.add("a class name twice", &folder(cifar10(), twice), "x", "x/batches.meta.txt");
    let data = folder(cifar10(), |files| file(files, "test_batch.bin").clear());
    all.add("empty record file", &data, "x", "x/test_batch.bin");
    all.add("one record a class", &folder(cifar100(1), |_| {}), "x", "x");

    let flip = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        bytes
    };
    let data = archive(cifar100(3), |_| {}, flip);
    all.add("damaged gzip", &data, "x.tar.gz", "x.tar.gz");
    let checksum = |mut bytes: Vec<u8>| {
        let end = bytes.len() - 6;
        bytes[end] ^= 1;
        bytes
    };
    let data = archive(cifar100(3), |_| {}, checksum);
    all.add("wrong checksum", &data, "x.tar.gz", "x.tar.gz");
    let data = archive(cifar100(3), |_| {}, |bytes| bytes[..bytes.len() / 2].to_vec());
    all.add("half an archive", &data, "x.tar.gz", "x.tar.gz");
    let data = archive(cifar100(3), |_| {}, |_| b"this is no archive at all".to_vec());
    all.add("text named as an archive", &data, "x.tar.gz", "x.tar.gz");
    let data = archive(cifar100(3), |_| {}, |_| Vec::new());
    all.add("archive of no bytes", &data, "x.tar.gz", "x.tar.gz");
    let data = archive(cifar100(3), |_| {}, |_| gzip(b"this is no tar file, though it is gzip"));
    all.add("gzip of no tar file", &data, "x.tar.gz", "x.tar.gz");
    let python = |files: &mut Files| {
        *files =
            ["train", "test", "meta"].map(|name| (format!("p/{name}"), vec![0x80, 2])).to_vec();
    };
    let data = archive(Vec::new(), python, whole);
    all.add("the version for Python", &data, "x.tar.gz", "x.tar.gz");
    all.add("no such archive", &Data::new(), "x.tar.gz", "x.tar.gz");
    let data = Data::new();
    data.pipe("x.tar.gz");
    all.add("a named pipe for an archive", &data, "x.tar.gz", "x.tar.gz");
    let data = folder(cifar100(3), remove("train.bin"));
    data.pipe("x/train.bin");
    all.add("a named pipe for records", &data, "x", "x/train.bin");
    let data = Data::new();
    let mut header = tar::Header::new_gnu();
    header.set_path("cifar-100-binary/test.bin").unwrap();
    header.set_size(16 << 30);
    header.set_cksum();
    data.write("x.tar.gz", gzip(&[&header.as_bytes()[..], &[0; 2048]].concat()));
    all.add("16 GiB promised in an archive", &data, "x.tar.gz", member);

    assert_eq!(all.n, 27);
    insta::assert_snapshot!(all.text);
}

/// More than 64 bits hold, and more than fits into a line.
const LONG: &str = "999999999999999999999999999999999999999999999999999999999999";

/// Two classes of originals, the first file of which is `bytes`.
fn originals(bytes: &[u8]) -> Data {
    let data = Data::new();
    for name in ["17_DEG/D7/1.000", "17_DEG/D7/2.000", "17_DEG/D7/3.000", "15_DEG/D7/9.000"] {
        data.write(name, Phoenix::new(2, 2).bytes());
        data.write(&name.replace("D7", "T72"), Phoenix::new(2, 2).bytes());
    }
    data.write("17_DEG/D7/2.000", bytes);
    data
}

#[test]
fn mstar_originals() {
    let mut all = Refusals::default();
    let mut bad = |what: &str, bytes: &[u8]| {
        all.add(what, &originals(bytes), "", "17_DEG/D7/2.000");
    };
    let with = |key, value| Phoenix::new(2, 2).with(key, value).bytes();
    let good = Phoenix::new(2, 2).bytes();
    let data_start = good.len() - 32;

    bad("header without end", &good[..data_start - 8]);
    bad("header without rows", &with("NumberOfRows", None));
    bad("header without columns", &with("NumberOfColumns", None));
    bad("header without its length", &with("PhoenixHeaderLength", None));
    bad("wrong header", b"[PhoenixHeaderVer01.04]\nnothing\n[EndofPhoenixHeader]\n");
    bad("zero rows", &with("NumberOfRows", Some("0")));
    bad("rows that are no number", &with("NumberOfRows", Some("many")));
    bad("negative columns", &with("NumberOfColumns", Some("-128")));
    bad("16 GiB of magnitudes", &with("NumberOfRows", Some("65536")));
    bad("absurd header length", &with("PhoenixHeaderLength", Some("17179869184")));
    bad("header length beyond 64 bits", &with("PhoenixHeaderLength", Some(LONG)));
    bad("header shorter than itself", &with("PhoenixHeaderLength", Some("0024")));
    bad("absurd native header", &with("native_header_length", Some("17179869184")));
    bad("more rows than data", &with("NumberOfRows", Some("4096")));
    bad("truncated magnitude", &good[..data_start + 15]);
    bad("no magnitude", &good[..data_start]);
    bad("truncated phase", &good[..data_start + 31]);
    for (what, value) in [("NaN", f32::NAN), ("infinite", f32::INFINITY), ("negative", -1.5)] {
        let mut file = Phoenix::new(2, 2);
        file.magnitudes[2] = value;
        bad(&format!("{what} magnitude"), &file.bytes());
    }
    bad("a size that is no number", &with("PhoenixSigSize", Some("large")));
    let mut sixteen = Phoenix::new(2, 2);
    sixteen.is_sixteen = true;
    bad("16 bits that nothing proves", &sixteen.bytes());
    bad("a web page among the originals", b"<html><body>MSTAR</body></html>");
    bad("file of no bytes", b"");

    let data = originals(&good);
    data.gray(&[("17_DEG/D7/4.png", 1)]);
    all.add("copy beside the originals", &data, "", "17_DEG/D7/4.png");
    let data = originals(&good);
    fs::remove_dir_all(data.path("15_DEG")).unwrap();
    all.add("one angle without the other", &data, "", "");
    assert_eq!(all.n, 26);
    insta::assert_snapshot!(all.text);
}

/// Two classes of images, of which one is `bytes`.
fn images(ending: &str, bytes: &[u8]) -> Data {
    let data = Data::new();
    for idx in 0..3 {
        data.gray(&[(&format!("x/a/{idx}.png"), 1), (&format!("x/b/{idx}.png"), 2)]);
    }
    data.write(&format!("x/b/bad.{ending}"), bytes);
    data
}

#[test]
fn images_and_folders() {
    let mut all = Refusals::default();
    let mut bad = |what: &str, ending: &str, bytes: &[u8]| {
        all.add(what, &images(ending, bytes), "x", &format!("x/b/bad.{ending}"));
    };
    let samples: Vec<u8> = (0..64).collect();
    let (png8, tiff8) = (png(8, 8, 8, 0, &samples), tiff(8, 8, 8, 1, &samples));
    let (bmp8, jpeg8) = (bmp(8, 8, &samples), jpeg());

    bad("image of no bytes", "png", b"");
    bad("text named as an image", "png", b"this is no image at all");
    bad("truncated PNG", "png", &png8[..60]);
    bad("truncated JPEG", "jpg", &jpeg8[..100]);
    bad("truncated TIFF", "tif", &tiff8[..60]);
    bad("truncated TIFF directory", "tiff", &tiff8[..90]);
    bad("truncated BMP", "bmp", &bmp8[..1100]);
    bad("PNG of 16 GiB", "png", &png(131_072, 131_072, 8, 0, &samples));
    bad("TIFF of 16 GiB", "tif", &tiff(131_072, 131_072, 8, 1, &samples));
    bad(
        "BMP of 16 GiB",
        "bmp",
        &bmp(8, 8, &samples)
            .patched(18, &131_072_u32.to_le_bytes())
            .patched(22, &131_072_u32.to_le_bytes()),
    );
    bad("JPEG larger than any chip", "jpg", &jpeg8.patched(76, &[0xff, 0xff, 0xff, 0xff]));
    bad("TIFF of no rows", "tif", &tiff(8, 0, 8, 1, &samples));
    bad("a file that is no image", "txt", b"notes");
    bad("a file without an ending", "", b"notes");

    let data = images("txt", b"");
    fs::remove_file(data.path("x/b/bad.txt")).unwrap();
    symlink("nowhere", data.path("x/b/bad.png")).unwrap();
    all.add("a link to nothing", &data, "x", "x/b/bad.png");
    fs::remove_file(data.path("x/b/bad.png")).unwrap();
    data.pipe("x/b/bad.png");
    all.add("a named pipe", &data, "x", "x/b/bad.png");
    fs::remove_file(data.path("x/b/bad.png")).unwrap();
    fs::create_dir(data.path("x/b/bad.png")).unwrap();
    all.add("a folder named as an image", &data, "x", "x/b/bad.png");
    fs::remove_dir(data.path("x/b/bad.png")).unwrap();
    symlink(".", data.path("x/b/loop")).unwrap();
    all.add("a folder within itself", &data, "x", "x/b/loop");
    fs::remove_file(data.path("x/b/loop")).unwrap();
    fs::create_dir_all(data.path("x/c/nested")).unwrap();
    all.add("a class of empty folders", &data, "x", "x/c");
    fs::remove_dir_all(data.path("x/c")).unwrap();
    let latin = data.path("x").join(OsStr::from_bytes(b"stra\xdfe"));
    fs::create_dir(&latin).unwrap();
    fs::copy(data.path("x/a/1.png"), latin.join("1.png")).unwrap();
    all.add("a class name in Latin-1", &data, "x", "x/stra\u{fffd}e");
    fs::remove_dir_all(latin).unwrap();
    fs::remove_dir_all(data.path("x/b")).unwrap();
    all.add("one class", &data, "x", "x");
    fs::rename(data.path("x/a"), data.path("x/TRAIN")).unwrap();
    all.add("train without test", &data, "x", "x");
    fs::remove_dir_all(data.path("x/TRAIN")).unwrap();
    all.add("no classes", &data, "x", "x");
    data.write("x/file", "");
    all.add("a file for a folder", &data, "x/file", "x/file");
    assert_eq!(all.n, 24);
    insta::assert_snapshot!(all.text);
}

#[test]
fn devices_pipes_and_absurd_sizes() {
    let mut all = Refusals::default();
    // Holes take no room on disk.
    let sparse = |data: &Data, name: &str, n_bytes: u64| {
        fs::remove_file(data.path(name)).unwrap_or_default();
        fs::File::create(data.path(name)).unwrap().set_len(n_bytes).unwrap();
    };
    let device = |data: &Data, name: &str| {
        fs::remove_file(data.path(name)).unwrap_or_default();
        symlink("/dev/zero", data.path(name)).unwrap();
    };
    let data = images("png", b"");
    device(&data, "x/b/bad.png");
    all.add("a device for an image", &data, "x", "x/b/bad.png");
    sparse(&data, "x/b/bad.png", 600 << 20);
    all.add("an image of 600 MiB", &data, "x", "x/b/bad.png");
    let data = originals(b"");
    device(&data, "17_DEG/D7/2.000");
    all.add("a device for an original", &data, "", "17_DEG/D7/2.000");
    sparse(&data, "17_DEG/D7/2.000", 600 << 20);
    all.add("an original of 600 MiB", &data, "", "17_DEG/D7/2.000");
    let data = folder(cifar10(), |_| {});
    device(&data, "x/batches.meta.txt");
    all.add("a device for class names", &data, "x", "x/batches.meta.txt");
    sparse(&data, "x/batches.meta.txt", 1 << 20);
    all.add("class names of 1 MiB", &data, "x", "x/batches.meta.txt");
    let data = folder(cifar10(), |_| {});
    sparse(&data, "x/test_batch.bin", 1 << 30);
    all.add("records of 1 GiB", &data, "x", "x/test_batch.bin");
    let data = Data::new();
    device(&data, "x.tar.gz");
    all.add("a device for an archive", &data, "x.tar.gz", "x.tar.gz");
    sparse(&data, "x.tar.gz", 5 << 30);
    all.add("an archive of 5 GiB", &data, "x.tar.gz", "x.tar.gz");
    device(&data, "file");
    all.add("a device for a folder", &data, "file", "file");

    data.pipe("pipe.png");
    let error = data.shown(&read_image(&data.path("pipe.png")).unwrap_err());
    assert_eq!(error, "DATA/pipe.png: cannot be read: it is a FIFO, not a regular file");
    assert_eq!(all.n, 10);
    insta::assert_snapshot!(all.text);
}

trait Patched {
    /// With other bytes at a position.
    fn patched(&self, at: usize, bytes: &[u8]) -> Vec<u8>;
}

impl Patched for Vec<u8> {
    fn patched(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut patched = self.clone();
        patched[at..at + bytes.len()].copy_from_slice(bytes);
        patched
    }
}

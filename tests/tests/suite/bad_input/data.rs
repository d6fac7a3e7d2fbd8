//! Folders of images that are none.

use std::fs;
use std::path::Path;

use spec::files::write_network;

use super::{FAILURE, Refusals};
use crate::support::{Checkout, bmp, toy_of_images};

fn chips(folder: &Path, classes: &[&str]) {
    for class in classes {
        fs::create_dir_all(folder.join(class)).expect("the folder is writable");
        for index in 0..10 {
            let file = folder.join(class).join(format!("{index}.bmp"));
            fs::write(file, bmp(0)).expect("the folder is writable");
        }
    }
}

#[test]
fn a_wrong_folder_of_images() {
    let mut refusals = Refusals::of(Checkout::new());
    let network = toy_of_images();
    write_network(&network, &refusals.path("net")).unwrap();
    let classes = ["a", "b", "c", "d", "e"];
    let sim = |data| ["sim", "--network", "net", "--data", data];

    refusals.refuses("no such folder", FAILURE, &sim("chips"));
    let folder = refusals.path("chips");
    fs::create_dir(&folder).unwrap();
    refusals.refuses("no classes", FAILURE, &sim("chips"));
    chips(&folder, &["z"]);
    refusals.refuses("one class, which the network does not know", FAILURE, &sim("chips"));
    fs::rename(folder.join("z"), folder.join("a")).unwrap();
    fs::create_dir(folder.join("b")).unwrap();
    refusals.refuses("empty class folder", FAILURE, &sim("chips"));
    fs::write(folder.join("b/notes.txt"), "none").unwrap();
    refusals.refuses("a file that is no image", FAILURE, &sim("chips"));
    fs::remove_file(folder.join("b/notes.txt")).unwrap();
    fs::write(folder.join("b/0.png"), "this is no PNG file").unwrap();
    chips(&folder, &classes[2..]);
    fs::create_dir_all(refusals.path("split/train")).unwrap();
    refusals.refuses("training images without test images", FAILURE, &sim("split"));
    fs::rename(&folder, refusals.path("split/test")).unwrap();
    chips(&refusals.path("split/train"), &classes);
    refusals.refuses("unreadable image", FAILURE, &sim("split"));
    let broken = refusals.path("split/test/b/0.png");
    fs::write(&broken, [&b"\x89PNG\r\n\x1a\n"[..], &[0; 40]].concat()).unwrap();
    refusals.refuses("damaged image", FAILURE, &sim("split"));
    fs::write(&broken, "").unwrap();
    refusals.refuses("image of no bytes", FAILURE, &sim("split"));
    fs::write(&broken, &bmp(0)[..600]).unwrap();
    refusals.refuses("truncated image", FAILURE, &sim("split"));
    fs::write(&broken, bmp(0)).unwrap();
    fs::rename(refusals.path("split/test/b"), refusals.path("split/test/x")).unwrap();
    refusals.refuses("a class that the network does not know", FAILURE, &sim("split"));
    refusals.refuses("no network for the classes", FAILURE, &["sim", "--data", "split"]);
    assert_eq!(refusals.n, 12);
    insta::assert_snapshot!(refusals.text);
}

//! Images that end early or late: dropped and counted, and no other image is touched.

use codegen::Options;
use sim::{BadImages, Machine, RunOptions};

use crate::support::{case, load, machine};

struct Stream {
    machine: Machine,
    images: Vec<Vec<i8>>,
}

impl Stream {
    fn new() -> Self {
        let case = case("tiny-uhp");
        let network = case.build();
        let config = case.config().expect("the case has an array");
        let mut machine = machine(&config);
        load(&mut machine, &network, &config, &Options::default());
        let images = (0..4).map(|seed| flow::cases::random_image(&network, seed)).collect();
        Self { machine, images }
    }

    /// Runs frames and checks that exactly the images among them are answered, as if they came alone.
    fn check(&mut self, frames: &[Vec<i8>], n_bad: u32) {
        let frames: Vec<&[i8]> = frames.iter().map(Vec::as_slice).collect();
        let n = self.images[0].len();
        let images: Vec<&[i8]> = frames.iter().copied().filter(|frame| frame.len() == n).collect();
        let lengths: Vec<usize> = frames.iter().map(|frame| frame.len()).collect();
        for stall_seed in [0, 9] {
            for back_to_back in [true, false] {
                let options = RunOptions { stall_seed, back_to_back, ..RunOptions::default() };
                let alone = self.machine.run(&images, &options).expect("whole images run");
                assert_eq!(alone.bad_images, BadImages::default());
                let mixed = self.machine.run_frames(&frames, &options).expect("frames run");
                let bits = |run: &sim::RunOutput| {
                    let of =
                        |image: &sim::ImageResult| (image.logits.clone(), image.layers.clone());
                    run.images.iter().map(of).collect::<Vec<_>>()
                };
                assert_eq!(bits(&mixed), bits(&alone), "{lengths:?}, {options:?}");
                let newest = frames.last().is_some_and(|frame| frame.len() != n);
                assert_eq!(mixed.bad_images, BadImages { n: n_bad, newest }, "{lengths:?}");
            }
        }
    }
}

#[test]
fn a_lost_or_a_surplus_byte_spoils_one_image() {
    let mut stream = Stream::new();
    let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| stream.images[index].clone());
    let short = a[1..].to_vec();
    let long = [a.clone(), vec![55]].concat();
    stream.check(&[a.clone(), b.clone()], 0);
    stream.check(&[short.clone(), b.clone(), c.clone()], 1);
    stream.check(&[b.clone(), long.clone(), c.clone()], 1);
    stream.check(&[b.clone(), short.clone(), long.clone(), vec![1], c.clone(), d.clone()], 3);
    stream.check(&[b.clone(), c.clone(), short], 1);
    stream.check(&[b.clone(), long], 1);
    // The byte with `input_last` is lost: two images run together.
    let merged = [&a[..a.len() - 1], &b[..]].concat();
    stream.check(&[merged, c.clone(), d], 1);
    // Far longer than the memory for an image is deep.
    stream.check(&[vec![-1; 70_000], c], 1);
}

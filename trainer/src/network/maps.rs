//! The feature maps of a forward pass, each let go after its last reader: a deep network on a large batch would not
//! fit otherwise.

use spec::TensorRef;
use tch::Tensor;

/// Maps by reference.
#[derive(Debug)]
pub struct Maps {
    input: Tensor,
    layers: Vec<Option<Tensor>>,
    last_readers: Vec<usize>,
}

impl Maps {
    /// Before the first layer. `reads` gives what each layer reads, in the order of execution.
    pub(crate) fn new<R: IntoIterator<Item = TensorRef>>(
        input: Tensor,
        reads: impl Iterator<Item = R>,
    ) -> Self {
        let mut last_readers = Vec::new();
        for (idx, reads) in reads.enumerate() {
            last_readers.push(idx);
            for read in reads {
                if let TensorRef::Layer(read) = read {
                    last_readers[read] = idx;
                }
            }
        }
        Self { input, layers: Vec::with_capacity(last_readers.len()), last_readers }
    }

    /// A map that a layer reads.
    pub fn get(&self, map: TensorRef) -> &Tensor {
        match map {
            TensorRef::Input => &self.input,
            TensorRef::Layer(idx) => {
                self.layers[idx].as_ref().expect("a map stays until its last reader is done")
            }
        }
    }

    /// The output of the next layer.
    pub(crate) fn push(&mut self, output: Tensor) {
        let idx = self.layers.len();
        self.layers.push(Some(output));
        for (map, last_reader) in self.layers[..idx].iter_mut().zip(&self.last_readers) {
            if *last_reader == idx {
                *map = None;
            }
        }
    }
}

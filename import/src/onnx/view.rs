//! How a tensor of the file, whose axes are in any order, lies on a map of rows, columns and channels.
//!
//! Each axis of the tensor is a product of axes of the map, the last of which changes fastest; axes of size 1 are left
//! out. `[1, C, H, W]` is `[], [C], [H], [W]` and its flattened form `[], [C, H, W]`. So transpositions and reshapes cost nothing
//! until an operation reads the tensor, and weights are put in order by what the axes say.

use spec::Shape;

/// An axis of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Row,
    Column,
    Channel,
}

/// The axes of a tensor on those of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    shape: Shape,
    axes: Vec<Vec<Axis>>,
}

/// The most values of a map or of a constant that is worked out: more than any accelerator holds.
pub(super) const MOST_VALUES: usize = 1 << 28;

impl View {
    /// A tensor whose axes are these of the map, one each, where `None` has size 1.
    pub(super) fn new(shape: Shape, axes: &[Option<Axis>]) -> Self {
        let axes = axes.iter().map(|axis| axis.iter().copied().collect()).collect();
        Self { shape, axes }.without_ones()
    }

    /// That of a tensor of `rank` axes whose channels come second, as convolutions read and write it. With three axes there
    /// is one row; with two, one pixel.
    pub(super) fn channels_first(shape: Shape, rank: usize) -> Self {
        use Axis::{Channel, Column, Row};
        let axes: &[Option<Axis>] = match rank {
            0 | 1 => &[Some(Channel)],
            2 => &[None, Some(Channel)],
            3 => &[None, Some(Channel), Some(Column)],
            _ => &[None, Some(Channel), Some(Row), Some(Column)],
        };
        Self::new(shape, axes)
    }

    /// The same with the channels last.
    pub(super) fn channels_last(shape: Shape, rank: usize) -> Self {
        use Axis::{Channel, Column, Row};
        let axes: &[Option<Axis>] = match rank {
            0 | 1 => &[Some(Channel)],
            2 => &[None, Some(Channel)],
            3 => &[None, Some(Column), Some(Channel)],
            _ => &[None, Some(Row), Some(Column), Some(Channel)],
        };
        Self::new(shape, axes)
    }

    /// The map.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of axes.
    pub(super) fn rank(&self) -> usize {
        self.axes.len()
    }

    /// The tensor's dimensions.
    pub(super) fn dims(&self) -> Vec<usize> {
        self.axes
            .iter()
            .map(|axis| axis.iter().map(|axis| size(self.shape, *axis)).product())
            .collect()
    }

    /// With another number of channels, which are the tensor's axis `index`.
    pub(super) fn with_channels(&self, index: usize, n_channels: usize) -> Self {
        let mut axes = self.axes.clone();
        axes[index] = vec![Axis::Channel];
        Self { shape: Shape { channels: n_channels, ..self.shape }, axes }.without_ones()
    }

    /// Whether the axes are batch, channels, rows, columns, or batch, channels, columns, or batch, channels: what a convolution
    /// or a pool expects.
    pub(super) fn is_channels_first(&self) -> bool {
        (2..=4).contains(&self.rank()) && *self == Self::channels_first(self.shape, self.rank())
    }

    /// Whether the channels are the last axis and rows and columns come before them in order.
    pub(super) fn is_channels_last(&self) -> bool {
        let flat: Vec<Axis> = self.flat().collect();
        let all = self.without_one_axes(&[Axis::Row, Axis::Column, Axis::Channel]);
        flat == all && self.is_alone(Axis::Channel, self.rank().saturating_sub(1))
    }

    /// Whether the tensor's axis `index` is this axis of the map alone. One of size 1 is anywhere where the axis of the tensor has
    /// size 1.
    pub(super) fn is_alone(&self, axis: Axis, index: usize) -> bool {
        match self.axes.get(index) {
            Some(found) if size(self.shape, axis) == 1 => found.is_empty(),
            Some(found) => found[..] == [axis],
            None => false,
        }
    }

    /// The axes of the map of which the tensor's axis `index` is made, the fastest last.
    pub(super) fn axis(&self, index: usize) -> &[Axis] {
        &self.axes[index]
    }

    /// Whether all values lie in the last axis: a flattened map.
    pub(super) fn is_flat(&self) -> bool {
        let n = self.rank();
        n > 0 && self.axes[..n - 1].iter().all(Vec::is_empty)
    }

    /// With the axes in this order.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let axes = order.iter().map(|index| self.axes[*index].clone()).collect();
        Self { shape: self.shape, axes }
    }

    /// The same values in the same order under other dimensions; `None` where one of them would take part of an axis.
    pub(super) fn reshaped(&self, dims: &[usize]) -> Option<Self> {
        let mut flat = self.flat();
        let mut axes = Vec::with_capacity(dims.len());
        for dim in dims {
            let mut axis = Vec::new();
            let mut n = 1;
            while n < *dim {
                let next = flat.next()?;
                n *= size(self.shape, next);
                axis.push(next);
            }
            if n != *dim {
                return None;
            }
            axes.push(axis);
        }
        flat.next().is_none().then_some(Self { shape: self.shape, axes })
    }

    /// Of the tensor's last axis, where element `index` of it lies on the map: row, column, channel.
    pub(super) fn position(&self, mut index: usize) -> [usize; 3] {
        let mut position = [0; 3];
        for axis in self.axes.last().into_iter().flatten().rev() {
            let size = size(self.shape, *axis);
            position[*axis as usize] = index % size;
            index /= size;
        }
        position
    }

    fn flat(&self) -> impl Iterator<Item = Axis> + '_ {
        self.axes.iter().flatten().copied()
    }

    fn without_one_axes(&self, axes: &[Axis]) -> Vec<Axis> {
        axes.iter().copied().filter(|axis| size(self.shape, *axis) > 1).collect()
    }

    fn without_ones(mut self) -> Self {
        for axis in &mut self.axes {
            axis.retain(|axis| size(self.shape, *axis) > 1);
        }
        self
    }
}

/// `32x32x16`.
pub(super) fn shown_dims(dims: &[usize]) -> String {
    if dims.is_empty() {
        return "scalar".to_owned();
    }
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// The number of values, `None` where there are more than [`MOST_VALUES`].
pub(super) fn n_values(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1usize, |n, dim| n.checked_mul(*dim)).filter(|n| *n <= MOST_VALUES)
}

fn size(shape: Shape, axis: Axis) -> usize {
    match axis {
        Axis::Row => shape.height,
        Axis::Column => shape.width,
        Axis::Channel => shape.channels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { height: 4, width: 5, channels: 6 };

    #[test]
    fn reshapes_and_transpositions_are_followed() {
        let view = View::channels_first(SHAPE, 4);
        assert_eq!(view.dims(), [1, 6, 4, 5]);
        let flat = view.reshaped(&[1, 120]).unwrap();
        assert!(flat.is_flat());
        // Element (c * 4 + y) * 5 + x.
        assert_eq!(flat.position((3 * 4 + 2) * 5 + 1), [2, 1, 3]);
        assert_eq!(flat.reshaped(&[1, 6, 4, 5]), Some(view.clone()));
        assert_eq!(flat.reshaped(&[1, 12, 2, 5]), None);
        assert_eq!(flat.reshaped(&[1, 119]), None);
        let last = view.transposed(&[0, 2, 3, 1]);
        assert!(last.is_channels_last() && !last.is_channels_first());
        assert_eq!(last.reshaped(&[20, 6]).unwrap().dims(), [20, 6]);
        assert_eq!(last.reshaped(&[1, 120]).unwrap().position(7), [0, 1, 1]);
        assert!(last.transposed(&[0, 3, 1, 2]).is_channels_first());
    }

    #[test]
    fn axes_of_one_lie_anywhere() {
        let pooled = View::channels_first(Shape { height: 1, width: 1, channels: 6 }, 4);
        let flat = pooled.reshaped(&[1, 6]).unwrap();
        assert!(flat.is_channels_first() && flat.is_flat() && flat.is_channels_last());
        assert_eq!(flat.reshaped(&[1, 6, 1, 1]), Some(pooled));
        let gray = View::channels_first(Shape { channels: 1, ..SHAPE }, 4);
        assert!(gray.transposed(&[0, 2, 3, 1]).is_channels_last());
        assert_eq!(gray.reshaped(&[4, 5]).unwrap().dims(), [4, 5]);
    }
}

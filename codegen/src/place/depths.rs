//! How deep the banks must be: as few words as the search finds without a layer that waits more than in banks of one depth.

use spec::Memory;

use super::{Depths, Placement, Request, SHRINK_BUDGET, Search, place};

/// Words that a memory takes at least, whatever it holds: block RAMs that are as wide as they can be have so many.
const BLOCK: usize = 512;

/// Depths of banks 1, 2 and 3, in falling order, at which [`place`] succeeds.
///
/// Three banks of one depth are the start, as shallow as they can be. Then, one after the other, the third, the second and
/// the first bank become as shallow as they can without a longer wait. A network that reads one map at a time may also
/// lie in one bank or in two; what takes the fewest blocks of memory wins.
pub(crate) fn min_depths(requests: &[Request]) -> Depths {
    let common = common_depth(requests);
    let Ok(start) = place(requests, [common; 3]) else { return [common; 3] };
    let wishes = Search::new(requests, [common; 3], true, super::BUDGET).run(0);
    let shrink = Shrink { requests, wishes, n_waits: start.n_waits() };
    let all: usize = requests.iter().map(|request| request.words).sum();
    let words = all.min(Memory::Bank1.largest());
    let starts = [[common; 3], [words, common, 0], [words, 0, 0]];
    let shrunk = starts.into_iter().filter_map(|depths| shrink.shrink(depths));
    let mut best = shrunk.min_by_key(cost).unwrap_or([common; 3]);
    best.sort_unstable_by(|a, b| b.cmp(a));
    best
}

/// Blocks of memory, then words.
fn cost(depths: &Depths) -> (usize, usize) {
    (depths.iter().map(|depth| depth.div_ceil(BLOCK)).sum(), depths.iter().sum())
}

/// The smallest depth of three equal banks at which [`place`] succeeds.
fn common_depth(requests: &[Request]) -> usize {
    let largest = |depths: Depths| depths.into_iter().max().unwrap_or(0);
    let end = |placement: Placement| largest(placement.depths());
    let unlimited = place(requests, [usize::MAX; 3]).map_or(0, end);
    let low = requests.iter().map(|request| request.words).max().unwrap_or(0);
    smallest(low, unlimited, |depth| {
        place(requests, [depth; 3]).ok().map(|placement| end(placement).max(low))
    })
}

/// The smallest number from `low` to `high`, which is one, for which `try_at` finds something, if it does for all larger
/// ones. What it finds may be smaller than what it was asked for.
fn smallest(mut low: usize, mut high: usize, try_at: impl Fn(usize) -> Option<usize>) -> usize {
    while low < high {
        let middle = low + (high - low) / 2;
        match try_at(middle) {
            Some(found) => high = found.clamp(low, middle),
            None => low = middle + 1,
        }
    }
    high
}

/// What smaller banks must not make worse.
struct Shrink<'a> {
    requests: &'a [Request],
    /// No layer before a residual has its only map there.
    wishes: bool,
    n_waits: usize,
}

impl Shrink<'_> {
    /// Depths that a placement in banks of `depths` takes.
    fn place(&self, depths: Depths) -> Option<Depths> {
        let mut search = Search::new(self.requests, depths, self.wishes, SHRINK_BUDGET);
        let found = search.run(0).then(|| Placement::new(self.requests, search.places))?;
        (found.n_waits() <= self.n_waits).then(|| found.depths())
    }

    fn shrink(&self, depths: Depths) -> Option<Depths> {
        let mut depths = self.place(depths)?;
        for bank in [2, 1, 0] {
            let with = |depth: usize| {
                let mut depths = depths;
                depths[bank] = depth;
                depths
            };
            let high = depths[bank];
            let low = smallest(0, high, |depth| self.place(with(depth)).map(|found| found[bank]));
            depths = self.place(with(low)).unwrap_or(depths);
        }
        Some(depths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::MapId::{Input, Step};

    fn request(input: crate::place::MapId, words: usize) -> Request {
        Request { input, residual: None, words, shares: None, one_unit: false }
    }

    fn chain(words: &[usize]) -> Vec<Request> {
        let input = |step: usize| step.checked_sub(1).map_or(Input, Step);
        words.iter().enumerate().map(|(step, words)| request(input(step), *words)).collect()
    }

    #[test]
    fn a_chain_takes_its_two_largest_neighbors() {
        assert_eq!(min_depths(&chain(&[1000, 400, 1000, 300])), [1000, 400, 0]);
        // In one bank 9 blocks of 512 words, in two 10.
        assert_eq!(min_depths(&chain(&[2304, 2304, 2304, 576])), [4608, 0, 0]);
    }

    #[test]
    fn residual_blocks_keep_three_banks_and_do_not_wait() {
        let mut requests = vec![request(Input, 1024)];
        for entry in (0..18).step_by(2) {
            requests.push(request(Step(entry), 1024));
            let residual = Some(Step(entry));
            requests.push(Request { residual, ..request(Step(entry + 1), 1024) });
        }
        let depths = min_depths(&requests);
        assert_eq!(depths.iter().sum::<usize>(), 3 * 1024, "{depths:?}");
        assert_eq!(place(&requests, depths).unwrap().n_waits(), 0);
    }

    #[test]
    fn maps_that_live_long_lie_where_there_is_room() {
        let mut many: Vec<Request> = (0..5).map(|_| request(Input, 60)).collect();
        many.extend((0..5).map(|map| request(Step(map), 1)));
        let depths = min_depths(&many);
        assert!(place(&many, depths).is_ok());
        assert!(depths.iter().sum::<usize>() <= 301, "{depths:?}");
        assert!(depths.is_sorted_by(|a, b| a >= b), "{depths:?}");
    }

    #[test]
    fn no_bank_can_be_shallower_alone() {
        for requests in [chain(&[70, 60, 50, 40]), chain(&[5]), chain(&[9, 9, 9])] {
            let depths = min_depths(&requests);
            assert!(place(&requests, depths).is_ok());
            for bank in 0..3 {
                let mut less = depths;
                less[bank] = less[bank].saturating_sub(1);
                assert!(less == depths || place(&requests, less).is_err(), "{depths:?}");
            }
        }
    }
}

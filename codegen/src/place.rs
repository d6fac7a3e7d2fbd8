//! Where feature maps lie: liveness, first fit in activation banks 1 to 3, and the rules that keep two readers off one
//! bank's only read port.
//!
//! A map may be written to several banks at the same address. The input of a layer may not be read from the bank of the
//! layer's own residual (a rule), nor from that of the layer just before, whose drain overlaps (a wish: else the layer's
//! first block waits for the drain).

mod depths;

pub(crate) use depths::min_depths;

use spec::Memory;

/// A feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MapId {
    /// The packed input in bank 0.
    Input,
    /// The map that a step is the first to write to.
    Step(usize),
}

/// What a step reads, and how much it writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) input: MapId,
    pub(crate) residual: Option<MapId>,
    /// Words of the map that is written, 0 for logits.
    pub(crate) words: usize,
    /// Whether it is a single unit, so that the step after it overlaps the one before it.
    pub(crate) one_unit: bool,
    /// The earlier step that first writes to this map, if this one is not the first.
    pub(crate) shares: Option<usize>,
}

/// Where a step's output lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) banks: u8,
    pub(crate) address: usize,
    pub(crate) words: usize,
}

/// From which banks a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) in_bank: usize,
    pub(crate) residual_bank: usize,
    /// The first block waits until everything before is written.
    pub(crate) wait_all: bool,
}

/// A placement of all maps: one entry a step.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) places: Vec<Place>,
    pub(crate) reads: Vec<Reads>,
}

impl Placement {
    fn new(requests: &[Request], places: Vec<Place>) -> Self {
        let reads = choose_reads(requests, &places);
        Self { places, reads }
    }

    /// Words of each bank that hold something.
    pub(crate) fn depths(&self) -> Depths {
        [1, 2, 3].map(|bank| {
            let places = self.places.iter().filter(|place| place.banks >> bank & 1 == 1);
            places.map(|place| place.address + place.words).max().unwrap_or(0)
        })
    }

    fn n_waits(&self) -> usize {
        self.reads.iter().filter(|reads| reads.wait_all).count()
    }
}

/// Banks too small: the step whose output found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) step: usize,
    /// Maps alive then, its output included, and their words.
    pub(crate) n_maps: usize,
    pub(crate) words: usize,
}

/// Words of banks 1, 2 and 3.
pub(crate) type Depths = [usize; 3];

/// The banks that maps lie in.
pub(crate) const BANKS: [Memory; 3] = [Memory::Bank1, Memory::Bank2, Memory::Bank3];

/// Candidates tried before the search gives up.
const BUDGET: usize = 20_000;
/// The same where a smaller bank is only tried.
const SHRINK_BUDGET: usize = 2_000;

/// Places every map in banks of these depths.
///
/// # Errors
/// Some map finds no room.
pub(crate) fn place(requests: &[Request], depths: Depths) -> Result<Placement, Full> {
    let mut deepest = 0;
    for wishes in [true, false] {
        let mut search = Search::new(requests, depths, wishes, BUDGET);
        if search.run(0) {
            return Ok(Placement::new(requests, search.places));
        }
        deepest = search.deepest.max(deepest);
    }
    let last_use = last_uses(requests);
    let is_alive = |map: &usize| last_use[*map] >= deepest && requests[*map].shares.is_none();
    let alive = || (0..deepest).filter(is_alive).chain([deepest]);
    Err(Full {
        step: deepest,
        n_maps: alive().count(),
        words: alive().map(|map| requests[map].words).sum(),
    })
}

fn last_uses(requests: &[Request]) -> Vec<usize> {
    let mut last_use: Vec<usize> = (0..requests.len()).collect();
    for (step, request) in requests.iter().enumerate() {
        let read = [Some(request.input), request.residual].into_iter().flatten();
        for map in read.chain(request.shares.map(MapId::Step)) {
            if let MapId::Step(map) = map {
                last_use[map] = step;
            }
        }
    }
    last_use
}

struct Search<'a> {
    requests: &'a [Request],
    depths: Depths,
    last_use: Vec<usize>,
    /// For each step: maps that must be readable from a bank other than its output's.
    partners: Vec<Vec<MapId>>,
    places: Vec<Place>,
    budget: usize,
    deepest: usize,
}

impl<'a> Search<'a> {
    fn new(requests: &'a [Request], depths: Depths, wishes: bool, budget: usize) -> Self {
        let mut partners = vec![Vec::new(); requests.len()];
        let mut apart = |a: MapId, b: MapId| match (a, b) {
            (MapId::Step(a), MapId::Step(b)) => partners[a.max(b)].push(MapId::Step(a.min(b))),
            (MapId::Step(step), MapId::Input) | (MapId::Input, MapId::Step(step)) => {
                partners[step].push(MapId::Input);
            }
            (MapId::Input, MapId::Input) => {}
        };
        for (step, request) in requests.iter().enumerate() {
            if let Some(residual) = request.residual {
                apart(request.input, residual);
                if let (true, Some(next)) = (wishes, requests.get(step + 1)) {
                    apart(next.input, residual);
                }
            }
        }
        Self {
            requests,
            depths,
            last_use: last_uses(requests),
            partners,
            places: Vec::with_capacity(requests.len()),
            budget,
            deepest: 0,
        }
    }

    fn run(&mut self, step: usize) -> bool {
        if step == self.requests.len() {
            return true;
        }
        self.deepest = self.deepest.max(step);
        let Request { words, shares, .. } = self.requests[step];
        let known = shares.map(|first| self.places[first]);
        if let Some(place) = known.or((words == 0).then(Place::default)) {
            self.places.push(place);
            let found = self.run(step + 1);
            if !found {
                self.places.pop();
            }
            return found;
        }
        let mut candidates: Vec<Place> = (1..8u8)
            .map(|set| set << 1)
            .filter(|banks| self.may_lie_in(step, *banks))
            .map(|banks| Place { banks, address: self.first_fit(step, banks), words })
            .filter(|place| {
                let depth = self.depth(place.banks);
                place.address <= depth.saturating_sub(words) && words <= depth
            })
            .collect();
        candidates.sort_by_key(|place| (place.banks.count_ones(), place.address, place.banks));
        for place in candidates {
            if self.budget == 0 {
                return false;
            }
            self.budget -= 1;
            self.places.push(place);
            if self.run(step + 1) {
                return true;
            }
            self.places.pop();
        }
        false
    }

    /// Words of the shallowest of `banks`.
    fn depth(&self, banks: u8) -> usize {
        let depths = self.depths.iter().enumerate();
        let of_banks = depths.filter(|(index, _)| banks >> (index + 1) & 1 == 1);
        of_banks.map(|(_, depth)| *depth).min().unwrap_or(0)
    }

    fn may_lie_in(&self, step: usize, banks: u8) -> bool {
        self.partners[step].iter().all(|partner| {
            let other = match partner {
                MapId::Input => 1,
                MapId::Step(map) if *map == step => banks,
                MapId::Step(map) => self.places[*map].banks,
            };
            (banks | other).count_ones() >= 2
        })
    }

    fn first_fit(&self, step: usize, banks: u8) -> usize {
        let mut taken: Vec<&Place> = (0..step)
            .filter(|map| self.last_use[*map] >= step && self.places[*map].banks & banks != 0)
            .map(|map| &self.places[map])
            .collect();
        taken.sort_by_key(|place| place.address);
        let words = self.requests[step].words;
        let mut address = 0;
        for place in taken {
            if address + words <= place.address {
                break;
            }
            address = address.max(place.address + place.words);
        }
        address
    }
}

/// Chooses the bank of every read so that as few layers as possible wait.
fn choose_reads(requests: &[Request], places: &[Place]) -> Vec<Reads> {
    let banks = |map: MapId| match map {
        MapId::Input => 1,
        MapId::Step(map) => places[map].banks,
    };
    let members = |set: u8| (0..4).filter(move |bank| set >> bank & 1 == 1);
    let no_bank = 4;
    // Fewest waits, and the reads so far, for the banks that the last two units may read their residuals from.
    let mut paths: Vec<([usize; 2], usize, Vec<Reads>)> = vec![([no_bank; 2], 0, Vec::new())];
    for request in requests {
        let mut next: Vec<([usize; 2], usize, Vec<Reads>)> = Vec::new();
        let residual_banks: Vec<usize> =
            request.residual.map_or(vec![no_bank], |map| members(banks(map)).collect());
        let choices = itertools::iproduct!(&paths, &residual_banks, members(banks(request.input)));
        for ((before, waits, reads), &residual_bank, in_bank) in choices {
            if in_bank == residual_bank {
                continue;
            }
            let wait_all = before.contains(&in_bank);
            let waits = waits + usize::from(wait_all);
            let last_but_one = match (request.one_unit, wait_all) {
                (false, _) => residual_bank,
                (true, false) => before[0],
                (true, true) => no_bank,
            };
            let after = [residual_bank, last_but_one];
            let known = next.iter().position(|(banks, ..)| *banks == after);
            if known.is_some_and(|known| next[known].1 <= waits) {
                continue;
            }
            let mut reads = reads.clone();
            reads.push(Reads { in_bank, residual_bank, wait_all });
            match known {
                Some(known) => next[known] = (after, waits, reads),
                None => next.push((after, waits, reads)),
            }
        }
        paths = next;
    }
    let mut reads = paths
        .into_iter()
        .min_by_key(|(_, waits, _)| *waits)
        .map(|(_, _, reads)| reads)
        .unwrap_or_default();
    for step in 0..reads.len() {
        if reads[step].residual_bank == no_bank {
            let busy = [reads[step].in_bank, reads.get(step + 1).map_or(0, |next| next.in_bank)];
            reads[step].residual_bank =
                (0..4).find(|bank| !busy.contains(bank)).expect("two of four banks are not busy");
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;
    use MapId::{Input, Step};

    fn request(input: MapId, residual: Option<MapId>, words: usize) -> Request {
        Request { input, residual, words, shares: None, one_unit: false }
    }

    fn assert_sound(requests: &[Request], placement: &Placement, depth: usize) {
        assert!(placement.depths().iter().all(|words| *words <= depth));
        let last_use = last_uses(requests);
        let Placement { places, reads } = placement;
        for step in 0..requests.len() {
            assert!(places[step].address + places[step].words <= depth);
            assert_eq!(places[step].banks & !0b1110, 0);
            for before in (0..step).filter(|map| last_use[*map] >= step) {
                let (a, b) = (places[step], places[before]);
                let apart = a.address + a.words <= b.address || b.address + b.words <= a.address;
                assert!(a.banks & b.banks == 0 || apart, "steps {before} and {step} overlap");
            }
            assert_ne!(reads[step].in_bank, reads[step].residual_bank);
            let conflict = step > 0 && reads[step - 1].residual_bank == reads[step].in_bank;
            assert!(!conflict || reads[step].wait_all, "step {step}");
        }
    }

    fn residual_chain(n: usize, words: usize) -> Vec<Request> {
        let mut requests = vec![request(Input, None, words)];
        for block in 0..n {
            let entry = 2 * block;
            requests.push(request(Step(entry), None, words));
            requests.push(request(Step(entry + 1), Some(Step(entry)), words));
        }
        requests
    }

    #[test]
    fn a_chain_of_residual_blocks_never_waits() {
        let requests = residual_chain(9, 1024);
        let placement = place(&requests, [1024; 3]).unwrap();
        assert_sound(&requests, &placement, 1024);
        assert!(placement.reads.iter().all(|reads| !reads.wait_all));
    }

    #[test]
    fn a_map_read_twice_by_one_step_lies_in_two_banks() {
        let requests = [
            request(Input, None, 5),
            request(Step(0), Some(Step(0)), 5),
            request(Step(1), None, 0),
        ];
        let placement = place(&requests, [16; 3]).unwrap();
        assert_sound(&requests, &placement, 16);
        assert_eq!(placement.places[0].banks.count_ones(), 2);
    }

    #[test]
    fn a_conflict_that_no_bank_solves_waits() {
        let requests = [
            request(Input, None, 8),
            request(Step(0), Some(Input), 8),
            request(Input, Some(Step(1)), 0),
        ];
        let placement = place(&requests, [8; 3]).unwrap();
        assert_sound(&requests, &placement, 8);
        assert!(placement.reads[2].wait_all);
    }

    #[test]
    fn a_map_of_two_writers_lives_from_the_first_of_them_on() {
        // Step 2 completes what step 0 begins, while step 1 lives; step 3 reads the whole.
        let requests = [
            request(Input, None, 8),
            request(Input, None, 8),
            Request { shares: Some(0), ..request(Step(1), None, 8) },
            request(Step(0), None, 8),
        ];
        let placement = place(&requests, [8; 3]).unwrap();
        assert_eq!(placement.places[2], placement.places[0]);
        assert_ne!(placement.places[1].banks, placement.places[0].banks);
        assert_ne!(placement.places[3].banks, placement.places[0].banks);
    }

    #[test]
    fn names_the_step_without_room() {
        let requests = residual_chain(2, 100);
        assert_eq!(place(&requests, [99; 3]).unwrap_err(), Full { step: 0, n_maps: 1, words: 100 });
        let mut many: Vec<Request> = (0..5).map(|_| request(Input, None, 60)).collect();
        many.extend((0..5).map(|map| request(Step(map), None, 1)));
        let full = place(&many, [100; 3]).unwrap_err();
        assert_eq!((full.step, full.n_maps, full.words), (3, 4, 240));
    }
}

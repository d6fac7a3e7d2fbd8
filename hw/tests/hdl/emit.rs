//! What the emitter writes, and what it refuses.

use crate::constructs::Constructs;
use crate::example::Column;
use twofold_hw::verilog::emit;

#[test]
fn equal_blocks_give_equal_bytes() {
    let text = || {
        emit(&mut Column::new(3, 10, false, &[]), "column", "Column of 3 lanes.").unwrap().text()
    };
    assert_eq!(text(), text());
}

#[test]
fn every_construct_is_written() {
    insta::assert_snapshot!(emit(&mut Constructs::new(3), "constructs", "").unwrap().text());
}

#[test]
fn a_composed_example_reads_well() {
    insta::assert_snapshot!(
        emit(&mut Column::new(3, 10, false, &[]), "column", "Column of 3 lanes.").unwrap().text()
    );
}

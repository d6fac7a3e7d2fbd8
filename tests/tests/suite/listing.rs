//! Snapshots of the ROM contents of the smallest networks, as text.

use std::path::Path;

use flow::cases::Case;

fn listing(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let case = Case::read(&folder, name).expect("the case exists");
    let config = case.config().expect("the case has an array");
    let program = codegen::compile(&case.build(), &config, &case.options());
    let program = program.expect("the case compiles");
    let rows = |rows: &[String]| rows.join("\n");
    let parameters: Vec<_> = program.parameters.iter().map(|row| format!("{row:?}")).collect();
    let weights: Vec<_> = program.weights.iter().map(|row| format!("{:?}", row.weights)).collect();
    let records = codegen::disassemble(&program);
    format!("{records}parameters\n{}\nweights\n{}\n", rows(&parameters), rows(&weights))
}

#[test]
fn a_half_pruned_network() {
    insta::assert_snapshot!(listing("tiny-uhp"));
}

#[test]
fn a_dense_network() {
    insta::assert_snapshot!(listing("tiny-dense"));
}

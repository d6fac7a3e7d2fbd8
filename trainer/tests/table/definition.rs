//! What a table file may say.

use trainer::table::definition::{Kind, Table};
use trainer::table::{self};

use crate::support::{Bench, SMALL, options};

#[test]
fn mistakes_in_a_table_name_file_and_row() {
    let bench = Bench::new();
    let cases = [
        ("title = \"A group\"\n", "", "missing field `title`"),
        (
            "batch = 32",
            "batsh = 32",
            "teacher `big`: trainer train refuses it: unexpected argument '--batsh'",
        ),
        (
            "epochs = 3",
            "epochs = \"many\"",
            "row `dense`: trainer train refuses it: invalid value 'many'",
        ),
        ("epochs = 3", "epochs = 0", "row `dense`: trainer train refuses it: --epochs is 0"),
        ("epochs = 3", "size = 0", "row `dense`: trainer train refuses it: --size is 0"),
        ("batch = 32", "batch = 1", "teacher `big`: trainer train refuses it: --batch is 1"),
        ("\"s2d_s\"", "\"none\"", "row `dense`: `student` is `none`"),
        ("\"a-convnet\"", "\"none\"", "teacher `big`: `teacher` is `none`"),
        ("\"uhp-fixed\"", "\"uhp\"", "row `half`: trainer train refuses it: invalid value 'uhp'"),
        ("sparsity = \"dense\"", "batch = 16", "row `dense`: `sparsity` is missing"),
        ("teacher = \"big\"", "teacher = \"huge\"", "group `g`: no [[teacher]] is called `huge`"),
        ("teacher = \"big\"\n", "", "variant `taught` needs `teacher`"),
        ("epochs = 3", "seed = 3", "row `dense`: `seed` is no option of a row"),
        ("epochs = 3", "teacher = \"s2d\"", "row `dense`: `teacher` is no option of a row"),
        ("epochs = 3", "epochs = [3]", "row `dense`: `epochs` is of type array"),
        ("name = \"half\"", "name = \"dense\"", "two rows come to the run folder `g-dense-alone`"),
        ("name = \"half\"", "name = \"../half\"", "name `../half` becomes a folder"),
        (
            "name = \"half\"",
            "name = \"half\"\nnarrow = true",
            "row `half`: a `narrow` row has to be dense",
        ),
        ("\"taught\"", "\"thought\"", "unknown variant `thought`"),
        ("name = \"half\"", "name = \"half\"\nnote = 1", "unknown field `note`"),
    ];
    for (from, to, expected) in cases {
        assert!(SMALL.contains(from), "{from}");
        bench.write("small.toml", &SMALL.replacen(from, to, 1));
        let message = format!("{:#}", bench.run(&[]).unwrap_err());
        assert!(message.contains("small.toml"), "{message}");
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    let error = |name: &str| format!("{:#}", Table::named(name, &[]).unwrap_err());
    assert!(error("imagenet").contains("there are mstar, cifar100, sar-sim"));
    assert!(error("no/such.toml").contains("no/such.toml: cannot be read"));
    let error = Table::named("mstar", &["epochs".to_owned()]).unwrap_err();
    assert!(format!("{error:#}").contains("--set epochs: not of the form KEY=VALUE"));
    let words = ["mstar", "--no-hardware", "--no-train"].map(str::to_owned);
    let error = table::run(&options(&words)).unwrap_err().to_string();
    assert!(error.contains("names no data; give --data"), "{error}");
}

#[test]
fn built_in_tables_compare_every_kind() {
    for (name, n_teachers, n_groups, n_rows) in
        [("mstar", 2, 4, 46), ("sar-sim", 1, 2, 24), ("cifar100", 1, 1, 5)]
    {
        let table = Table::named(name, &[]).unwrap();
        let counts = (table.teachers.len(), table.groups.len(), table.rows().count() - n_teachers);
        assert_eq!((table.name.as_str(), counts), (name, (n_teachers, n_groups, n_rows)));
        for group in &table.groups {
            for kind in [Kind::Dense, Kind::Narrow, Kind::Unstructured, Kind::Uhp] {
                assert!(group.rows.iter().any(|row| row.kind == kind), "{name}: {kind:?}");
            }
        }
    }
}

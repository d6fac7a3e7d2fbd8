//! What the pictures show, and that all of it is inside of them.

use ndarray::Array2;

use super::*;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|idx| format!("class {idx} <&>")).collect()
}

/// Text and number of rectangles of a file that has to be well-formed.
fn texts_and_rectangles(path: &Path) -> (Vec<String>, usize) {
    let svg = std::fs::read_to_string(path).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let named = |name| document.descendants().filter(move |node| node.has_tag_name(name));
    let texts = named("text").map(|node| node.text().unwrap_or_default().trim().to_owned());
    (texts.collect(), named("rect").count())
}

#[test]
fn a_confusion_matrix_shows_every_count_between_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confusion.svg");
    let mut counts = Array2::zeros((3, 3));
    for (row, column, count) in [(0, 0, 97), (1, 1, 43), (2, 2, 11), (0, 2, 5)] {
        counts[[row, column]] = count;
    }
    confusion_matrix(&path, &names(3), &counts).unwrap();
    let (texts, n_rectangles) = texts_and_rectangles(&path);
    for name in names(3) {
        assert_eq!(texts.iter().filter(|text| **text == name).count(), 2, "{name}: {texts:?}");
    }
    for count in ["97", "43", "11", "5"] {
        assert!(texts.iter().any(|text| text == count), "{count}: {texts:?}");
    }
    assert!(texts.iter().any(|text| text.contains("151 of 156 right, 96.79 %")), "{texts:?}");
    // Background, frame, ten of the key, and a cell for each count above zero.
    assert_eq!(n_rectangles, 2 + 10 + 4);
}

#[test]
fn a_hundred_classes_have_their_names_and_no_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("confusion.svg");
    let counts = Array2::from_diag(&ndarray::Array1::from_elem(100, 77));
    confusion_matrix(&path, &names(100), &counts).unwrap();
    let (texts, n_rectangles) = texts_and_rectangles(&path);
    assert!(names(100).iter().all(|name| texts.contains(name)));
    assert!(!texts.contains(&"77".to_owned()));
    assert_eq!(n_rectangles, 2 + 10 + 100);
}

#[test]
fn bars_bear_name_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("classes.svg");
    per_class_accuracy(&path, &names(2), &[0.9871, 0.5]).unwrap();
    let (texts, n_rectangles) = texts_and_rectangles(&path);
    for text in ["class 0 <&>", "class 1 <&>", "98.71 %", "50.00 %"] {
        assert!(texts.contains(&text.to_owned()), "{text}: {texts:?}");
    }
    assert_eq!(n_rectangles, 1 + 2);
}

/// A run of teacher, student and fine-tuning; the student's curves end in the corners where legends usually stand.
fn three_phases(path: &Path) {
    let (accuracy, loss) = ([0.3, 0.9871, 0.99], [2.0, 0.5, 0.25]);
    let steep = (0..30).map(|epoch| 0.99 - 0.9 / f64::from(epoch + 1)).collect::<Vec<_>>();
    let slow = (0..30).map(|epoch| 9.0 - 0.01 * f64::from(epoch)).collect::<Vec<_>>();
    let teacher = Curve {
        label: "teacher",
        validation_accuracy: &accuracy,
        validation_cross_entropy: &loss,
        loss: &loss,
        loss_name: "cross-entropy",
        marks: &[],
    };
    let marks = [(10, "pruned after epoch 10"), (27, "frozen")]
        .map(|(after, text)| Mark { after, text: text.to_owned() });
    let student = Curve {
        label: "student",
        validation_accuracy: &steep,
        validation_cross_entropy: &slow,
        loss: &slow,
        loss_name: "distillation",
        marks: &marks,
    };
    let tuned = Curve { label: "qat", loss_name: "distillation", ..teacher };
    curves(path, "run 1", &[teacher, student, tuned]).unwrap();
}

#[test]
fn curves_name_phases_axes_last_values_and_marks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.svg");
    three_phases(&path);
    let (texts, _) = texts_and_rectangles(&path);
    let count = |text: &str| texts.iter().filter(|there| *there == text).count();
    for (text, n) in [
        ("run 1", 1),
        ("validation accuracy, %", 1),
        ("validation cross-entropy, nats", 1),
        // Losses of different kinds have a chart of their own each.
        ("training loss, teacher: cross-entropy", 1),
        ("training loss, student: distillation", 1),
        ("training loss, qat: distillation", 1),
        ("epoch", 5),
        ("teacher, last 99.00 %", 1),
        ("student, last 8.710", 2),
        // In every chart that has the student.
        ("pruned after epoch 10", 3),
        ("frozen", 3),
    ] {
        assert_eq!(count(text), n, "{text}: {texts:?}");
    }
}

#[test]
fn a_mark_is_a_line_from_its_name_to_the_axis() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.svg");
    three_phases(&path);
    let picture = Picture::read(&path);
    let names = picture.texts.iter().filter(|text| text.text == "pruned after epoch 10");
    for name in names {
        let is_below = |line: &&Vec<(f64, f64)>| {
            let vertical = line.len() == 2 && line[0].0 == line[1].0;
            vertical && (line[0].0 - name.left).abs() < 8.0 && line[1].1 - name.bottom > 200.0
        };
        let n = picture.lines.iter().filter(is_below).count();
        assert!(n >= 1, "{name:?} has no line");
    }
}

#[test]
fn a_legend_hides_no_curve() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.svg");
    three_phases(&path);
    let picture = Picture::read(&path);
    let legends = picture.texts.iter().filter(|text| text.text.contains(", last "));
    let mut n_legends = 0;
    for legend in legends {
        n_legends += 1;
        for line in picture.lines.iter().filter(|line| line.len() > 2) {
            let is_hidden = |&(x, y): &(f64, f64)| {
                // The key stands before the name.
                let inside = (legend.left - 30.0..legend.right).contains(&x);
                inside && (legend.top - 2.0..legend.bottom + 2.0).contains(&y)
            };
            assert!(!line.iter().any(is_hidden), "{legend:?} is over {line:?}");
        }
    }
    assert_eq!(n_legends, 3 + 3 + 3);
    let curves = picture.lines.iter().filter(|line| line.len() >= 29).count();
    assert_eq!(curves, 3, "the student's curve in three charts");
}

#[test]
fn one_epoch_and_many_have_an_axis_of_whole_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curves.svg");
    for n in [1, 2, 3, 7, 40, 300] {
        let values = vec![0.5; n];
        let curve = Curve {
            label: "teacher",
            validation_accuracy: &values,
            validation_cross_entropy: &values,
            loss: &values,
            loss_name: "cross-entropy",
            marks: &[],
        };
        curves(&path, "run", &[curve]).unwrap();
        let picture = Picture::read(&path);
        picture.check(&path);
        let numbers: Vec<usize> =
            picture.texts.iter().filter_map(|text| text.text.parse().ok()).collect();
        assert!(
            numbers.contains(&0) && numbers.iter().any(|&number| number > n / 2 && number <= n),
            "{n}: {numbers:?}"
        );
    }
}

/// A text and the rectangle that it takes.
#[derive(Debug)]
struct Placed {
    text: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// What is drawn, and where.
struct Picture {
    size: (f64, f64),
    texts: Vec<Placed>,
    /// Corners of each line that is not closed.
    lines: Vec<Vec<(f64, f64)>>,
}

impl Picture {
    fn read(path: &Path) -> Self {
        let svg = std::fs::read_to_string(path).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let number = |node: roxmltree::Node, name: &str| -> f64 {
            node.attribute(name).unwrap().parse().unwrap()
        };
        let root = document.root_element();
        let named = |name| document.descendants().filter(move |node| node.has_tag_name(name));
        let place = |node: roxmltree::Node| {
            let text = node.text().unwrap_or_default().trim().to_owned();
            let font = number(node, "font-size");
            // Letters of DejaVu Sans, a wide font, are 0.62 of its size on average.
            let width = 0.62 * font * text.chars().count() as f64;
            let (x, y) = (number(node, "x"), number(node, "y"));
            let before = match node.attribute("text-anchor").unwrap() {
                "start" => 0.0,
                "middle" => width / 2.0,
                _ => width,
            };
            let (from, to) = (-before, width - before);
            let (left, right, top, bottom) = match node.attribute("transform") {
                None => (x + from, x + to, y - font / 2.0, y + font / 2.0),
                Some(turned) if turned.starts_with("rotate(270") => {
                    (x - font / 2.0, x + font / 2.0, y - to, y - from)
                }
                Some(other) => panic!("{other}"),
            };
            Placed { text, left, right, top, bottom }
        };
        let points = |node: roxmltree::Node| {
            let points = node.attribute("points").unwrap().split_whitespace();
            let point = |text: &str| {
                let (x, y) = text.split_once(',').unwrap();
                (x.parse().unwrap(), y.parse().unwrap())
            };
            points.map(point).collect()
        };
        Self {
            size: (number(root, "width"), number(root, "height")),
            texts: named("text").map(place).collect(),
            lines: named("polyline").map(points).collect(),
        }
    }

    /// Every text is inside.
    fn check(&self, path: &Path) {
        let name = path.display();
        for text in &self.texts {
            let inside = text.left >= 0.0
                && text.top >= 0.0
                && text.right <= self.size.0
                && text.bottom <= self.size.1;
            assert!(inside, "{name}: {text:?} is not within {:?}", self.size);
        }
    }
}

#[test]
fn every_text_is_inside_for_any_number_and_length_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for n in [1, 2, 3, 10, 24, 25, 100] {
        for length in [1, 12, 40, 255] {
            let classes: Vec<_> = (0..n).map(|idx| format!("{:x>length$}", idx % 10)).collect();
            let path = folder.path().join("confusion.svg");
            let counts = Array2::from_elem((n, n), 123_456);
            confusion_matrix(&path, &classes, &counts).unwrap();
            Picture::read(&path).check(&path);
            let path = folder.path().join("per_class.svg");
            per_class_accuracy(&path, &classes, &vec![1.0; n]).unwrap();
            Picture::read(&path).check(&path);
        }
    }
    let path = folder.path().join("curves.svg");
    three_phases(&path);
    Picture::read(&path).check(&path);
}

#[test]
fn long_names_are_shortened_and_still_differ() {
    let long = |end: &str| format!("{}{end}", "a".repeat(60));
    let there = [
        long("x"),
        long("y"),
        "short".to_owned(),
        format!("{}b{}", "a".repeat(40), "a".repeat(40)),
    ];
    let shown = labels(&[there.to_vec(), vec!["a".repeat(99)]].concat());
    assert_eq!(shown[2], "short");
    assert!(shown.iter().all(|name| name.chars().count() <= MOST_LETTERS + 4), "{shown:?}");
    let different: std::collections::BTreeSet<_> = shown.iter().collect();
    assert_eq!(different.len(), shown.len(), "{shown:?}");
}

#[test]
fn what_cannot_be_drawn_or_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("picture.svg");
    let message = |result: Result<()>| format!("{:#}", result.unwrap_err());
    assert!(message(curves(&path, "", &[])).contains("there is no epoch"));
    let nan = Curve {
        label: "x",
        validation_accuracy: &[0.5],
        validation_cross_entropy: &[0.5],
        loss: &[f64::NAN],
        loss_name: "cross-entropy",
        marks: &[],
    };
    assert!(message(curves(&path, "", &[nan])).contains("not finite"));
    let square = Array2::zeros((2, 2));
    assert!(message(confusion_matrix(&path, &names(3), &square)).contains("does not fit 3"));
    assert!(message(per_class_accuracy(&path, &names(1), &[1.5])).contains("not within 0 and 1"));
    assert!(message(per_class_accuracy(&path, &names(2), &[1.0])).contains("1 accuracies"));
    assert!(!path.exists());

    std::fs::write(&path, "a file").unwrap();
    let inside = path.join("picture.svg");
    let error = message(per_class_accuracy(&inside, &names(1), &[1.0]));
    assert!(error.contains("cannot write") && error.contains("picture.svg"), "{error}");
}

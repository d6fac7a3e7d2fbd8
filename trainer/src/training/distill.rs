//! The loss of a student under a teacher (Hinton et al., 2015), on logits and, if asked for, on features.

use tch::{Kind, Reduction, Tensor};

/// Temperature and weight of the teacher's parts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Distillation {
    /// Both logits are divided by it before softmax.
    pub temperature: f64,
    /// Weight of the teacher, 0 to 1.
    pub weight: f64,
    /// Weight of [`similarity_loss`], 0 for none.
    pub features: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { temperature: 4.0, weight: 0.9, features: 0.0 }
    }
}

/// What the teacher says of some images.
#[derive(Debug)]
pub struct Lesson {
    /// `[n, classes]`.
    pub logits: Tensor,
    /// Input of its last layer, `[n, features]`; only where features are distilled.
    pub features: Option<Tensor>,
}

/// `(1 - a) CE(student, labels) + a T^2 KL(softmax(teacher / T) || softmax(student / T))`, mean over the batch.
///
/// # Shapes
/// `student`, `teacher`: `[batch, classes]`; `labels`: `[batch]` of int64. Without a teacher, cross-entropy alone.
pub fn loss(
    student: &Tensor,
    labels: &Tensor,
    teacher: Option<&Tensor>,
    distillation: Distillation,
) -> Tensor {
    let cross_entropy = student.log_softmax(-1, sum_kind(student)).nll_loss(labels);
    let Some(teacher) = teacher else {
        return cross_entropy;
    };
    let Distillation { temperature, weight, .. } = distillation;
    let log_probabilities =
        |logits: &Tensor| (logits / temperature).log_softmax(-1, sum_kind(logits));
    let divergence =
        log_probabilities(student).kl_div(&log_probabilities(teacher), Reduction::Sum, true)
            / student.size()[0] as f64;
    cross_entropy * (1.0 - weight) + divergence * (weight * temperature * temperature)
}

/// Mean squared difference of who resembles whom within the batch, for student and teacher (Tung and Mori, 2019):
/// `|G_s - G_t|^2 / batch^2` with `G = F F^T`, each row scaled to length one.
///
/// # Shapes
/// `student`: `[batch, n]`, `teacher`: `[batch, m]`; no projection is learned, so `n` and `m` may differ.
pub fn similarity_loss(student: &Tensor, teacher: &Tensor) -> Tensor {
    let gram = |features: &Tensor| {
        let product = features.matmul(&features.tr());
        let kind = sum_kind(features);
        let length = product.square().sum_dim_intlist(&[1_i64][..], true, kind).sqrt();
        product / length.clamp_min(1e-12)
    };
    let batch = student.size()[0] as f64;
    (gram(student) - gram(teacher)).square().sum(sum_kind(student)) / (batch * batch)
}

/// Sums are in single precision, of 16-bit values too; in double precision of doubles.
fn sum_kind(tensor: &Tensor) -> Kind {
    if tensor.kind() == Kind::Double { Kind::Double } else { Kind::Float }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::Random;
    use proptest::prelude::*;

    /// Half of the distance of a central difference.
    const STEP: f64 = 1e-5;
    /// Largest gap between a gradient and a central difference, both in double precision.
    const SLOPE_TOLERANCE: f64 = 1e-5;

    fn random(rows: usize, columns: usize, seed: u64) -> Vec<f64> {
        let mut random = Random::new(&[seed]);
        (0..rows * columns).map(|_| random.normal()).collect()
    }

    fn matrix<T: tch::kind::Element>(values: &[T], columns: usize) -> Tensor {
        Tensor::from_slice(values).view([-1, columns as i64])
    }

    /// Compares the gradient of `loss` at `values` with central differences.
    fn check_slope(
        values: &[f64],
        columns: usize,
        loss: impl Fn(&Tensor) -> Tensor,
    ) -> Result<(), TestCaseError> {
        let point = matrix(values, columns).set_requires_grad(true);
        loss(&point).backward();
        let gradient = Vec::<f64>::try_from(point.grad().flatten(0, -1)).unwrap();
        for idx in 0..values.len() {
            let at = |step: f64| {
                let mut moved = values.to_vec();
                moved[idx] += step;
                loss(&matrix(&moved, columns)).double_value(&[])
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            prop_assert!(
                (slope - gradient[idx]).abs() < SLOPE_TOLERANCE,
                "{idx}: {slope} and {}",
                gradient[idx]
            );
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn gradient_is_the_slope(
            seed in 0_u64..1000,
            classes in 2_usize..6,
            batch in 1_usize..4,
            temperature in 1.0_f64..6.0,
            weight in 0.0_f64..1.0,
        ) {
            let teacher = matrix(&random(batch, classes, seed + 5000), classes) * 2.0;
            let labels: Vec<i64> = (0..batch).map(|idx| (idx % classes) as i64).collect();
            let labels = Tensor::from_slice(&labels);
            let distillation = Distillation { temperature, weight, features: 0.0 };
            check_slope(&random(batch, classes, seed), classes, |student| {
                loss(student, &labels, Some(&teacher), distillation)
            })?;
            check_slope(&random(batch, classes, seed), classes, |student| {
                loss(student, &labels, None, distillation)
            })?;
            let features = matrix(&random(batch, 7, seed + 9000), 7);
            check_slope(&random(batch, classes, seed), classes, |student| {
                similarity_loss(student, &features)
            })?;
        }
    }

    #[test]
    fn a_student_that_equals_its_teacher_pays_cross_entropy_alone() {
        let logits = Tensor::from_slice(&[2.0_f32, 0.0, -1.0, 1.0]).view([2, 2]);
        let labels = Tensor::from_slice(&[0_i64, 1]);
        let plain = loss(&logits, &labels, None, Distillation::default()).double_value(&[]);
        let distilled =
            loss(&logits, &labels, Some(&logits), Distillation::default()).double_value(&[]);
        assert!((distilled - 0.1 * plain).abs() < 1e-6);
        let same = similarity_loss(&logits, &(&logits * 3.0)).double_value(&[]);
        assert!(same < 1e-12, "{same}");
    }

    #[test]
    fn divergence_is_that_of_the_definition() {
        let (student, teacher) = ([0.5_f32, -1.0, 2.0], [1.5_f32, 0.0, -0.5]);
        let softmax = |logits: [f32; 3]| {
            let e = logits.map(|l| (f64::from(l) / 4.0).exp());
            e.map(|x| x / e.iter().sum::<f64>())
        };
        let (p, q) = (softmax(teacher), softmax(student));
        let divergence: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
        let only_teacher = Distillation { weight: 1.0, ..Distillation::default() };
        let labels = Tensor::from_slice(&[0_i64]);
        let found = loss(&matrix(&student, 3), &labels, Some(&matrix(&teacher, 3)), only_teacher);
        assert!((found.double_value(&[]) - 16.0 * divergence).abs() < 1e-5);
    }
}

//! The loss of a student under a teacher (Hinton et al., 2015).

use tch::{Kind, Reduction, Tensor};

/// Temperature and weight of the teacher's part.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Distillation {
    /// Both logits are divided by it before softmax.
    pub temperature: f64,
    /// Weight of the teacher, 0 to 1.
    pub weight: f64,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { temperature: 4.0, weight: 0.9 }
    }
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
    let cross_entropy = student.cross_entropy_for_logits(labels);
    let Some(teacher) = teacher else {
        return cross_entropy;
    };
    let Distillation { temperature, weight } = distillation;
    let log_probabilities = |logits: &Tensor| (logits / temperature).log_softmax(-1, Kind::Float);
    let divergence =
        log_probabilities(student).kl_div(&log_probabilities(teacher), Reduction::Sum, true)
            / student.size()[0] as f64;
    cross_entropy * (1.0 - weight) + divergence * (weight * temperature * temperature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_is_the_slope() {
        let teacher = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 0.0, 3.0, 1.0]).view([2, 3]);
        let labels = Tensor::from_slice(&[2_i64, 1]);
        let distillation = Distillation::default();
        let values = [0.3_f32, -0.7, 1.2, 0.9, -0.4, 0.1];
        let student = Tensor::from_slice(&values).view([2, 3]).set_requires_grad(true);
        loss(&student, &labels, Some(&teacher), distillation).backward();
        let gradient = Vec::<f32>::try_from(student.grad().flatten(0, -1)).unwrap();
        for idx in 0..6 {
            let at = |step: f32| {
                let mut moved = values;
                moved[idx] += step;
                let moved = Tensor::from_slice(&moved).view([2, 3]);
                loss(&moved, &labels, Some(&teacher), distillation).double_value(&[])
            };
            let slope = (at(0.01) - at(-0.01)) / 0.02;
            assert!(
                (slope - f64::from(gradient[idx])).abs() < 2e-3,
                "{idx}: {slope} and {}",
                gradient[idx]
            );
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
    }
}

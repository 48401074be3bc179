//! Repeated measurements of one thing, and what is said of them.

use std::time::Duration;

/// Measurements in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    values: Vec<f64>,
}

impl Samples {
    /// Adds a measurement.
    pub fn push(&mut self, elapsed: Duration) {
        self.values.push(elapsed.as_secs_f64() * 1000.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The middle one.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// The value below which `part` of the others are, interpolated.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let place = part * last as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        Some(below + (above - below) * place.fract())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[u64]) -> Samples {
        let mut samples = Samples::default();
        values.iter().for_each(|ms| samples.push(Duration::from_millis(*ms)));
        samples
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(samples(&[4, 1, 3, 2]).median(), Some(2.5));
        assert_eq!(samples(&[9, 1, 5]).median(), Some(5.0));
    }

    #[test]
    fn nothing_measured_has_no_median() {
        assert_eq!(samples(&[]).median(), None);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(samples(&[0, 10]).quantile(0.9), Some(9.0));
    }
}

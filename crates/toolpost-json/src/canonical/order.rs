//! Puts a few numbers in order without a branch that depends on them.
//!
//! Sorting networks of the fewest comparisons (Knuth, "The Art of Computer Programming", volume 3, 5.3.4).

/// Sorts four numbers.
#[inline(always)]
pub(super) fn four(of: &mut [u64; 4]) {
    for (low, high) in [(0, 2), (1, 3), (0, 1), (2, 3), (1, 2)] {
        exchange(of, low, high);
    }
}

/// Sorts eight numbers.
#[inline(always)]
pub(super) fn eight(of: &mut [u64; 8]) {
    for (low, high) in [(0, 2), (1, 3), (4, 6), (5, 7)] {
        exchange(of, low, high);
    }
    for (low, high) in [(0, 4), (1, 5), (2, 6), (3, 7)] {
        exchange(of, low, high);
    }
    for (low, high) in [(0, 1), (2, 3), (4, 5), (6, 7)] {
        exchange(of, low, high);
    }
    for (low, high) in [(2, 4), (3, 5), (1, 4), (3, 6)] {
        exchange(of, low, high);
    }
    for (low, high) in [(1, 2), (3, 4), (5, 6)] {
        exchange(of, low, high);
    }
}

#[inline(always)]
fn exchange<const N: usize>(of: &mut [u64; N], low: usize, high: usize) {
    let (a, b) = (of[low], of[high]);
    of[low] = a.min(b);
    of[high] = a.max(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network that sorts all sequences of zeros and ones sorts everything.
    #[test]
    fn every_sequence_of_zeros_and_ones_is_sorted() {
        for bits in 0..256_u64 {
            let mut wide = std::array::from_fn(|at| bits >> at & 1);
            let mut narrow = std::array::from_fn(|at| bits >> at & 1);
            eight(&mut wide);
            four(&mut narrow);
            assert!(wide.is_sorted() && narrow.is_sorted(), "{bits:b}");
            assert_eq!(wide.iter().sum::<u64>(), u64::from(bits.count_ones()));
            assert_eq!(narrow.iter().sum::<u64>(), u64::from((bits & 15).count_ones()));
        }
    }
}

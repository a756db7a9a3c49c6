//! Order, for what comes in any: one sort for whatever is to be sorted.
//!
//! What our own side sends is in order and goes past here. A sort of the standard library for each type that others send in
//! disorder would be a twentieth of the filter's module.

use std::cmp::Ordering;

/// The numbers below `count` in the order of what they stand for; those of equal things stay in theirs. Takes no more than
/// `count` times its binary logarithm of comparisons, whatever the order was.
pub(crate) fn sorted(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let (mut runs, mut merged): (Vec<usize>, Vec<usize>) = ((0..count).collect(), Vec::with_capacity(count));
    let mut width = 1;
    while width < count {
        for pair in runs.chunks(2 * width) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let ([a, after_a @ ..], [b, after_b @ ..]) = (left, right) {
                if compare(*a, *b).is_le() {
                    merged.push(*a);
                    left = after_a;
                } else {
                    merged.push(*b);
                    right = after_b;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut runs, &mut merged);
        merged.clear();
        width *= 2;
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_a_stable_sort(things in prop::collection::vec(0..20u8, 0..70)) {
            let mut expected: Vec<usize> = (0..things.len()).collect();
            expected.sort_by_key(|at| things[*at]);
            prop_assert_eq!(sorted(things.len(), &|a, b| things[a].cmp(&things[b])), expected);
        }
    }
}

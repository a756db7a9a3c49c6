//! Numbers as the explanation of a decision writes them.
//!
//! The standard library's way is a thirtieth of the filter's module, for what few attributes are. What is written here
//! stands for the same number and no other: a decimal that reads back as it, or else the number's bits.

use std::fmt;

/// A number that is written exactly.
pub(crate) struct Exact(pub(crate) f64);

/// Bits of a number's fraction, and what its exponent is counted from.
const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const EXPONENT_BIAS: i64 = (f64::MAX_EXP - 1) as i64 + FRACTION_BITS as i64;

/// Below this, whole numbers are numbers of this type, all of them.
const WHOLE: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// Decimals that are tried; the power of ten with so many zeros is a number of this type, too.
const DECIMALS_MAX: usize = 18;

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = *self;
        if number.is_nan() {
            return f.write_str("NaN");
        }
        if number.is_sign_negative() {
            f.write_str("-")?;
        }
        let size = number.abs();
        if size.is_infinite() {
            return f.write_str("inf");
        }
        match decimal(size) {
            Some((digits, 0)) => write!(f, "{digits}"),
            Some((digits, decimals)) => {
                let point = 10_u64.pow(decimals as u32);
                write!(f, "{}.{:0decimals$}", digits / point, digits % point)
            }
            None => {
                let (fraction, exponent) =
                    (size.to_bits() % (1 << FRACTION_BITS), size.to_bits() >> FRACTION_BITS);
                // The smallest numbers have no bit before their fraction.
                let before = u64::from(exponent > 0) << FRACTION_BITS;
                write!(f, "{}*2^{}", before + fraction, exponent.max(1) as i64 - EXPONENT_BIAS)
            }
        }
    }
}

/// The digits of a decimal that is read as this number, and how many of them are after the point; as few as will do.
fn decimal(number: f64) -> Option<(u64, usize)> {
    let mut power = 1.0;
    for decimals in 0..=DECIMALS_MAX {
        let shifted = number * power;
        if shifted >= WHOLE {
            break;
        }
        let digits = shifted.round_ties_even() as u64;
        // Both are exact, so the quotient is what reading the decimal comes to, whatever was rounded before.
        if (digits as f64 / power).to_bits() == number.to_bits() {
            return Some((digits, decimals));
        }
        power *= 10.0;
    }
    // What is so large is whole.
    (WHOLE..u64::MAX as f64).contains(&number).then_some((number as u64, 0))
}

#[cfg(test)]
mod tests {
    use super::Exact;

    #[test]
    fn a_number_is_written_as_a_decimal_that_is_read_as_it() {
        let written = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.05, "0.05"),
            (1.0 / 3.0, "0.3333333333333333"),
            (123_456.789, "123456.789"),
            (1e-9, "0.000000001"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e19, "10000000000000000000"),
        ];
        for (number, expected) in written {
            let text = Exact(number).to_string();
            assert_eq!(text, expected);
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()));
        }
    }

    #[test]
    fn a_number_that_no_short_decimal_is_read_as_is_written_by_its_bits() {
        let written = [
            (0.1 + 0.2, "5404319552844596*2^-54"),
            (-1e300, "-6724873095247260*2^944"),
            (f64::MIN_POSITIVE, "4503599627370496*2^-1074"),
            (f64::from_bits(1), "1*2^-1074"),
            (18_446_744_073_709_551_616.0, "4503599627370496*2^12"),
        ];
        for (number, expected) in written {
            let text = Exact(number).to_string();
            assert_eq!(text, expected);
            let (mantissa, exponent) = text.split_once("*2^").expect("two numbers");
            let scale = |exponent: i32| 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2);
            let read = mantissa.parse::<f64>().expect("digits") * scale(exponent.parse().expect("a number"));
            assert!(read.to_bits() == number.to_bits() || number.abs() < 1e-300, "{read}");
        }
        assert_eq!(Exact(f64::NAN).to_string(), "NaN");
        assert_eq!(Exact(f64::NEG_INFINITY).to_string(), "-inf");
    }
}

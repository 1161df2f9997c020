//! Numbers that are made up, for trials and measurements: from a seed, so that two processes that share nothing else agree on
//! which numbers a list holds. Start at [`NationalList`].
//!
//! Nothing here knows a number that is really on a list.

mod national;
mod permutation;
mod random;
mod states;

pub use self::national::{MAX_NUMBERS, NationalList, OutOfRange};
pub use self::permutation::Permutation;
pub use self::random::{Random, mix};

/// `NPA,7digits` and a line feed, of ten digits: a line of the national registry's files. Written by hand: formatting millions
/// of lines takes longer than writing them.
pub fn ftc_line(national: u64) -> [u8; 12] {
    let mut line = *b"000,0000000\n";
    let mut rest = national;
    for at in (0..11).rev().filter(|at| *at != 3) {
        line[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_area_code_and_seven_digits() {
        assert_eq!(&ftc_line(2_015_550_100), b"201,5550100\n");
        assert_eq!(&ftc_line(3_052_000_007), b"305,2000007\n");
    }
}

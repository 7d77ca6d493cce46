//! The stamp inside each notification, by which it is recognised when it arrives.

/// Names one measured segment, so that stragglers of another one are not counted.
pub(crate) type RunId = [u8; 8];

const PREFIX: &[u8; 3] = b"lt-";
const NUMBER: std::ops::Range<usize> = 12..22;
const INTENDED: std::ops::Range<usize> = 23..39;
/// Bytes of a stamp: `lt-<run>-<number, 10 digits>-<intended send time, 16 digits of ns>`.
/// Fixed widths, so that the sender patches digits in place.
pub(crate) const STAMP: usize = INTENDED.end;

/// A stamp with zeroes for its numbers.
pub(crate) fn blank_stamp(run: RunId) -> [u8; STAMP] {
    let mut stamp = [b'0'; STAMP];
    stamp[..3].copy_from_slice(PREFIX);
    stamp[3..11].copy_from_slice(&run);
    stamp[11] = b'-';
    stamp[22] = b'-';
    stamp
}

/// Writes the message's number and intended send time (ns of the clock) into a stamp.
pub(crate) fn fill_stamp(stamp: &mut [u8], number: u64, intended: u64) {
    digits(&mut stamp[NUMBER], number);
    digits(&mut stamp[INTENDED], intended);
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// Number and intended send time of the stamp of `run` in a payload, wherever it stands.
pub(crate) fn find_stamp(payload: &[u8], run: RunId) -> Option<(u64, u64)> {
    let stamp = payload
        .windows(STAMP)
        .find(|window| window.starts_with(PREFIX) && window[3..11] == run[..])?;
    Some((number(&stamp[NUMBER])?, number(&stamp[INTENDED])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_wherever_it_stands() {
        let mut stamp = blank_stamp(*b"0000002a");
        fill_stamp(&mut stamp, 1_234, 5_678_901);
        let payload = [b"{\"user_id\":\"lt-1\",\"id\":\"".as_slice(), &stamp, b"\"}"].concat();
        assert_eq!(find_stamp(&payload, *b"0000002a"), Some((1_234, 5_678_901)));
        assert_eq!(find_stamp(&payload, *b"0000002b"), None);
        assert_eq!(find_stamp(b"{}", *b"0000002a"), None);
    }
}

//! In which order windows are taken from several texts.

/// Every (text, window), one window of each text in turn, so that wherever one stops the texts have had the same chance.
/// At most `most`.
#[must_use]
pub(crate) fn in_turn(windows: &[usize], most: Option<usize>) -> Vec<(usize, usize)> {
    let longest = windows.iter().copied().max().unwrap_or(0);
    let all = (0..longest).flat_map(|window| {
        let has = move |&(_, &count): &(usize, &usize)| window < count;
        windows.iter().enumerate().filter(has).map(move |(text, _)| (text, window))
    });
    all.take(most.unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_take_turns_until_they_end() {
        assert_eq!(in_turn(&[3, 1, 2], None), [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2)]);
        assert_eq!(in_turn(&[3, 0, 2], Some(3)), [(0, 0), (2, 0), (0, 1)]);
        assert_eq!(in_turn(&[], None), []);
    }
}

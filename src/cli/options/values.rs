//! Values of options: text to number or choice, with an error that says what would be right.

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, Resettable, TypedValueParser},
};

/// One of several values, listed by name. What the docs of a type say of each is for the schema of a record.
pub(crate) fn one_of<T: ValueEnum + Clone + Send + Sync + 'static>() -> impl TypedValueParser<Value = T> {
    let names = T::value_variants().iter().filter_map(T::to_possible_value).map(|value| value.help(Resettable::Reset));
    PossibleValuesParser::new(names).try_map(|name| T::from_str(&name, false))
}

/// Values of an option that takes several: one, or those of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Several<T>(pub(crate) Vec<T>);

impl<T: Clone + PartialEq> Several<T> {
    /// All that was typed, each once, in its order.
    pub(crate) fn all(typed: &[Self]) -> Vec<T> {
        let mut all: Vec<T> = Vec::new();
        for value in typed.iter().flat_map(|several| &several.0) {
            if !all.contains(value) {
                all.push(value.clone());
            }
        }
        all
    }
}

/// Most numbers of a range.
const MOST: usize = 1000;

/// `4`, `2-8`, `2-8+2` or `2-16*2`, ends included, as llama-bench has ranges; every number lies between `lower` and `upper`.
pub(crate) fn numbers(text: &str, lower: i64, upper: i64) -> Result<Several<i64>, String> {
    let wrong = || format!("{text:?} is no number and no range; write 4, 2-8, 2-8+2 or 2-16*2");
    let number = |part: &str| part.trim().parse::<i64>().map_err(|_| wrong());
    let text = text.trim();
    // The first number may be less than 0, and so may begin with what stands between two.
    let split = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| text.split_at(at));
    let (first, last, step) = match split {
        None => (number(text)?, number(text)?, Step::Add(1)),
        Some((first, rest)) => {
            let rest = &rest[1..];
            let (last, step) = if let Some((last, step)) = rest.split_once('+') {
                (last, Step::Add(number(step)?))
            } else if let Some((last, step)) = rest.split_once('*') {
                (last, Step::Times(number(step)?))
            } else {
                (rest, Step::Add(1))
            };
            (number(first)?, number(last)?, step)
        }
    };
    let mut all = Vec::new();
    let mut next = first;
    while next <= last {
        if !(lower..=upper).contains(&next) {
            return Err(format!("{next} is not between {lower} and {upper}"));
        }
        all.push(next);
        if all.len() > MOST {
            return Err(format!("{text:?} has more than {MOST} numbers"));
        }
        let then = step.after(next).ok_or_else(wrong)?;
        if then <= next {
            return Err(format!("{text:?} does not grow from {next} on"));
        }
        next = then;
    }
    if all.is_empty() { Err(format!("{text:?} has no number: it begins after its end")) } else { Ok(Several(all)) }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Add(i64),
    Times(i64),
}

impl Step {
    fn after(self, number: i64) -> Option<i64> {
        match self {
            Self::Add(n) => number.checked_add(n),
            Self::Times(n) => number.checked_mul(n),
        }
    }
}

/// The same for numbers from `lower` to `upper`, which fit what is asked for.
pub(crate) fn range<T: TryFrom<i64>>(
    lower: i64,
    upper: i64,
) -> impl Fn(&str) -> Result<Several<T>, String> + Clone + Send + Sync + 'static {
    move |text| {
        let Several(all) = numbers(text, lower, upper)?;
        let fit = |n: i64| T::try_from(n).map_err(|_| format!("{n} is too large"));
        all.into_iter().map(fit).collect::<Result<Vec<T>, String>>().map(Several)
    }
}

/// `0` or `1`, as llama-bench has truths.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "0" | "off" => Ok(false),
        "1" | "on" => Ok(true),
        _ => Err(format!("{text:?} is neither 0 nor 1")),
    }
}

/// How many rounds: at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rounds {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl Rounds {
    /// `10..40`, `10..` or `12`, which means exactly 12.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const MOST: u32 = 1000;
        let number = |part: &str| match part.trim().parse::<u32>() {
            Ok(n) if (1..=MOST).contains(&n) => Ok(n),
            _ => Err(format!("{part:?} is not a number from 1 to {MOST}; write 12, or 10..40")),
        };
        let (min, max) = match text.split_once("..") {
            None => (number(text)?, number(text)?),
            Some((min, "")) => (number(min)?, MOST),
            Some((min, max)) => (number(min)?, number(max.trim_start_matches('='))?),
        };
        if min > max {
            return Err(format!("at least {min} and at most {max} can't both be kept"));
        }
        Ok(Self { min, max })
    }
}

/// `90`, `90s`, `10m` or `1h`, in seconds.
pub(crate) fn duration_s(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a time; write 90s, 10m or 1h");
    let text = text.trim();
    let (number, unit_s) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        _ => (text, 1.0),
    };
    let seconds = number.trim().parse::<f64>().map_err(|_| wrong())? * unit_s;
    if !(1.0..=1e9).contains(&seconds) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1e9")]
    Ok(seconds.round() as u64)
}

/// `95%` or `0.95`, as a fraction from a half on and below 1.
pub(crate) fn confidence(text: &str) -> Result<f64, String> {
    let fraction = percentage(text)?;
    if (0.5..1.0).contains(&fraction) {
        Ok(fraction)
    } else {
        Err(format!("{text:?} is no confidence from 50% to below 100%"))
    }
}

/// `5%` or `0.05`, as a fraction.
pub(crate) fn percentage(text: &str) -> Result<f64, String> {
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    not_negative(number.trim()).map(|number| number / divisor)
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(format!("{text:?} is not a number of 0 or more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_a_number_or_a_range() {
        assert_eq!(Rounds::parse("12"), Ok(Rounds { min: 12, max: 12 }));
        assert_eq!(Rounds::parse("10..40"), Ok(Rounds { min: 10, max: 40 }));
        assert_eq!(Rounds::parse("10..=40"), Ok(Rounds { min: 10, max: 40 }));
        assert_eq!(Rounds::parse("8.."), Ok(Rounds { min: 8, max: 1000 }));
        for wrong in ["", "0", "40..10", "..", "a", "1001", "..5"] {
            assert!(Rounds::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_are_llama_benchs() {
        let of = |text: &str| range::<u32>(0, 1 << 20)(text).map(|several| several.0);
        assert_eq!(of("4"), Ok(vec![4]));
        assert_eq!(of("0-3"), Ok(vec![0, 1, 2, 3]));
        assert_eq!(of("0-3+1"), Ok(vec![0, 1, 2, 3]));
        assert_eq!(of("8-32*2"), Ok(vec![8, 16, 32]));
        assert_eq!(of("1-8+3"), Ok(vec![1, 4, 7]));
        assert_eq!(of("512-512"), Ok(vec![512]));
        for wrong in ["", "a", "-1", "0-10*2", "1-4+0", "1-4*1", "5-1", "1-", "1-4+", "1-4/2", "2097152", "0-100000"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let layers = |text: &str| range::<i32>(-1, 1000)(text).map(|several| several.0);
        assert_eq!(layers("-1"), Ok(vec![-1]));
        assert_eq!(layers("-1-1"), Ok(vec![-1, 0, 1]));
        assert!(layers("-2").is_err());
        let typed = [Several(vec![1, 2]), Several(vec![2, 3]), Several(vec![1])];
        assert_eq!(Several::all(&typed), [1, 2, 3]);
    }

    #[test]
    fn truths_are_0_and_1() {
        assert_eq!(["0", "1", "off", "on"].map(truth), [Ok(false), Ok(true), Ok(false), Ok(true)]);
        assert!(truth("2").is_err() && truth("").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(["90", "90s", "1.5m", "1h"].map(duration_s), [Ok(90), Ok(90), Ok(90), Ok(3600)]);
        for wrong in ["", "m", "0", "-5m", "10 days", "inf", "nan"] {
            assert!(duration_s(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_confidence_is_neither_a_guess_nor_certain() {
        assert_eq!([confidence("0.9"), confidence("90%")], [Ok(0.9), Ok(0.9)]);
        for wrong in ["1", "100%", "0.4", "95"] {
            assert!(confidence(wrong).is_err(), "{wrong}");
        }
    }
}

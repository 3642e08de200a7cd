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

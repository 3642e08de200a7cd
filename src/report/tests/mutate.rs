//! Changes a JSON document in one place and leaves it JSON: random bytes seldom get past a parser.

use serde_json::{Number, Value};

use crate::stats::SplitMix64;

/// Numbers where arithmetic goes wrong.
const EDGES: [f64; 12] =
    [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 1e300, -1e300, 4_294_967_295.0, 9_007_199_254_740_992.0, 1.8e19];

/// One random change somewhere in the document.
#[allow(unreachable_pub, reason = "fuzz/ takes this file as a module of its own")]
pub fn change(place: &mut Value, random: &mut SplitMix64) {
    // Walks down to a random place; the deeper it is, the fewer stops were made before it.
    let inside = match place {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if inside == 0 || random.below(8) == 0 {
        return replace(place, random);
    }
    let at = random.below(inside);
    let next = match place {
        Value::Array(items) => items.get_mut(at),
        Value::Object(fields) => fields.values_mut().nth(at),
        _ => None,
    };
    change(next.expect("there are as many inside"), random);
}

fn replace(value: &mut Value, random: &mut SplitMix64) {
    match value {
        Value::Array(items) => array(items, random),
        Value::Object(fields) if random.below(2) == 0 => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            if !keys.is_empty() {
                fields.remove(&keys[random.below(keys.len())]);
            }
        }
        Value::Number(number) => *number = edge(number, random),
        Value::Bool(truth) => *truth = !*truth,
        Value::String(text) => string(text, random),
        other => *other = if random.below(2) == 0 { Value::Null } else { Value::Number(0.into()) },
    }
}

fn array(items: &mut Vec<Value>, random: &mut SplitMix64) {
    match (random.below(4), items.len()) {
        (_, 0) => items.push(Value::Null),
        (0, _) => items.clear(),
        (1, n) => _ = items.remove(random.below(n)),
        (2, n) => items.push(items[random.below(n)].clone()),
        (_, n) => items.truncate(random.below(n) + 1),
    }
}

/// Whole where it was whole, more often than not.
fn edge(number: &Number, random: &mut SplitMix64) -> Number {
    let wide = [0, 1, 2, u64::from(u32::MAX), 1 << 53, u64::MAX - 1, u64::MAX];
    if number.is_f64() || random.below(8) == 0 {
        return Number::from_f64(EDGES[random.below(EDGES.len())]).expect("finite");
    }
    match (random.below(3), number.as_u64()) {
        (0, Some(n)) => n.wrapping_add(1).into(),
        (1, Some(n)) => n.saturating_sub(1).into(),
        _ => wide[random.below(wide.len())].into(),
    }
}

fn string(text: &mut String, random: &mut SplitMix64) {
    match random.below(3) {
        0 => text.clear(),
        1 => text.push_str("\u{1b}[2J\u{9b}\u{202e}<script>\"'|\n=1"),
        _ => *text = text.repeat(50),
    }
}

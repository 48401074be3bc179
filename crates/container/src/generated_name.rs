//! Names for containers that were not given one: an adjective and a maker of things.

use types::ContainerName;

const ADJECTIVES: &[&str] = &[
    "agile", "amber", "ample", "apt", "arctic", "ardent", "bold", "brave", "bright", "brisk",
    "calm", "candid", "civil", "clear", "clever", "cobalt", "cool", "copper", "crisp", "deft",
    "eager", "early", "exact", "fair", "fine", "firm", "fleet", "fond", "frank", "fresh", "gentle",
    "glad", "golden", "grand", "hardy", "humble", "keen", "kind", "light", "lively", "loyal",
    "lucid", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "plain",
    "polite", "proud", "quick", "quiet", "rapid", "ready", "robust", "sharp", "silver", "simple",
    "smart", "solid", "sound", "spry", "stable", "steady", "stout", "sturdy", "subtle", "sunny",
    "swift", "tidy", "true", "vivid", "warm", "wise", "witty", "young", "zesty",
];

const MAKERS: &[&str] = &[
    "archimedes",
    "babbage",
    "bell",
    "benz",
    "bessemer",
    "borlaug",
    "braille",
    "brunel",
    "cerf",
    "clarke",
    "curie",
    "daimler",
    "diesel",
    "dijkstra",
    "edison",
    "eiffel",
    "engelbart",
    "euler",
    "faraday",
    "fermi",
    "fleming",
    "fulton",
    "galileo",
    "gauss",
    "goodyear",
    "gutenberg",
    "hamilton",
    "harrison",
    "hertz",
    "hooke",
    "hopper",
    "huygens",
    "jacquard",
    "kepler",
    "kilby",
    "knuth",
    "lamarr",
    "lamport",
    "leibniz",
    "liskov",
    "lovelace",
    "marconi",
    "mccarthy",
    "metcalfe",
    "morse",
    "napier",
    "newcomen",
    "newton",
    "nobel",
    "noether",
    "otto",
    "pascal",
    "pasteur",
    "planck",
    "postel",
    "ramanujan",
    "ritchie",
    "rontgen",
    "shannon",
    "siemens",
    "stephenson",
    "telford",
    "tesla",
    "thompson",
    "torvalds",
    "turing",
    "volta",
    "watt",
    "whitney",
    "wilkes",
    "wirth",
    "wright",
    "zeppelin",
    "zuse",
];

/// Draws a name; `attempt` above 0 adds a number, so that a caller who retries finds a free one.
#[must_use]
pub fn generate(attempt: u32) -> ContainerName {
    let draw = types::ContainerId::random();
    // Two independent 32-bit values of the 256 random ones.
    let part = |at: usize| {
        usize::from_str_radix(&draw.as_str()[at..at + 8], 16)
            .expect("an id is hexadecimal throughout")
    };
    let adjective = ADJECTIVES[part(16) % ADJECTIVES.len()];
    let maker = MAKERS[part(24) % MAKERS.len()];
    let text = match attempt {
        0 => format!("{adjective}_{maker}"),
        n => format!("{adjective}_{maker}{n}"),
    };
    text.parse().expect("the word lists hold lower-case letters only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_a_valid_name() {
        for adjective in ADJECTIVES {
            for maker in MAKERS {
                assert!(format!("{adjective}_{maker}").parse::<ContainerName>().is_ok());
            }
        }
        assert!(generate(3).as_str().ends_with('3'));
    }
}

//! What a person recognises a device by: `Firefox on Linux`, from what the program calls itself.
//!
//! Anybody can claim any name, so that it is only shown and never decides anything. Names come from a short table; of a program that is
//! not in it, its own name is shown, if it is one.

/// Longest name of a program that is shown as it calls itself, in characters.
const PROGRAM_MAX_CHARS: usize = 32;
const UNKNOWN: &str = "Unknown program";

/// Browsers by what tells them apart, those that also carry another's name first.
const BROWSERS: [(&str, &str); 14] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("AppleWebKit/", "a browser"),
];

/// Systems, in the same way.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("Linux", "Linux"),
];

/// See the module.
pub(crate) fn device_name(user_agent: &str) -> String {
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    let program = match find(&BROWSERS) {
        // Every browser claims to be Mozilla; what else is not a browser names itself first.
        Some(browser) if user_agent.starts_with("Mozilla/") || user_agent.starts_with("Opera/") => browser.to_owned(),
        _ => own_name(user_agent),
    };
    match find(&SYSTEMS) {
        Some(system) => format!("{program} on {system}"),
        None => program,
    }
}

/// The product that stands first (RFC 9110 §10.1.5): letters, digits and the usual signs up to a `/` or a space.
fn own_name(user_agent: &str) -> String {
    let end = user_agent.find(['/', ' ']).unwrap_or(user_agent.len());
    let name = &user_agent[..end];
    let usual = |character: char| character.is_ascii_alphanumeric() || "-_.+".contains(character);
    if name.is_empty() || name == "Mozilla" || name.chars().count() > PROGRAM_MAX_CHARS || !name.chars().all(usual) {
        return UNKNOWN.to_owned();
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn browsers_and_programs_are_recognised() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(), "Firefox on Linux"),
            (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0.0.0 Safari/537.36"), "Chrome on Windows"),
            (
                format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"),
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1".to_owned(),
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15".to_owned(),
                "Safari on macOS",
            ),
            (format!("Mozilla/5.0 (Linux; Android 15) {webkit} Chrome/140.0.0.0 Mobile Safari/537.36"), "Chrome on Android"),
            (format!("Mozilla/5.0 (X11; CrOS x86_64) {webkit} Chrome/140.0 Safari/537.36"), "Chrome on ChromeOS"),
            ("curl/8.14.1".to_owned(), "curl"),
            ("coditect-cli/1.0 (Linux)".to_owned(), "coditect-cli on Linux"),
            ("Mozilla/5.0 (compatible)".to_owned(), UNKNOWN),
            (String::new(), UNKNOWN),
            ("<script>alert(1)</script>".to_owned(), UNKNOWN),
            ("a".repeat(33), UNKNOWN),
        ];
        for (user_agent, expected) in cases {
            assert_eq!(device_name(&user_agent), expected, "{user_agent}");
        }
    }

    proptest! {
        #[test]
        fn it_is_always_short_and_plain(user_agent in "\\PC{0,300}") {
            let name = device_name(&user_agent);
            prop_assert!(!name.is_empty() && name.len() <= PROGRAM_MAX_CHARS + 20);
            prop_assert!(name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.+ ".contains(character)));
        }
    }
}

//! Keys and tokens with a prefix of their own.

use super::{Secret, entropy, is_word, run};

/// A token: a prefix, and how many characters of a kind follow.
struct Rule {
    name: &'static str,
    what: &'static str,
    prefixes: &'static [&'static str],
    /// The least and the most.
    length: (usize, usize),
    is_part: fn(u8) -> bool,
    /// Of what follows the prefix.
    is_real: fn(&str) -> bool,
}

const ANY: usize = usize::MAX;

const RULES: &[Rule] = &[
    Rule {
        name: "aws-access-key",
        what: "an access key of Amazon Web Services",
        prefixes: &["AKIA", "ASIA", "ABIA", "ACCA"],
        length: (16, 16),
        is_part: |byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte),
        is_real: |rest| !rest.ends_with("EXAMPLE") && entropy(rest) > 2.5,
    },
    Rule {
        name: "github-token",
        what: "a token of GitHub",
        prefixes: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        length: (36, 36),
        is_part: |byte| byte.is_ascii_alphanumeric(),
        is_real: has_checksum,
    },
    Rule {
        name: "github-token",
        what: "a token of GitHub",
        prefixes: &["github_pat_"],
        length: (82, 82),
        is_part: |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        is_real: |rest| rest.as_bytes()[22] == b'_' && is_random(rest),
    },
    Rule {
        name: "npm-token",
        what: "a token of npm",
        prefixes: &["npm_"],
        length: (36, 36),
        is_part: |byte| byte.is_ascii_alphanumeric(),
        is_real: has_checksum,
    },
    Rule {
        name: "gitlab-token",
        what: "a token of GitLab",
        prefixes: &["glpat-", "gldt-", "glrt-", "glptt-"],
        length: (20, 50),
        is_part: is_word,
        is_real: is_random,
    },
    Rule {
        name: "slack-token",
        what: "a token of Slack",
        prefixes: &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"],
        length: (24, 250),
        is_part: |byte| byte.is_ascii_alphanumeric() || byte == b'-',
        is_real: is_random,
    },
    Rule {
        name: "stripe-key",
        what: "a live key of Stripe",
        prefixes: &["sk_live_", "rk_live_"],
        length: (24, 250),
        is_part: |byte| byte.is_ascii_alphanumeric(),
        is_real: is_random,
    },
    Rule {
        name: "google-api-key",
        what: "an API key of Google",
        prefixes: &["AIza"],
        length: (35, 35),
        is_part: is_word,
        is_real: is_random,
    },
    Rule {
        name: "google-client-secret",
        what: "a client secret of Google",
        prefixes: &["GOCSPX-"],
        length: (28, 28),
        is_part: is_word,
        is_real: is_random,
    },
    Rule {
        name: "anthropic-key",
        what: "a key of Anthropic",
        prefixes: &["sk-ant-"],
        length: (60, 250),
        is_part: is_word,
        is_real: is_random,
    },
    Rule {
        name: "openai-key",
        what: "a key of OpenAI",
        prefixes: &["sk-"],
        length: (40, 250),
        is_part: is_word,
        // All of them have this in the middle: it says "OpenAI".
        is_real: |rest| rest.contains("T3BlbkFJ") && is_random(rest),
    },
    Rule {
        name: "hugging-face-token",
        what: "a token of Hugging Face",
        prefixes: &["hf_"],
        length: (34, 34),
        is_part: |byte| byte.is_ascii_alphanumeric(),
        is_real: is_random,
    },
    Rule {
        name: "sendgrid-key",
        what: "a key of SendGrid",
        prefixes: &["SG."],
        length: (66, 66),
        is_part: |byte| is_word(byte) || byte == b'.',
        is_real: |rest| rest.as_bytes()[22] == b'.' && is_random(rest),
    },
    Rule {
        name: "azure-storage-key",
        what: "a key of an Azure storage account",
        prefixes: &["AccountKey="],
        length: (88, 88),
        is_part: |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        is_real: |rest| rest.ends_with("==") && is_random(rest),
    },
    Rule {
        name: "cargo-token",
        what: "a token of Cargo's registry",
        prefixes: &["cio"],
        length: (32, 32),
        is_part: |byte| byte.is_ascii_alphanumeric(),
        is_real: |rest| is_random(rest) && has_all_kinds(rest),
    },
    Rule {
        name: "pypi-token",
        what: "a token of PyPI",
        prefixes: &["pypi-AgE"],
        length: (80, ANY),
        is_part: is_word,
        is_real: is_random,
    },
];

pub(super) fn find(text: &str) -> Vec<Secret> {
    RULES.iter().flat_map(|rule| rule.find(text)).collect()
}

impl Rule {
    fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Secret> + 'a {
        let places = self.prefixes.iter().flat_map(|prefix| text.match_indices(*prefix));
        places.filter_map(|(start, prefix)| {
            if start > 0 && is_word(text.as_bytes()[start - 1]) {
                return None;
            }
            let begin = start + prefix.len();
            let length = run(text, begin, self.is_part);
            let (least, most) = self.length;
            let rest = &text[begin..begin + length];
            let is_secret = (least..=most).contains(&length) && (self.is_real)(rest);
            is_secret.then_some(Secret { at: start..begin + length, rule: self.name, what: self.what })
        })
    }
}

/// Not made by hand: no placeholder such as `xxxx` or `your_token_here`.
fn is_random(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_placeholder = ["example", "placeholder", "your", "xxxx", "0000000", "1234567890abcdef"]
        .iter()
        .any(|word| lower.contains(word));
    !is_placeholder && entropy(text) > 3.0
}

fn has_all_kinds(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

/// Thirty characters and their CRC-32 in six of base 62, as GitHub and npm make their tokens.
fn has_checksum(text: &str) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (body, told) = text.split_at(30);
    let mut left = crc32(body.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(left % 62) as usize];
        left /= 62;
    }
    told.as_bytes() == digits
}

/// CRC-32 of ISO 3309, as in zip files.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

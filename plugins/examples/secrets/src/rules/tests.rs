use proptest::prelude::*;

use super::*;

fn rules(text: &str) -> Vec<&'static str> {
    find(text, true).iter().map(|secret| secret.rule).collect()
}

/// Put together here, so that nobody takes this file for one with secrets in it.
fn random(prefix: &str, alphabet: &str, length: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = 7_usize;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005_usize).wrapping_add(1_442_695_040_888_963_407);
        letters[(state >> 33) % letters.len()]
    };
    prefix.chars().chain((0..length).map(|_| next())).collect()
}

const ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[test]
fn tokens_are_found_by_their_form() {
    let openai = format!("{}T3BlbkFJ{}", random("sk-", ALPHANUMERIC, 20), random("", ALPHANUMERIC, 20));
    let github = format!("{}_{}", random("github_pat_", ALPHANUMERIC, 22), random("", ALPHANUMERIC, 59));
    let sendgrid = format!("{}.{}", random("SG.", ALPHANUMERIC, 22), random("", ALPHANUMERIC, 43));
    for (token, rule) in [
        (random("AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16), "aws-access-key"),
        (concat!("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17").to_owned(), "github-token"),
        (github, "github-token"),
        (random("glpat-", ALPHANUMERIC, 20), "gitlab-token"),
        (random("xoxb-", ALPHANUMERIC, 40), "slack-token"),
        (random("sk_live_", ALPHANUMERIC, 24), "stripe-key"),
        (random("AIza", ALPHANUMERIC, 35), "google-api-key"),
        (random("sk-ant-api03-", ALPHANUMERIC, 90), "anthropic-key"),
        (openai, "openai-key"),
        (random("hf_", ALPHANUMERIC, 34), "hugging-face-token"),
        (sendgrid, "sendgrid-key"),
        (format!("{}==", random("AccountKey=", ALPHANUMERIC, 86)), "azure-storage-key"),
        (random("pypi-AgE", ALPHANUMERIC, 100), "pypi-token"),
    ] {
        for (before, behind) in [("", ""), ("é key=", "\n"), ("\"", "\","), ("Bearer ", " ")] {
            let text = format!("{before}{token}{behind}");
            let found = find(&text, false);
            assert_eq!(found.len(), 1, "{rule}: {text}");
            assert_eq!((found[0].rule, &text[found[0].at.clone()]), (rule, token.as_str()));
        }
        // As a part of something longer it is something else.
        assert!(rules(&format!("a{token}")).iter().all(|found| *found != rule), "{rule}");
    }
}

#[test]
fn a_wrong_checksum_is_no_token() {
    assert_eq!(rules(concat!("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18")), [""; 0]);
    assert_eq!(rules(&random("npm_", ALPHANUMERIC, 36)), [""; 0]);
}

#[test]
fn keys_and_web_tokens_are_found_whole() {
    let body = random("", ALPHANUMERIC, 64);
    let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n{body}\n-----END OPENSSH PRIVATE KEY-----");
    let text = format!("x\n{key}\ny");
    let found = find(&text, true);
    assert_eq!((found.len(), &text[found[0].at.clone()]), (1, key.as_str()));
    assert_eq!(rules(&key.replace("PRIVATE", "PUBLIC")), [""; 0]);
    assert_eq!(rules("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----"), [""; 0]);

    let signature = random("", ALPHANUMERIC, 43);
    // {"alg":"HS256"} and {"sub":"1"}
    let token = format!("{}.{}.{signature}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0");
    let text = format!("Authorization: Bearer {token}.");
    let found = find(&text, true);
    assert_eq!((found.len(), &text[found[0].at.clone()]), (1, token.as_str()));
    assert_eq!(rules("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"), [""; 0]);
    assert_eq!(rules(&format!("eyJub3QganNvbg.eyJzdWIiOiIxIn0.{signature}")), [""; 0]);
}

#[test]
fn passwords_in_addresses_are_found_and_templates_are_not() {
    let text = "url = postgres://app:q7!hVz02@db.internal/x";
    let found = find(text, false);
    assert_eq!((found.len(), &text[found[0].at.clone()]), (1, "q7!hVz02"));
    for fine in [
        "postgres://app:${PASSWORD}@db/x",
        "postgres://postgres:postgres@localhost/x",
        "https://user:password@example.org",
        "https://example.org:8080/@a",
        "https://example.org/a:b@c",
        "redis://:@localhost",
    ] {
        assert_eq!(rules(fine), [""; 0], "{fine}");
    }
}

#[test]
fn values_of_secret_names_are_found() {
    let secret = "kV9x2Lq0ZrT7mB4wYc1N";
    for text in [
        format!("password = \"{secret}\""),
        format!("\"apiKey\": \"{secret}\","),
        format!("DB_PASSWORD={secret}"),
        format!("export SERVICE_TOKEN={secret}\n"),
        format!("let client_secret := '{secret}';"),
        format!("config[\"signing-key\"] = `{secret}`"),
    ] {
        let found = find(&text, true);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(&text[found[0].at.clone()], secret);
        assert_eq!(find(&text, false), [], "{text}");
    }
}

#[test]
fn ordinary_code_has_no_secrets() {
    for fine in [
        "let token = next_token(&mut lexer, 0x1234567890);",
        "password = \"correct horse battery staple\"",
        "PASSWORD=${DB_PASSWORD_FROM_VAULT_1}",
        "token: \"your-token-goes-here-123\"",
        "secret_name = \"my-service-secret-v2\"",
        "token_type = \"urn:ietf:params:oauth:token-type:jwt2\"",
        "const API_KEY = process.env.API_KEY_2024_ABCDEF;",
        "\"integrity\": \"sha512-q7hVz02kV9x2Lq0ZrT7mB4wYc1Nq7hVz02kV9x2Lq0ZrT7mB4wYc1N==\"",
        "checksum = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-this-is-a-class-name-of-some-css-framework-0123",
        "id = \"0b5f2a7c-93d1-4e5e-9a60-2f1b8f3a7c11\"",
    ] {
        assert_eq!(rules(fine), [""; 0], "{fine}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_can_be_looked_at(text in "(eyJ|ghp_|sk-|-----BEGIN |PRIVATE KEY-----|://|:|@|\\.|token=|\"|é|\n|[a-zA-Z0-9]{0,40}){0,12}") {
        let secrets = find(&text, true);
        for two in secrets.windows(2) {
            prop_assert!(two[0].at.end <= two[1].at.start);
        }
        for secret in &secrets {
            prop_assert!(text.get(secret.at.clone()).is_some_and(|secret| !secret.is_empty()));
        }
    }
}

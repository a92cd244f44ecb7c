//! V6 Authentication: passwords, guessing, ways in.

use coditect_auth::Device;
use coditect_protocol::auth::Credentials;
use coditect_store::Store;
use serde_json::{Value, json};

use crate::document::{number, plain, section, source, table};
use crate::harness::{
    Caller, OTHER_PASSWORD, WRONG_PASSWORD, accounts, admin_and_member, person, refused_setting, registered, site,
    until, with_second_factor,
};
use crate::support::{PASSWORD, TestServer};

/// What a new password is answered with at every place that takes one: registering, changing, resetting.
async fn verdicts(server: &TestServer, admin: &Caller, member: &Caller, login: &str, password: &str) -> Vec<String> {
    let stranger = Caller::stranger(server, "203.0.113.60");
    let registered = stranger.post("/auth/register", json!({ "login": "new@example.org", "password": password })).await;
    let change = json!({ "current_password": PASSWORD, "new_password": password });
    let changed = member.post("/auth/password", change).await;
    let id = member.user_id();
    let code = admin.post(&format!("/admin/people/{id}/reset-code"), json!({})).await.ok().json()["code"].clone();
    let reset = json!({ "login": login, "code": code, "new_password": password });
    let reset = stranger.post("/auth/password/reset", reset).await;
    vec![registered.code(), changed.code(), reset.code()]
}

#[tokio::test]
async fn v6_1_1_guessing_stops_where_the_document_says_and_locks_out_nobody() {
    let server = site(|_| {}).await;
    person(&server, "ada@example.org").await;
    let attacker = Caller::stranger(&server, "203.0.113.1");
    let per_account = number("Limits", "Wrong passwords at one account from one address");
    for n in 0..per_account {
        attacker.try_login("ada@example.org", WRONG_PASSWORD).await.refused(401, "auth.bad_credentials");
        assert!(n < per_account);
    }
    let refused = attacker.try_login("ada@example.org", PASSWORD).await;
    refused.refused(429, "auth.too_many_attempts");
    // Another spelling is no other account, and what the client claims of itself changes nothing.
    attacker.try_login(" ADA@example.org", PASSWORD).await.refused(429, "auth.too_many_attempts");
    let disguised = attacker.clone().with_header("user-agent", "other").with_header("forwarded", "for=1.2.3.4");
    disguised.try_login("ada@example.org", PASSWORD).await.refused(429, "auth.too_many_attempts");
    // The person gets in from where nobody guessed.
    Caller::stranger(&server, "198.51.100.99").logged_in("ada@example.org", PASSWORD).await;
    server.stop().await;
}

#[tokio::test]
async fn v6_1_2_the_documented_words_make_no_password() {
    let server = site(|settings| settings.login_address_burst = 1000).await;
    let stranger = Caller::stranger(&server, "203.0.113.2");
    let words: Vec<String> = documented_words();
    assert!(words.len() >= 5 && words.iter().any(|word| word == "coditect"), "{words:?}");
    for word in words {
        let password = format!("{word}{word}2026!");
        let answer = stranger.post("/auth/register", json!({ "login": "x@example.org", "password": password })).await;
        assert_eq!(answer.code(), "auth.weak_password", "{password}");
    }
    server.stop().await;
}

fn documented_words() -> Vec<String> {
    let section = section("Words that no password is made of");
    let list = section.lines().find(|line| line.starts_with('`')).expect("there is no list of words");
    list.split(", ").map(|word| plain(word.trim()).to_owned()).collect()
}

#[tokio::test]
async fn v6_1_3_every_way_in_is_in_the_document() {
    let server = site(|_| {}).await;
    let described = Caller::stranger(&server, "203.0.113.3").get("/openapi.json").await.ok().json();
    let documented: Vec<String> = table("Ways in").iter().map(|row| plain(&row[0]).to_owned()).collect();
    let mut found = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].to_string();
            if ["TokenAnswer", "TokenMade", "SecondFactorChallenge"].iter().any(|schema| answers.contains(schema)) {
                let route = format!("{} {path}", method.to_uppercase());
                assert!(documented.contains(&route), "{route} gives tokens and is not in the document");
                found += 1;
            }
        }
    }
    assert_eq!(found, documented.len(), "the document names ways in that there are not: {documented:?}");
    server.stop().await;
}

#[tokio::test]
async fn v6_2_1_passwords_have_at_least_the_characters_that_are_set() {
    let server = site(|_| {}).await;
    let (admin, member) = admin_and_member(&server).await;
    for short in ["", "k", "kV9#mQ2", "kV9#mQ2!xR7", "ключиотдвер"] {
        let verdicts = verdicts(&server, &admin, &member, "bob@example.org", short).await;
        assert_eq!(verdicts, ["auth.weak_password"; 3], "{short}");
    }
    server.stop().await;
    let code = refused_setting(|settings| settings.password_min_chars = 7).await;
    assert_eq!(code.as_deref(), Some("auth.settings"));
}

#[tokio::test]
async fn v6_2_2_a_password_can_be_changed_and_the_old_one_is_gone() {
    let server = site(|_| {}).await;
    let ada = person(&server, "ada@example.org").await;
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER_PASSWORD });
    ada.post("/auth/password", change).await.ok();
    let stranger = Caller::stranger(&server, "203.0.113.4");
    stranger.try_login("ada@example.org", PASSWORD).await.refused(401, "auth.bad_credentials");
    stranger.logged_in("ada@example.org", OTHER_PASSWORD).await;
    server.stop().await;
}

#[tokio::test]
async fn v6_2_3_a_change_needs_the_current_password_which_cannot_be_guessed_there() {
    let server = site(|settings| settings.login_account_burst = 4).await;
    let ada = person(&server, "ada@example.org").await;
    let missing = ada.post("/auth/password", json!({ "new_password": OTHER_PASSWORD })).await;
    missing.refused(400, "api.bad_body");
    let mut codes = Vec::new();
    for _ in 0..6 {
        let change = json!({ "current_password": WRONG_PASSWORD, "new_password": OTHER_PASSWORD });
        codes.push(ada.post("/auth/password", change).await.code());
    }
    assert_eq!(codes[0], "auth.wrong_password");
    assert_eq!(codes[5], "auth.too_many_attempts", "a stolen session may guess the password without end: {codes:?}");
    Caller::stranger(&server, "203.0.113.5").logged_in("ada@example.org", PASSWORD).await;
    server.stop().await;
}

/// What people take when they are asked for twelve characters: the most used words and rows of keys, each with the most used ends,
/// and as they stand again and again in published lists.
fn likely_passwords() -> Vec<String> {
    const WORDS: &str = "password passwort iloveyou princess dragon monkey football baseball superman batman master sunshine shadow \
        michael jordan jennifer jessica charlie daniel andrew thomas michelle ashley letmein welcome trustno1 starwars pokemon \
        hunter soccer hockey killer summer winter spring autumn flower cookie cheese computer internet samsung google facebook \
        liverpool chelsea arsenal barcelona mustang ferrari mercedes corvette harley yankees cowboys lakers eagles steelers \
        qwerty qwertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm 1q2w3e4r 1qaz2wsx q1w2e3r4 qazwsx abc123 abcdef 123qwe qwe123 admin \
        administrator root login secret access changeme default test hello freedom whatever nothing loveyou forever angel";
    const ENDS: &str = "123456 1234567 12345678 123456789 1234567890 123123 111111 000000 654321 121212 666666 696969 112233 \
        1234 12345 2020 2021 2022 2023 2024 2025 2026 1990 1987 !@#$%^ 1234! 123! 12345! !!!! 2024! 2025! 2023!! 1234567!";
    let mut all: Vec<String> = "123456789012 1234567890123 0123456789012 qwertyuiop[] 111111111111 000000000000 1q2w3e4r5t6y \
        1q2w3e4r5t6y7u qwertyuiopasdf asdfghjklqwe zxcvbnmasdfg 1qaz2wsx3edc 1qaz2wsx3edc4rfv !qaz@wsx#edc zaq12wsxcde3 \
        passwordpassword passw0rdpassw0rd adminadminadmin iloveyouiloveyou qwertyqwerty 123123123123 121212121212 \
        abcdefghijkl abcd1234abcd abc123abc123 a1b2c3d4e5f6 q1w2e3r4t5y6 123qweasdzxc qweasdzxc123 147258369147 \
        987654321098 monkeymonkey dragondragon letmeinletmein trustno1trustno1 changemechangeme P@ssw0rd1234 Passw0rd123!"
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    for word in WORDS.split_whitespace() {
        let mut large = word.to_owned();
        large[..1].make_ascii_uppercase();
        for end in ENDS.split_whitespace() {
            all.extend([format!("{word}{end}"), format!("{large}{end}"), format!("{end}{word}")]);
        }
    }
    all.retain(|password| password.chars().count() >= 12);
    // Of those made of a word and an end, three of five will do.
    let mut place = 0;
    all.retain(|_| {
        place += 1;
        place <= 60 || place % 5 < 3
    });
    all
}

#[tokio::test]
async fn v6_2_4_three_thousand_likely_passwords_are_refused() {
    let server = site(|settings| settings.login_address_burst = 100_000).await;
    let stranger = Caller::stranger(&server, "203.0.113.6");
    let likely = likely_passwords();
    assert!(likely.len() > 3000, "{}", likely.len());
    let mut taken = Vec::new();
    for password in &likely {
        let body = json!({ "login": "e@example.org", "password": password });
        if stranger.post("/auth/register", body).await.code() != "auth.weak_password" {
            taken.push(password);
        }
    }
    assert!(taken.is_empty(), "{} of {} are taken: {taken:?}", taken.len(), likely.len());
    server.stop().await;
}

#[tokio::test]
async fn v6_2_5_a_password_may_be_made_of_any_characters() {
    let server = site(|_| {}).await;
    let passwords = [
        "tin gravel orbit seven",
        "MARBLE FENCE QUIET LADDER",
        "840271593627485019",
        "~`#%^&*()-_=[]{}|;':\"<>?,./",
        "夏は夜月のころはさらなり闇",
        "🦊🍀🚲🧵🪁🎻🧊🪐🌵🛶🧩🥁",
        "line\nfeed\ttab\u{7f}and\u{200d}more",
        " spaces around it all ",
        "ключи от двери моего дома",
        "\\\"'; DROP TABLE people; --",
    ];
    for (n, password) in passwords.into_iter().enumerate() {
        let login = format!("p{n}@example.org");
        let stranger = Caller::stranger(&server, "203.0.113.7");
        stranger.post("/auth/register", json!({ "login": login, "password": password })).await.ok();
        stranger.logged_in(&login, password).await;
    }
    server.stop().await;
}

/// Every place of the front's source where a field stands that takes a password.
fn password_fields() -> Vec<String> {
    let mut fields = Vec::new();
    let mut folders = vec![crate::document::root().join("web/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".tsx") && !name.contains(".test.") {
                let text = std::fs::read_to_string(&path).unwrap();
                let starts =
                    ["<input", "<Field", "<PasswordField", "<NewPasswordField"].map(|tag| text.match_indices(tag));
                let lines = starts.into_iter().flatten().map(|(at, _)| text[at..].lines().next().unwrap().to_owned());
                fields.extend(lines.filter(|field| field.to_lowercase().contains("password")));
            }
        }
    }
    assert!(fields.len() >= 4, "the front has hardly a field for a password: {fields:?}");
    fields
}

#[test]
fn v6_2_6_fields_for_passwords_hide_what_is_typed_until_the_person_wants_to_see_it() {
    const HIDES: &str = "type={shown ? 'text' : 'password'}";
    let fields = password_fields();
    // All of them are made of the one that hides.
    assert_eq!(fields.iter().filter(|field| field.contains(HIDES)).count(), 1, "{fields:?}");
    for field in fields.iter().filter(|field| !field.contains("PasswordField")) {
        let hides = field.contains("type=\"password\"") || field.contains(HIDES);
        assert!(hides, "this field shows what is typed: {field}");
    }
    let shown_at_first = source("web/src/parts/Field.tsx");
    assert!(shown_at_first.contains("[shown, setShown] = useState(false)"), "what is typed is shown at first");
}

#[test]
fn v6_2_7_passwords_can_be_pasted_and_filled_in_by_managers() {
    for field in password_fields() {
        for hindrance in ["onPaste", "onBeforeInput", "autoComplete=\"off\"", "readOnly", "maxLength"] {
            assert!(!field.contains(hindrance), "this field hinders a password manager: {field}");
        }
        let told = ["autoComplete=", "<NewPasswordField", "{...props}"].iter().any(|word| field.contains(word));
        assert!(told, "a manager is not told what this field is: {field}");
    }
    // Nor does anything around the fields: events of the clipboard are the browser's.
    for page in ["web/index.html", "web/src/parts/Field.tsx"] {
        assert!(!source(page).to_lowercase().contains("paste="), "{page}");
    }
}

#[tokio::test]
async fn v6_2_8_a_password_is_compared_exactly_as_it_was_typed() {
    let server = site(|_| {}).await;
    let stranger = Caller::stranger(&server, "203.0.113.8");
    // Longer than what some hash functions look at, with what others trim, fold or end at.
    let exact = format!(" Quiet marble {}\u{e9} \0 END ", "fence-ladder-".repeat(6));
    let login = "ada@example.org";
    stranger.post("/auth/register", json!({ "login": login, "password": exact })).await.ok();
    let decomposed_or_cut = [
        exact.trim().to_owned(),
        exact.to_lowercase(),
        exact.to_uppercase(),
        exact.chars().take(72).collect(),
        exact.strip_suffix(' ').unwrap().to_owned(),
        format!("{exact} "),
        exact.split('\0').next().unwrap().to_owned(),
        exact.replace('\u{e9}', "e"),
    ];
    for (n, other) in decomposed_or_cut.iter().enumerate() {
        let elsewhere = stranger.clone().at(&format!("203.0.113.{}", 100 + n));
        elsewhere.try_login(login, other).await.refused(401, "auth.bad_credentials");
    }
    stranger.logged_in(login, &exact).await;
    server.stop().await;
}

#[tokio::test]
async fn v6_2_9_sixty_four_characters_are_taken_and_each_of_them_counts() {
    let server = site(|_| {}).await;
    let stranger = Caller::stranger(&server, "203.0.113.9");
    for length in [64, 200] {
        let login = format!("p{length}@example.org");
        let words = (1..).map(|n| format!("lantern {} under fence {n}; ", n * n + 40));
        let password: String = words.flat_map(|words| words.chars().collect::<Vec<_>>()).take(length - 1).collect();
        let password = format!("{password}Z");
        stranger.post("/auth/register", json!({ "login": login, "password": password })).await.ok();
        let other = format!("{}Y", &password[..length - 1]);
        stranger.try_login(&login, &other).await.refused(401, "auth.bad_credentials");
        stranger.logged_in(&login, &password).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn v6_2_10_a_password_outlives_every_session_that_it_began() {
    let store = Store::open("memory:").await.unwrap();
    let auth = accounts(&store, |settings| {
        settings.access_lifetime = std::time::Duration::from_secs(1);
        settings.refresh_idle_lifetime = std::time::Duration::from_secs(1);
        settings.absolute_lifetime = std::time::Duration::from_secs(1);
    })
    .await;
    let first = registered(&auth, "ada@example.org").await;
    until(async || auth.check(&first.access_token).await.is_err()).await;
    until(async || auth.refresh(&first.refresh_token, &Device::default()).await.is_err()).await;
    let credentials = Credentials { login: "ada@example.org".to_owned(), password: PASSWORD.to_owned() };
    auth.login(&credentials, &Device::default()).await.expect("the password is asked to be changed");
}

#[tokio::test]
async fn v6_2_11_the_documented_words_make_no_password_in_disguise_either() {
    let server = site(|settings| settings.login_address_burst = 1000).await;
    let (admin, member) = admin_and_member(&server).await;
    for password in
        ["C0d1t3ct-C0d1t3ct", "cOdItEcT2026admin", "Th3iaTh3ia2025!", "bob@example.org!", "xx-BOB@example.org"]
    {
        let verdicts = verdicts(&server, &admin, &member, "bob@example.org", password).await;
        // A stranger registers another name: for them the address of somebody else is no word of their own.
        let from = if password.contains("example") { 1 } else { 0 };
        assert!(verdicts[from..].iter().all(|code| code == "auth.weak_password"), "{password}: {verdicts:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn v6_2_12_passwords_from_breaches_are_refused_wherever_one_is_set() {
    let server = site(|settings| settings.login_address_burst = 100_000).await;
    let (admin, member) = admin_and_member(&server).await;
    let stranger = Caller::stranger(&server, "203.0.113.61");
    let list = std::fs::read(crate::document::root().join("server/auth/src/password/breached.fst")).unwrap();
    let list = fst::Set::new(list).unwrap().stream().into_strs().unwrap();
    let long: Vec<_> = list.iter().filter(|password| password.chars().count() >= 12).collect();
    assert!(list.len() > 30_000 && long.len() > 100, "{} and {}", list.len(), long.len());
    for password in &long {
        let body = json!({ "login": "e@example.org", "password": password });
        assert_eq!(stranger.post("/auth/register", body).await.code(), "auth.weak_password", "{password}");
    }
    // From breaches that everybody has read of, and the same in capitals.
    for password in ["1qaz2wsx3edc", "californication", "motherfucker", "MOTHERFUCKER", "Californication"] {
        let verdicts = verdicts(&server, &admin, &member, "bob@example.org", password).await;
        assert_eq!(verdicts, ["auth.weak_password"; 3], "{password}");
    }
    server.stop().await;
}

#[tokio::test]
async fn v6_3_1_stuffing_credentials_from_one_address_stops() {
    let burst = 8;
    let server = site(|settings| settings.login_address_burst = burst).await;
    person(&server, "ada@example.org").await;
    let attacker = Caller::stranger(&server, "203.0.113.20");
    let mut statuses = Vec::new();
    for n in 0..burst + 2 {
        statuses.push(attacker.try_login(&format!("p{n}@example.org"), "stolen somewhere else").await.status);
    }
    assert!(statuses[..8].iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    // An IPv6 network counts as one: its customer has 2^64 addresses.
    let mut statuses = Vec::new();
    for n in 0..burst + 2 {
        let hop = attacker.clone().at(&format!("2001:db8::{n:x}"));
        statuses.push(hop.try_login(&format!("q{n}@example.org"), "stolen somewhere else").await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    // What succeeds is given back: an office behind one address is not slowed down by its own logins.
    let office = Caller::stranger(&server, "203.0.113.21");
    for _ in 0..burst + 2 {
        office.logged_in("ada@example.org", PASSWORD).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn v6_3_1_a_browser_known_to_one_account_gets_no_further_at_another() {
    let server = site(|settings| settings.login_account_burst = 3).await;
    person(&server, "ada@example.org").await;
    person(&server, "eve@example.org").await;
    let known_to = async |login: &str| {
        let browser = Caller::stranger(&server, "203.0.113.62");
        let cookies = browser.try_login(login, PASSWORD).await.ok().cookies();
        let device: Vec<_> = cookies.into_iter().filter(|(name, _)| name.ends_with("coditect_device")).collect();
        assert_eq!(device.len(), 1, "a login makes its browser known");
        browser.with_cookies(&device)
    };
    let (of_ada, of_eve) = (known_to("ada@example.org").await, known_to("eve@example.org").await);
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(of_eve.try_login("ada@example.org", WRONG_PASSWORD).await.code());
    }
    assert_eq!(codes.last().unwrap(), "auth.too_many_attempts", "{codes:?}");
    // Whatever others do, even from the same address, the person gets in where they were before.
    assert_eq!(of_ada.try_login("ada@example.org", PASSWORD).await.status, 200);
    // There, too, guessing ends.
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(of_ada.try_login("ada@example.org", WRONG_PASSWORD).await.code());
    }
    assert_eq!(codes.last().unwrap(), "auth.too_many_attempts", "{codes:?}");
    // The cookie alone is no login, and nobody can make one.
    assert_eq!(of_ada.get("/auth/me").await.status, 401);
    let made_up = Caller::stranger(&server, "203.0.113.62");
    let made_up = made_up.with_cookies(&[("coditect_device".to_owned(), "QUJD".repeat(35))]);
    assert_eq!(made_up.try_login("ada@example.org", PASSWORD).await.code(), "auth.too_many_attempts");
    server.stop().await;
}

#[tokio::test]
async fn v6_3_2_a_new_server_has_no_account_that_anybody_knows() {
    let server = site(|_| {}).await;
    let stranger = Caller::stranger(&server, "203.0.113.22");
    for login in
        ["admin", "root", "sa", "administrator", "coditect", "test", "guest", "admin@localhost", "admin@example.org"]
    {
        for password in ["", login, "password", "coditect", "changeme"] {
            let elsewhere = stranger.clone().at(&format!("192.0.2.{}", login.len() * 5 + password.len()));
            let answer = elsewhere.try_login(login, password).await;
            assert_eq!(answer.status, 401, "{login}:{password}");
        }
    }
    let ada = person(&server, "ada@example.org").await;
    let people = ada.get("/admin/people").await.ok().json();
    assert_eq!(people["people"].as_array().unwrap().len(), 1, "{people}");
    server.stop().await;
}

#[tokio::test]
async fn v6_3_4_no_way_in_leaves_out_the_second_factor() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let mut authenticator = with_second_factor(&bob).await;
    let stranger = Caller::stranger(&server, "203.0.113.23");
    let no_tokens = |answer: &crate::harness::Answer| {
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        assert!(body.get("access_token").is_none() && answer.cookies().is_empty(), "{answer:?}");
    };
    // The password alone, in whatever form.
    for body in [
        json!({ "login": "bob@example.org", "password": PASSWORD }),
        json!({ "email": "bob@example.org", "password": PASSWORD }),
        json!({ "login": "BOB@example.org ", "password": PASSWORD }),
    ] {
        let answer = stranger.post("/auth/login", body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        no_tokens(&answer);
    }
    // The ticket is no credential.
    let ticket = crate::harness::ticket(&stranger, "bob@example.org").await;
    assert!(!stranger.clone().with_bearer(&ticket).is_in().await);
    no_tokens(&stranger.post("/auth/refresh", json!({ "refresh_token": ticket })).await);
    // Who resets the password is not let in by that, and is asked as before.
    let code = admin.post(&format!("/admin/people/{}/reset-code", bob.user_id()), json!({})).await.ok().json();
    let reset = json!({ "login": "bob@example.org", "code": code["code"], "new_password": OTHER_PASSWORD });
    no_tokens(&stranger.post("/auth/password/reset", reset).await.ok());
    let again = stranger.try_login("bob@example.org", OTHER_PASSWORD).await;
    assert_eq!(again.status, 202, "{again:?}");
    let answer = json!({ "ticket": again.json()["ticket"], "code": authenticator.fresh() });
    let bob = stranger.taking(&stranger.post("/auth/login/second-factor", answer).await.ok());
    // A credential that lasts longer than the session asks for both factors as well.
    let token = json!({ "name": "t", "scopes": ["files:read"], "expires_in_days": 7, "password": OTHER_PASSWORD });
    let made = bob.post("/auth/tokens", token).await;
    assert!(made.status == 401 || made.status == 403, "a token for the password alone: {made:?}");
    server.stop().await;
}

#[tokio::test]
async fn v6_4_1_codes_to_begin_with_are_random_good_once_and_end() {
    let server = site(|_| {}).await;
    let (admin, bob) = admin_and_member(&server).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        let invite = admin.post("/admin/invites", json!({ "role": "member", "expires_in_days": 1 })).await.ok().json();
        assert!(invite["entry"]["expires_at"].as_u64().unwrap() <= crate::harness::now_ms() + 86_400_000);
        codes.push(invite["code"].as_str().unwrap().to_owned());
    }
    crate::harness::assert_random(&codes);
    assert!(crate::harness::bits(&codes[0]) >= 112.0, "{}", codes[0]);
    // Good once, also when two come at the same moment.
    let stranger = Caller::stranger(&server, "203.0.113.24");
    let register = async |login: &str| {
        stranger.post("/auth/register", json!({ "login": login, "password": PASSWORD, "invite": codes[0] })).await
    };
    let (one, other) = tokio::join!(register("one@example.org"), register("other@example.org"));
    let let_in = [&one, &other].iter().filter(|answer| answer.status == 201).count();
    assert_eq!(let_in, 1, "{one:?} {other:?}");
    // A code to reset is gone once used, and a newer one ends the older.
    let path = format!("/admin/people/{}/reset-code", bob.user_id());
    let old = admin.post(&path, json!({})).await.ok().json();
    let new = admin.post(&path, json!({})).await.ok().json();
    assert!(new["expires_at"].as_u64().unwrap() <= crate::harness::now_ms() + 31 * 60_000, "{new}");
    let reset = async |code: &Value, password: &str| {
        let body = json!({ "login": "bob@example.org", "code": code["code"], "new_password": password });
        stranger.post("/auth/password/reset", body).await
    };
    assert_eq!(reset(&old, OTHER_PASSWORD).await.code(), "auth.reset_code_wrong");
    // The code is no password, neither before nor after.
    let as_password = stranger.try_login("bob@example.org", new["code"].as_str().unwrap()).await;
    assert_eq!(as_password.status, 401);
    reset(&new, OTHER_PASSWORD).await.ok();
    assert_eq!(reset(&new, "quiet marble ladder fence").await.code(), "auth.reset_code_wrong");
    server.stop().await;
}

#[tokio::test]
async fn v6_4_2_nothing_is_asked_that_others_may_know() {
    let server = site(|_| {}).await;
    let stranger = Caller::stranger(&server, "203.0.113.25");
    for field in ["hint", "password_hint", "question", "security_question", "secret_answer"] {
        let mut body = json!({ "login": "ada@example.org", "password": PASSWORD });
        body[field] = json!("the name of my first pet");
        stranger.post("/auth/register", body).await.refused(400, "api.bad_body");
        let mut body = json!({ "login": "ada@example.org" });
        body[field] = json!("x");
        stranger.post("/auth/password/forgot", body).await.refused(400, "api.bad_body");
    }
    // The end of a model server's key, what a model was asked, and whether a plugin sees that: they let nobody in.
    const OTHERS: [&str; 3] = ["ModelKey.hint", "HistoryItem.question", "Conversations.questions"];
    let described = stranger.get("/openapi.json").await.ok().json();
    let schemas = described["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas.iter().filter(|(_, schema)| schema["properties"].is_object()) {
        let fields = schema["properties"].as_object().unwrap().keys().map(|field| format!("{name}.{field}"));
        let asked: Vec<_> = fields.filter(|field| field.contains("hint") || field.contains("question")).collect();
        assert!(asked.iter().all(|field| OTHERS.contains(&field.as_str())), "{asked:?}");
    }
    server.stop().await;
}

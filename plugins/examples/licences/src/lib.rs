//! Checks the licences of dependencies against a list of allowed ones: a plugin of Coditect.

mod packages;
mod spdx;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use coditect_plugin_sdk::prelude::*;

use crate::packages::Package;
use crate::spdx::Expression;

/// Most problems that the report lists; there may be more.
const MAX_LISTED: usize = 200;

/// Most manifests whose licence texts are looked at.
const MAX_MANIFESTS: u32 = 500;

struct Licences;

plugin!(Licences: BuildSteps);

impl BuildSteps for Licences {
    fn run(step: &str, _arguments: Arguments) -> Result<Report> {
        match step {
            "licences" => check(),
            _ => Err(Error::unknown("build step", step)),
        }
    }
}

/// What the person allows.
struct Rules {
    allowed: Vec<String>,
    /// Packages whose licence was looked at by somebody.
    excepted: Vec<String>,
    fails_unknown: bool,
}

enum Verdict {
    Allowed,
    /// Its licence is not allowed.
    Refused(String),
    /// It says what is no licence, or nothing.
    Unknown(String),
}

impl Rules {
    fn read() -> Result<Self> {
        Ok(Self {
            allowed: settings::words("allow")?,
            excepted: settings::words("except")?,
            fails_unknown: settings::get("fail-unknown")?,
        })
    }

    fn weigh(&self, name: &str, licence: Option<&str>) -> Verdict {
        if self.excepted.iter().any(|excepted| excepted == name) {
            return Verdict::Allowed;
        }
        let Some(licence) = licence else { return Verdict::Unknown(format!("{name}: nothing here tells its licence")) };
        let is_allowed = |id: &str| self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(id));
        match Expression::parse(licence) {
            None => Verdict::Unknown(format!("{name}: {licence:?} is no SPDX expression")),
            Some(expression) if expression.is_allowed(&is_allowed) => Verdict::Allowed,
            Some(_) => Verdict::Refused(format!("{name}: {licence} is not allowed")),
        }
    }
}

/// What came out.
#[derive(Default)]
struct Outcomes {
    packages: usize,
    by_licence: BTreeMap<String, usize>,
    refused: Vec<(String, Diagnostic)>,
    unknown: Vec<(String, Diagnostic)>,
    mismatches: Vec<(String, Diagnostic)>,
}

/// Reads a lock file of a path and a text.
type Reader = fn(&str, &str) -> Result<Vec<Package>>;

fn check() -> Result<Report> {
    let rules = Rules::read()?;
    let mut outcomes = Outcomes::default();
    let kinds = [("Cargo.lock", packages::of_cargo as Reader), ("package-lock.json", packages::of_npm)];
    for (name, read) in kinds {
        for (path, text) in packages::lock_files(name)? {
            ui::progress(&path, None);
            outcomes.weigh(&rules, &text, &read(&path, &text)?);
        }
    }
    outcomes.compare_texts()?;
    Ok(outcomes.report(&rules))
}

impl Outcomes {
    fn weigh(&mut self, rules: &Rules, text: &str, packages: &[Package]) {
        let index = LineIndex::new(text);
        for package in packages {
            self.packages += 1;
            let licence = package.licence.as_deref();
            *self.by_licence.entry(licence.unwrap_or("unknown").to_owned()).or_default() += 1;
            let range = index.range(package.at.clone());
            let title = format!("{} {}", package.name, package.version);
            match rules.weigh(&package.name, licence) {
                Verdict::Allowed => {}
                Verdict::Refused(why) => {
                    let why = why.replacen(&package.name, &title, 1);
                    self.refused.push((package.path.clone(), Diagnostic::error(range, why).with_code("not-allowed")));
                }
                Verdict::Unknown(why) => {
                    let why = why.replacen(&package.name, &title, 1);
                    self.unknown.push((package.path.clone(), Diagnostic::warning(range, why).with_code("unknown")));
                }
            }
        }
    }

    /// Whether the licence texts beside manifests are those that the manifests name.
    fn compare_texts(&mut self) -> Result<()> {
        for path in search::paths(&["**/Cargo.toml"], &["**/vendor/**", "**/target/**"], MAX_MANIFESTS)? {
            let Some(said) = packages::manifest_licence(&path)? else { continue };
            let folder = packages::folder(&path);
            let Some(text) = packages::optional(&format!("{folder}LICENSE"))? else { continue };
            let Some(is) = texts::licence(&text) else { continue };
            let names_it = |id: &str| {
                id == is || id.strip_prefix(is).is_some_and(|rest| matches!(rest, "-only" | "-or-later" | "+"))
            };
            let mut names: BTreeSet<String> = BTreeSet::new();
            collect(Expression::parse(&said).as_ref(), &mut names);
            if !names.iter().any(|name| names_it(name)) {
                let message = format!("{path} says {said}, but {folder}LICENSE is {is}");
                let start = Range::at(Position::new(0, 0));
                self.mismatches.push((path, Diagnostic::error(start, message).with_code("other-text")));
            }
        }
        Ok(())
    }

    fn report(self, rules: &Rules) -> Report {
        let is_well =
            self.refused.is_empty() && self.mismatches.is_empty() && (self.unknown.is_empty() || !rules.fails_unknown);
        let parts = [
            (self.refused.len(), "with a licence that is not allowed"),
            (self.unknown.len(), "with an unknown one"),
            (self.mismatches.len(), "with another text than the licence that is named"),
        ];
        let found: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let found = if found.is_empty() { "all as they should be".to_owned() } else { found.join(", ") };
        let summary = format!("{} packages: {found}.", self.packages);
        let details = self.details();
        let report = if is_well { Report::passed(summary) } else { Report::failed(summary) };
        let problems = self.mismatches.into_iter().chain(self.refused).chain(self.unknown).take(MAX_LISTED);
        problems.fold(report.with_details(details), |report, (path, diagnostic)| report.with_finding(path, diagnostic))
    }

    fn details(&self) -> String {
        let mut lines = vec!["| licence | packages |".to_owned(), "| --- | ---: |".to_owned()];
        // What packages say of themselves must not become Markdown.
        let plain = |text: &str| {
            text.chars().map(|c| if c.is_alphanumeric() || "-.+ ()".contains(c) { c } else { '_' }).collect::<String>()
        };
        lines.extend(self.by_licence.iter().map(|(licence, count)| format!("| {} | {count} |", plain(licence))));
        let hint = self.unknown.iter().any(|(path, _)| path.ends_with("Cargo.lock"));
        lines.extend(
            hint.then(|| {
                "\nA `Cargo.lock` names no licences: `cargo vendor` puts the manifests here that do.".to_owned()
            }),
        );
        lines.join("\n")
    }
}

/// The licences that an expression names.
fn collect(expression: Option<&Expression>, names: &mut BTreeSet<String>) {
    match expression {
        Some(Expression::Licence(name)) => {
            names.insert(name.clone());
        }
        Some(Expression::And(one, other) | Expression::Or(one, other)) => {
            collect(Some(one), names);
            collect(Some(other), names);
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"registry+x\"\n";

    fn host() -> testing::Host {
        let host = testing::Host::new()
            .setting("allow", "MIT, Apache-2.0")
            .setting("except", "")
            .setting("fail-unknown", false);
        host.file("Cargo.lock", LOCK)
            .file("vendor/a/Cargo.toml", "[package]\nname = \"a\"\nlicense = \"MIT OR GPL-2.0\"\n")
            .file("vendor/b-2.0.0/Cargo.toml", "[package]\nname = \"b\"\nlicense = \"GPL-3.0-only\"\n")
    }

    fn codes(report: &Report) -> Vec<(&str, &str, u32)> {
        let code = |finding: &'_ Finding| finding.diagnostic.range.start.line;
        report
            .findings
            .iter()
            .map(|finding| (finding.path.as_str(), finding.diagnostic.code.as_deref().unwrap(), code(finding)))
            .collect()
    }

    fn run() -> Report {
        Licences::run("licences", Arguments::new("{}")).unwrap()
    }

    #[test]
    fn crates_are_weighed_by_their_vendored_manifests() {
        let _host = host().enter();
        let report = run();
        assert!(!report.passed);
        assert_eq!(codes(&report), [("Cargo.lock", "not-allowed", 12)]);
        assert_eq!(report.findings[0].diagnostic.message, "b 2.0.0: GPL-3.0-only is not allowed");
    }

    #[test]
    fn an_exception_is_one() {
        let _host = host().setting("except", "b").enter();
        assert!(run().passed);
    }

    #[test]
    fn packages_of_npm_are_weighed_by_lock_file_and_manifest() {
        let lock = r#"{"lockfileVersion":3,"packages":{
            "":{"license":"GPL-3.0"},
            "node_modules/x":{"version":"1.0.0","license":"MIT"},
            "node_modules/x/node_modules/@s/y":{"version":"2.0.0"},
            "node_modules/z":{"version":"3.0.0","license":"SEE LICENSE IN x"},
            "node_modules/mine":{"link":true}}}"#;
        let host = testing::Host::new().setting("allow", "MIT").setting("except", "").setting("fail-unknown", true);
        let _host = host
            .file("web/package-lock.json", lock)
            .file(
                "web/node_modules/x/node_modules/@s/y/package.json",
                r#"{"licenses":[{"type":"BSD"},{"type":"MIT"}]}"#,
            )
            .enter();
        let report = run();
        assert_eq!(codes(&report), [("web/package-lock.json", "unknown", 4)]);
        assert!(!report.passed);
        assert_eq!(report.summary, "3 packages: 1 with an unknown one.");
        assert!(report.details.contains("| BSD OR MIT | 1 |"), "{}", report.details);
    }

    #[test]
    fn a_text_must_be_what_the_manifest_says() {
        let gpl = "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007";
        let host = testing::Host::new().setting("allow", "").setting("except", "").setting("fail-unknown", false);
        let _host = host
            .file("a/Cargo.toml", "[package]\nlicense = \"MIT\"\n")
            .file("a/LICENSE", gpl)
            .file("b/Cargo.toml", "[package]\nlicense = \"MIT OR GPL-3.0-or-later\"\n")
            .file("b/LICENSE", gpl)
            .enter();
        let report = run();
        assert_eq!(codes(&report), [("a/Cargo.toml", "other-text", 0)]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let _host = host().file("package-lock.json", "{").enter();
        assert!(matches!(Licences::run("licences", Arguments::new("")), Err(Error::Invalid(_))));
        assert!(matches!(Licences::run("x", Arguments::new("")), Err(Error::NotFound(_))));
    }
}

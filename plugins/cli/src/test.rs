//! `test`: the tests of `tests/*.toml`, in the real host.

use std::path::Path;

use coditect_plugin_harness::declared::{Declared, Mismatch, TestReport, read_folder, run as run_test};

use crate::error::CliError;
use crate::project::Project;
use crate::terminal::printable;
use crate::{build, cache, diff};

pub(crate) async fn run(folder: &Path, filter: Option<&str>) -> Result<(), CliError> {
    let project = Project::open(folder)?;
    let files = read_folder(&project.folder)?;
    let is_meant = |test: &&Declared| filter.is_none_or(|word| test.name.contains(word));
    let tests: Vec<_> =
        files.iter().flat_map(|file| file.tests.iter().filter(is_meant).map(move |test| (file, test))).collect();
    if let (true, Some(word)) = (tests.is_empty(), filter) {
        return Err(CliError::NoSuchTest(word.to_owned()));
    }
    let package = build::package(&project, false).await?;
    if tests.is_empty() {
        println!("There are no tests: add tests/NAME.toml.");
        return Ok(());
    }
    let harness = cache::harness(&package).await?;
    let mut failed = 0;
    for (file, test) in &tests {
        let report = Box::pin(run_test(&harness, &project.folder, test)).await;
        let file = file.path.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
        tell(&file, test, &report);
        failed += usize::from(!report.passed());
    }
    println!("\n{} tests, {failed} failed", tests.len());
    if failed == 0 { Ok(()) } else { Err(CliError::Tests { failed, all: tests.len() }) }
}

fn tell(file: &str, test: &Declared, report: &TestReport) {
    let word = if report.passed() { "ok    " } else { "FAILED" };
    let (millis, kib) = (report.figures.micros / 1000, report.figures.peak_memory_bytes >> 10);
    println!("{word}  {file}: {}  ({millis} ms, {kib} KiB)", printable(&test.name));
    for mismatch in &report.mismatches {
        println!("{}", shown(mismatch));
    }
    if !report.passed() {
        for line in &report.log {
            println!("    log {}: {}", line.level, printable(&line.text));
        }
    }
}

/// What was expected and what was there; of texts of several lines, their difference.
fn shown(mismatch: &Mismatch) -> String {
    let (wanted, was) = (printable(&mismatch.wanted), printable(&mismatch.was));
    if wanted.contains('\n') || was.contains('\n') {
        let lines: String = diff::lines(&wanted, &was).iter().map(|line| format!("\n      {line}")).collect();
        return format!("    {} (- expected, + was):{lines}", mismatch.place);
    }
    format!("    {}\n      expected: {wanted}\n      was:      {was}", mismatch.place)
}

//! Tables of a manifest, read key by key, so that whatever is wrong is told with its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ManifestError, ManifestFault};

/// The most entries of a list of offers or settings.
pub(super) const MAX_LISTED: usize = 100;
/// How alike a known key must be to be suggested, 0 to 1.
const ALIKE: f64 = 0.7;

/// The text, for the numbers of its lines.
#[derive(Clone, Copy)]
pub(super) struct Source<'a>(pub(super) &'a str);

impl Source<'_> {
    /// Line of a place, from 1.
    pub(super) fn line(self, at: usize) -> usize {
        self.0.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
    }

    pub(super) fn fault(self, span: &Range<usize>, key: impl Into<String>, fault: ManifestFault) -> ManifestError {
        ManifestError { line: self.line(span.start), key: key.into(), fault }
    }
}

/// A value, with where it stands.
#[derive(Clone)]
pub(super) struct Item<'a> {
    source: Source<'a>,
    name: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Item<'a> {
    fn of(source: Source<'a>, name: String, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { source, name, span: value.span(), value: value.get_ref() }
    }

    pub(super) fn fault(&self, fault: ManifestFault) -> ManifestError {
        self.source.fault(&self.span, self.name.as_str(), fault)
    }

    /// A value that breaks a rule. The text goes on from the key's name.
    pub(super) fn wrong(&self, what: impl Into<String>) -> ManifestError {
        self.fault(ManifestFault::Value(what.into()))
    }

    fn other_type(&self, wanted: &'static str, write: &'static str) -> ManifestError {
        self.fault(ManifestFault::Type { wanted, write })
    }

    pub(super) fn text(&self) -> Result<&'a str, ManifestError> {
        self.value.as_str().ok_or_else(|| self.other_type("a text", "it in \"quotation marks\""))
    }

    pub(super) fn flag(&self) -> Result<bool, ManifestError> {
        self.value.as_bool().ok_or_else(|| self.other_type("yes or no", "true or false"))
    }

    /// A whole number from `least` to `most`.
    pub(super) fn whole(&self, least: u64, most: u64) -> Result<u64, ManifestError> {
        let read =
            self.value.as_integer().ok_or_else(|| self.other_type("a whole number", "it without quotation marks"))?;
        let number = u64::from_str_radix(read.as_str(), read.radix()).ok();
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.wrong(format!("is a number from {least} to {most}")))
    }

    /// A finite number.
    pub(super) fn number(&self) -> Result<f64, ManifestError> {
        let read = match self.value {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(to_f64),
            _ => None,
        };
        let finite = read.filter(|number: &f64| number.is_finite());
        finite.ok_or_else(|| self.other_type("a number", "it without quotation marks, such as 0.5"))
    }

    /// The entries of a list.
    pub(super) fn list(&self) -> Result<Vec<Self>, ManifestError> {
        let items = self.value.as_array().ok_or_else(|| self.other_type("a list", "[\"…\", \"…\"]"))?;
        if items.len() > MAX_LISTED {
            return Err(self.fault(ManifestFault::TooMany(MAX_LISTED)));
        }
        Ok(items.iter().map(|item| Self::of(self.source, self.name.clone(), item)).collect())
    }

    pub(super) const fn value(&self) -> &'a DeValue<'a> {
        self.value
    }
}

#[expect(clippy::cast_precision_loss, reason = "settings and amounts are far below where whole numbers lose digits")]
const fn to_f64(whole: i64) -> f64 {
    whole as f64
}

/// A table whose keys are all known.
pub(super) struct Section<'a> {
    source: Source<'a>,
    name: String,
    span: Range<usize>,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(
        source: Source<'a>,
        table: &'a Spanned<DeTable<'a>>,
        keys: &'static [&'static str],
    ) -> Result<Self, ManifestError> {
        Self { source, name: String::new(), span: 0..0, table: table.get_ref() }.known(keys)
    }

    fn of(item: Item<'a>, keys: &'static [&'static str], write: &'static str) -> Result<Self, ManifestError> {
        let table = item.value.as_table().ok_or_else(|| item.other_type("a table", write))?;
        Self { source: item.source, name: item.name, span: item.span, table }.known(keys)
    }

    /// Refuses keys that there are not, the first in the file.
    fn known(self, keys: &'static [&'static str]) -> Result<Self, ManifestError> {
        let unknown = self.table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        let Some(first) = unknown.min_by_key(|key| key.span().start) else { return Ok(self) };
        let fault = ManifestFault::UnknownKey { nearest: nearest(first.get_ref(), keys), known: keys };
        let name = printable(first.get_ref());
        Err(self.source.fault(&first.span(), self.path(&name), fault))
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// A fault of the table as a whole.
    pub(super) fn fault(&self, fault: ManifestFault) -> ManifestError {
        self.source.fault(&self.span, self.name.as_str(), fault)
    }

    /// A value, where it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'a>> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(Item::of(self.source, self.path(key), value))
    }

    /// A value that must be there; `write` is an example of it.
    pub(super) fn need(&self, key: &'static str, write: &'static str) -> Result<Item<'a>, ManifestError> {
        let missing = || self.source.fault(&self.span, self.path(key), ManifestFault::Missing(write));
        self.get(key).ok_or_else(missing)
    }

    /// `[key]`, where it is there.
    pub(super) fn table(
        &self,
        key: &'static str,
        keys: &'static [&'static str],
    ) -> Result<Option<Self>, ManifestError> {
        self.get(key).map(|item| Self::of(item, keys, "it as [table]")).transpose()
    }

    /// All `[[key]]`.
    pub(super) fn tables(&self, key: &'static str, keys: &'static [&'static str]) -> Result<Vec<Self>, ManifestError> {
        let Some(item) = self.get(key) else { return Ok(Vec::new()) };
        if item.value.is_table() {
            return Err(item.other_type("a list of tables", "its name in two brackets, as in [[commands]]"));
        }
        let sections = item.list()?.into_iter().enumerate().map(|(number, mut item)| {
            item.name = format!("{}[{}]", item.name, number + 1);
            Self::of(item, keys, "its name in two brackets, as in [[commands]]")
        });
        sections.collect()
    }
}

fn nearest(key: &str, known: &'static [&'static str]) -> Option<&'static str> {
    let plain = key.to_lowercase().replace('_', "-");
    let alike = |known: &str| strsim::jaro_winkler(&plain, known);
    let best = known.iter().copied().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(best) >= ALIKE).then_some(best)
}

/// A text of the file for a message.
pub(super) fn printable(text: &str) -> String {
    const MOST: usize = 60;
    text.chars().filter(|&c| !super::words::is_odd(c)).take(MOST).collect()
}

//! Finding plugins by words.

use coditect_protocol::plugin::PluginId;

use super::rows::VersionRow;

/// What a word that is found counts, by where it is.
const NAME: u32 = 100;
const NAME_BEGIN: u32 = 60;
const TITLE: u32 = 50;
const KEYWORD: u32 = 40;
const TITLE_BEGIN: u32 = 30;
const PART: u32 = 15;
const DESCRIPTION: u32 = 10;
const DESCRIPTION_PART: u32 = 5;
/// Words that are looked at.
const MAX_WORDS: usize = 16;

/// The words that are searched for.
pub(super) fn words(query: &str) -> Vec<String> {
    query.split_whitespace().take(MAX_WORDS).map(str::to_lowercase).collect()
}

/// How well a plugin fits; nothing where one of the words is nowhere.
pub(super) fn score(words: &[String], id: &PluginId, row: &VersionRow) -> Option<u32> {
    if words.is_empty() {
        return Some(0);
    }
    let (title, description) = (row.title.to_lowercase(), row.description.to_lowercase());
    let keywords: Vec<_> = row.keywords.iter().map(|keyword| keyword.to_lowercase()).collect();
    let score_of = |word: &String| {
        let word = word.as_str();
        let in_id = best(id.as_str(), word, [NAME, NAME_BEGIN, PART]);
        let is_id = if id.as_str() == word { 2 * NAME } else { 0 };
        let in_title = best(&title, word, [TITLE, TITLE_BEGIN, PART]);
        let in_keywords = keywords.iter().any(|keyword| keyword == word);
        let in_description = best(&description, word, [DESCRIPTION, DESCRIPTION, DESCRIPTION_PART]);
        let all = is_id + in_id + in_title + in_description + if in_keywords { KEYWORD } else { 0 };
        (all > 0).then_some(all)
    };
    words.iter().map(score_of).sum()
}

/// What a text counts: a word of it, the begin of one, or something within.
fn best(text: &str, word: &str, [whole, begin, part]: [u32; 3]) -> u32 {
    let mut parts = text.split(|sign: char| !sign.is_alphanumeric()).peekable();
    if parts.clone().any(|of| of == word) {
        whole
    } else if parts.any(|of| of.starts_with(word)) {
        begin
    } else if text.contains(word) {
        part
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coditect_protocol::plugin::ContractVersion;

    fn row(title: &str, description: &str, keywords: &[&str]) -> VersionRow {
        VersionRow {
            sha256: String::new(),
            bytes: 1,
            published_at: 1,
            key: String::new(),
            contract: ContractVersion::LATEST,
            yanked: false,
            restored: 0,
            title: title.into(),
            description: description.into(),
            keywords: keywords.iter().map(|&keyword| keyword.to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_named_like_it_comes_before_what_mentions_it() {
        let of = |query: &str, id: &str, row: &VersionRow| score(&words(query), &PluginId::parse(id).unwrap(), row);
        let todo = row("Todo Tree", "Lists what is left to do.", &["tasks"]);
        let other = row("Notes", "Shows a todo as a task.", &[]);
        assert!(of("todo", "acme.todo-tree", &todo) > of("todo", "acme.notes", &other));
        assert!(of("todo", "acme.notes", &other).is_some());
        assert!(of("ToDo tasks", "acme.todo-tree", &todo).is_some());
        assert_eq!(of("todo rust", "acme.todo-tree", &todo), None, "every word counts");
        assert!(of("acme.todo-tree", "acme.todo-tree", &todo) > of("todo", "acme.todo-tree", &todo));
        assert!(of("tre", "a.b", &todo).is_some() && of("", "a.b", &todo) == Some(0));
        assert_eq!(words(&"x ".repeat(100)).len(), MAX_WORDS);
    }
}

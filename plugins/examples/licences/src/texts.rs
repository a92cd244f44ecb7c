//! Which licence a text is.

/// Words that only one licence has, and none that a more special one has too. The first that has all of its words is meant.
const MARKS: &[(&str, &[&str])] = &[
    ("AGPL-3.0", &["gnu affero general public license", "version 3"]),
    ("LGPL-3.0", &["gnu lesser general public license", "version 3"]),
    ("LGPL-2.1", &["gnu lesser general public license", "version 2.1"]),
    ("GPL-3.0", &["gnu general public license", "version 3"]),
    ("GPL-2.0", &["gnu general public license", "version 2"]),
    ("MPL-2.0", &["mozilla public license", "2.0"]),
    ("Apache-2.0", &["apache license", "version 2.0"]),
    ("BSL-1.0", &["boost software license", "version 1.0"]),
    ("Unlicense", &["this is free and unencumbered software released into the public domain"]),
    ("CC0-1.0", &["cc0 1.0 universal"]),
    ("BSD-3-Clause", &["redistribution and use in source and binary forms", "neither the name"]),
    ("BSD-2-Clause", &["redistribution and use in source and binary forms"]),
    ("Zlib", &["this software is provided 'as-is'", "altered source versions must be plainly marked"]),
    ("MIT", &["permission is hereby granted, free of charge", "the above copyright notice and this permission notice"]),
    (
        "ISC",
        &[
            "permission to use, copy, modify, and/or distribute this software",
            "provided that the above copyright notice",
        ],
    ),
    ("0BSD", &["permission to use, copy, modify, and/or distribute this software"]),
];

/// The licence of a text, without `-only` or `-or-later`, which a text does not tell.
pub(crate) fn licence(text: &str) -> Option<&'static str> {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    MARKS.iter().find(|(_, words)| words.iter().all(|word| plain.contains(word))).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        let mit = "MIT License\n\nPermission is hereby granted, free of\ncharge, to any … The above copyright notice and this permission notice shall";
        assert_eq!(licence(mit), Some("MIT"));
        assert_eq!(
            licence("  GNU AFFERO GENERAL PUBLIC LICENSE\n  Version 3, 19 November 2007 … GNU General Public License"),
            Some("AGPL-3.0")
        );
        assert_eq!(licence("GNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991"), Some("GPL-2.0"));
        assert_eq!(licence("All rights reserved."), None);
    }

    #[test]
    fn this_project_is_recognised() {
        assert_eq!(licence(include_str!("../../../../LICENSE")), Some("Apache-2.0"));
    }
}

//! Pictures of plugins. Pages show them through `<img>` alone, where browsers run no script and fetch nothing; what could do more
//! elsewhere is refused all the same, for whoever opens the picture by itself.

/// The most that a picture takes, in bytes.
pub const MAX_ICON_BYTES: usize = 64 << 10;

/// How every PNG begins.
const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Elements that run, embed or animate towards something else.
const FORBIDDEN_ELEMENTS: [&str; 11] =
    ["script", "foreignobject", "iframe", "embed", "object", "image", "a", "set", "animate", "handler", "listener"];

/// What is wrong with a picture, by the ending of its name.
pub(crate) fn fault(path: &str, bytes: &[u8]) -> Option<&'static str> {
    if has_ending(path, ".png") {
        return (!bytes.starts_with(PNG_MAGIC)).then_some("it is no PNG");
    }
    std::str::from_utf8(bytes).map_or(Some("an SVG is written in UTF-8"), svg_fault)
}

/// Whether a path ends so, in lower case.
pub(crate) fn has_ending(path: &str, ending: &str) -> bool {
    path.ends_with(ending)
}

fn svg_fault(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with("<svg") && !text.contains("?>") {
        return Some("an SVG begins with `<svg`");
    }
    if text.contains("<!") && text.replace("<!--", "").contains("<!") {
        return Some("an SVG with a document type or with CDATA is not accepted; take that out");
    }
    if text.contains("javascript:") || text.contains("@import") {
        return Some("an SVG that refers to scripts or style sheets is not accepted; take that out");
    }
    let mut has_root = false;
    for tag in text.split('<').skip(1) {
        let name: String = tag.chars().take_while(|&c| c.is_alphanumeric() || c == ':' || c == '-').collect();
        let local = name.rsplit(':').next().unwrap_or_default();
        has_root |= local == "svg";
        if FORBIDDEN_ELEMENTS.contains(&local) {
            return Some("an SVG with scripts, links, foreign content or animation is not accepted; take that out");
        }
        if has_handler(tag) {
            return Some("an SVG with event handlers (`on…=`) is not accepted; take them out");
        }
    }
    (!has_root).then_some("it is no SVG")
}

/// Whether a tag has an attribute whose name begins with `on`.
fn has_handler(tag: &str) -> bool {
    let attribute = |(at, _): (usize, &str)| {
        let stands_alone = tag[..at].ends_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '/'));
        let rest = tag[at + 2..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        stands_alone && rest.len() < tag.len() - at - 2 && rest.trim_start().starts_with('=')
    };
    tag.match_indices("on").any(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_pictures() {
        assert_eq!(fault("assets/a.png", b"\x89PNG\r\n\x1a\n...."), None);
        assert!(fault("assets/a.png", b"<svg/>").is_some());
        let good = r##"<?xml version="1.0"?><!-- mine --><svg xmlns="x"><title>button on=off</title><path d="M0 0" fill="#fff"/></svg>"##;
        assert_eq!(fault("assets/a.svg", good.replace("on=off", "on").as_bytes()), None);
        assert_eq!(fault("a.svg", b"<svg viewBox='0 0 1 1'><use href='#x'/><g font-size='1'/></svg>"), None);
    }

    #[test]
    fn pictures_that_do_more_are_refused() {
        for bad in [
            "",
            "<html><script/></html>",
            "<svg><script>alert(1)</script></svg>",
            "<svg><SCRIPT/></svg>",
            "<svg xmlns:s='x'><s:script/></svg>",
            "<svg><foreignObject/></svg>",
            "<svg onload='x'/>",
            "<svg a='1'onload ='x'/>",
            "<svg\nONCLICK\n=x/>",
            "<svg><a href='x'/></svg>",
            "<svg><image href='https://x'/></svg>",
            "<svg><use href='javascript:x'/></svg>",
            "<!DOCTYPE svg [<!ENTITY x 'y'>]><svg/>",
            "<svg><style>@import 'x'</style></svg>",
            "<svg><![CDATA[<script>]]></svg>",
            "plain",
            "<?xml?>plain",
        ] {
            assert!(fault("assets/a.svg", bad.as_bytes()).is_some(), "{bad}");
        }
        assert!(fault("a.svg", b"\xff<svg/>").is_some());
    }
}

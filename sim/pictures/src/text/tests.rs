//! Escaping, measuring and breaking.

use proptest::prelude::*;

use super::*;

#[test]
fn hostile_text_stays_text() {
    let hostile = "<script>alert(\"1\")</script> & ' ]]> \u{0}\u{1b}\u{202e}\u{ffff}";
    let escaped = escape(hostile);
    assert!(!escaped.contains([
        '<', '>', '"', '\'', '\u{0}', '\u{1b}', '\u{202e}', '\u{ffff}'
    ]));
    assert!(escaped.starts_with("&lt;script&gt;alert(&quot;1&quot;)"));
    assert_eq!(escape("a\tb\nc"), "a\tb\nc", "what scenarios contain stays");
}

#[test]
fn lines_break_between_words() {
    let lines = wrap("after a return, from the first connection on", 150.0, 3);
    assert_eq!(
        lines,
        ["after a return,", "from the first", "connection on"]
    );
    assert_eq!(wrap("", 150.0, 3), Vec::<String>::new());
    assert!(wrap("one two three four five", 60.0, 2)[1].ends_with('\u{2026}'));
}

proptest! {
    #[test]
    fn escaped_text_reads_back_as_it_was(text in "[ -~\u{a0}-\u{d7ff}]*") {
        let allowed: String = text
            .chars()
            .filter(|c| !c.is_control() && !('\u{202a}'..='\u{2069}').contains(c))
            .collect();
        let document = format!("<a b=\"{0}\">{0}</a>", escape(&allowed));
        let parsed = roxmltree::Document::parse(&document).unwrap();
        prop_assert_eq!(parsed.root_element().attribute("b").unwrap_or_default(), &allowed);
        prop_assert_eq!(parsed.root_element().text().unwrap_or_default(), &allowed);
    }

    #[test]
    fn any_text_can_be_parsed_once_escaped(text in any::<String>()) {
        let document = format!("<a b=\"{0}\">{0}</a>", escape(&text));
        prop_assert!(roxmltree::Document::parse(&document).is_ok());
    }

    #[test]
    fn no_line_is_too_wide(
        text in "[a-zA-Z \u{4e00}]{0,80}",
        most in 20.0..400.0_f64,
        lines in 1..4_usize,
    ) {
        let broken = wrap(&text, most, lines);
        prop_assert!(broken.len() <= lines);
        for line in broken {
            prop_assert!(width(&line) <= most + 1e-9, "{:?}", line);
        }
    }
}

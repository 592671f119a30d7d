//! Every page is well-formed, its words never lie on each other, and it needs nothing else.

mod strategy;

use std::collections::BTreeSet;

use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::labels::Rect;
use crate::text::width;
use crate::{Kind, Page, Plot, Replay, Section, Verdict};

/// All that a page with lines on it is made of.
const ELEMENTS: [&str; 35] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "h1",
    "p",
    "span",
    "b",
    "dl",
    "div",
    "dt",
    "dd",
    "section",
    "h2",
    "figure",
    "figcaption",
    "h3",
    "svg",
    "desc",
    "text",
    "path",
    "rect",
    "g",
    "footer",
    "code",
    "pre",
    "defs",
    "pattern",
    "nav",
    "a",
    "small",
];

fn page_of(kind: Kind) -> Page {
    Page {
        title: "a page".into(),
        verdict: Verdict {
            passed: true,
            sentence: "All held.".into(),
        },
        facts: vec![("nodes".into(), "20".into())],
        sections: vec![Section {
            heading: "one".into(),
            plots: vec![Plot::new("Is it?", "It is.", kind)],
        }],
        replay: Replay {
            scenario: "nodes = 20".into(),
            seed: 7,
            command: "run".into(),
        },
    }
}

fn parsed<T>(page: &Page, look: impl FnOnce(&Document<'_>) -> T) -> T {
    let html = page.html();
    let body = html
        .strip_prefix("<!DOCTYPE html>\n")
        .expect("it says that it is HTML");
    look(&Document::parse(body).expect("it is XML as well"))
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name)
        .map_or(0.0, |value| value.parse().expect("it is a number"))
}

/// Where a line of text lies.
fn place(text: Node<'_, '_>) -> Rect {
    let wide = width(text.text().unwrap_or_default());
    let x = number(text, "x");
    let left = match text.attribute("text-anchor") {
        Some("end") => x - wide,
        Some("middle") => x - wide / 2.0,
        _ => x,
    };
    Rect {
        left,
        top: number(text, "y") - 10.0,
        width: wide,
        height: 12.0,
    }
}

/// Looks at everything that must hold for any page.
fn check(page: &Page) {
    parsed(page, |document| {
        let ids: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .collect();
        let known: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(known.len(), ids.len(), "ids are unique");
        for node in document
            .descendants()
            .filter(|node| node.has_tag_name("svg"))
        {
            check_svg(node, &known);
        }
    });
}

fn check_svg(svg: Node<'_, '_>, known: &BTreeSet<&str>) {
    assert_eq!(svg.attribute("role"), Some("img"));
    for (attribute, tag) in [("aria-labelledby", "title"), ("aria-describedby", "desc")] {
        let id = svg.attribute(attribute).expect("it is named");
        let named = svg
            .children()
            .find(|node| node.has_tag_name(tag))
            .expect("it has that");
        assert_eq!(named.attribute("id"), Some(id));
        assert!(known.contains(id));
    }
    let size: Vec<f64> = svg
        .attribute("viewBox")
        .expect("it has a size")
        .split(' ')
        .map(|number| number.parse().expect("it is a number"))
        .collect();
    let [_, _, wide, high] = size[..] else {
        panic!("a box has four numbers")
    };
    assert!(
        wide > 0.0 && high > 0.0 && high < 4000.0,
        "{wide} by {high}"
    );
    let texts: Vec<(Rect, &str)> = svg
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .map(|node| (place(node), node.text().unwrap_or_default()))
        .collect();
    for (index, (rect, text)) in texts.iter().enumerate() {
        let within = rect.left >= -0.1 && rect.left + rect.width <= wide + 0.1;
        assert!(
            within && rect.top >= -0.1 && rect.top + rect.height <= high,
            "{text} at {rect:?}"
        );
        for (other, words) in &texts[..index] {
            let shrunk = Rect {
                left: rect.left + 0.1,
                width: rect.width - 0.2,
                ..*rect
            };
            assert!(
                !shrunk.overlaps(other),
                "{text:?} at {rect:?}, {words:?} at {other:?}"
            );
        }
    }
    for node in svg.descendants() {
        for attribute in node.attributes() {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{value}");
            let inner = value
                .strip_prefix("url(#")
                .and_then(|id| id.strip_suffix(')'));
            assert!(
                inner.is_none_or(|id| known.contains(id)),
                "{value} is not there"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_plot_is_well_formed_and_legible(kind in strategy::kind()) {
        check(&page_of(kind));
    }

    #[test]
    fn any_words_stay_words(words in prop_oneof![any::<String>(), strategy::hostile()]) {
        let mut page = page_of(strategy::with_words(&words));
        page.title.clone_from(&words);
        page.verdict.sentence.clone_from(&words);
        page.facts = vec![(words.clone(), words.clone())];
        page.sections[0].heading.clone_from(&words);
        page.sections[0].plots[0].question.clone_from(&words);
        page.sections[0].plots[0].answer.clone_from(&words);
        let replay = Replay { scenario: words.clone(), seed: 1, command: words.clone() };
        page.replay = replay;
        check(&page);
        parsed(&page, |document| {
            for node in document.descendants().filter(Node::is_element) {
                let name = node.tag_name().name();
                assert!(ELEMENTS.contains(&name), "{name} comes from the words");
                assert!(node.attributes().all(|attribute| !attribute.name().starts_with("on")));
            }
        });
    }
}

#[test]
fn nothing_to_draw_is_said_in_words() {
    for kind in strategy::empty() {
        let html = page_of(kind).html();
        assert!(html.contains("There is nothing to show here"), "{html}");
        assert!(!html.contains("<svg"));
    }
}

#[test]
fn what_is_left_out_is_said() {
    let html = page_of(strategy::with_flaws()).html();
    assert!(
        html.contains("2 figures are no numbers and are left out."),
        "{html}"
    );
    assert!(html.contains("There is no figure of &quot;empty&quot;."));
}

#[test]
fn a_failure_says_so_first() {
    let mut page = page_of(strategy::with_words("x"));
    page.verdict = Verdict {
        passed: false,
        sentence: "a message was lost".into(),
    };
    let html = page.html();
    assert!(html.contains("<b>Failed.</b> a message was lost"));
    assert!(!html.contains("Passed."));
}

//! The page of the example: what a person gets.

#[path = "../examples/page/faults.rs"]
mod faults;
#[path = "../examples/page/figures.rs"]
mod figures;
#[path = "../examples/page/sample.rs"]
mod sample;

use roxmltree::Document;

/// Bytes that a usual page has at most.
const PAGE_BYTES_MAX: usize = 300 * 1024;

#[test]
fn the_same_data_gives_the_same_bytes() {
    assert_eq!(sample::page().html(), sample::page().html());
}

#[test]
fn a_page_is_small_and_needs_nothing_else() {
    let html = sample::page().html();
    assert!(html.len() <= PAGE_BYTES_MAX, "{} bytes", html.len());
    for word in [
        "<script",
        "http:",
        "https:",
        "src=",
        "@import",
        "<link",
        "javascript:",
        "onload",
    ] {
        assert!(!html.contains(word), "{word}");
    }
    let outside = html
        .split("url(")
        .skip(1)
        .filter(|rest| !rest.starts_with('#'));
    assert_eq!(outside.count(), 0);
}

#[test]
fn each_plot_has_its_question_its_answer_and_two_pictures() {
    let page = sample::page();
    let html = page.html();
    let body = html.split_once('\n').expect("it has lines").1;
    let document = Document::parse(body).expect("it is well-formed");
    let figures = document
        .descendants()
        .filter(|node| node.has_tag_name("figure"));
    let plots = page.sections.iter().flat_map(|section| &section.plots);
    let mut drawn = 0;
    for (figure, plot) in figures.zip(plots) {
        let text = |tag: &str| {
            let found = figure.descendants().find(|node| node.has_tag_name(tag));
            found.and_then(|node| node.text()).map(str::to_owned)
        };
        assert_eq!(text("h3").as_ref(), Some(&plot.question));
        assert_eq!(text("p").as_ref(), Some(&plot.answer));
        let classes = figure.descendants().filter(|node| node.has_tag_name("svg"));
        let classes: Vec<_> = classes.filter_map(|node| node.attribute("class")).collect();
        assert!(classes.is_empty() || classes == ["wide", "narrow"]);
        drawn += classes.len();
    }
    assert!(drawn >= 16, "{drawn} pictures");
}

#[test]
fn the_foot_says_how_to_run_the_same_again() {
    let page = sample::page();
    let html = page.html();
    let foot = html.split_once("<footer>").expect("it has a foot").1;
    assert!(foot.contains(&page.replay.command) && foot.contains("<code>7</code>"));
    assert!(foot.contains("lost = 0"));
}

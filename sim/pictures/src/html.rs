//! The page around the plots.

use crate::draw::{Picture, Width, draw};
use crate::page::{Kind, Page, Plot, Replay, Section, Verdict};
use crate::text::escape;

/// Looks of the page and of the plots; see the comments there.
const STYLE: &str = include_str!("style.css");

/// Renders a page.
pub(crate) fn page(page: &Page) -> String {
    let mut out =
        String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>";
    out += "<meta name=\"color-scheme\" content=\"light dark\"/>";
    let title = escape(&page.title);
    out += &format!(
        "<title>{title}</title><style>\n{}</style></head>\n<body><main>\n",
        style()
    );
    out += &format!("<header><h1>{title}</h1>{}", verdict(&page.verdict));
    out += &facts(&page.facts);
    out += &contents(&page.sections);
    out += "</header>\n";
    let mut plots = 0;
    for (index, section) in page.sections.iter().enumerate() {
        out += &format!(
            "<section id=\"s{}\"><h2>{}</h2>\n",
            index + 1,
            escape(&section.heading)
        );
        for plot in &section.plots {
            plots += 1;
            out += &figure(plot, &format!("f{plots}"));
        }
        out += "</section>\n";
    }
    out + &replay(&page.replay) + "</main></body></html>\n"
}

/// The style sheet without its comments.
fn style() -> String {
    let kept = STYLE
        .lines()
        .filter(|line| !line.trim_start().starts_with("/*"));
    kept.flat_map(|line| [line.trim(), "\n"]).collect()
}

fn verdict(verdict: &Verdict) -> String {
    let (class, sign, word) = match verdict.passed {
        true => ("passed", '\u{2713}', "Passed."),
        false => ("failed", '\u{2717}', "Failed."),
    };
    let sentence = escape(&verdict.sentence);
    let sign = format!("<span class=\"sign\" aria-hidden=\"true\">{sign}</span>");
    format!("<p class=\"verdict {class}\">{sign}<span><b>{word}</b> {sentence}</span></p>\n")
}

fn facts(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let fact = |(label, value): &(String, String)| {
        format!(
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escape(label),
            escape(value)
        )
    };
    format!("<dl>{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

/// Links to the sections, if there are enough to get lost in.
fn contents(sections: &[Section]) -> String {
    if sections.len() < 3 {
        return String::new();
    }
    let link = |(index, section): (usize, &Section)| {
        format!(
            "<a href=\"#s{}\">{}</a>",
            index + 1,
            escape(&section.heading)
        )
    };
    let links: String = sections.iter().enumerate().map(link).collect();
    format!("<nav aria-label=\"Sections\">{links}</nav>\n")
}

fn figure(plot: &Plot, id: &str) -> String {
    let drawn = draw(&plot.kind, id);
    let (question, answer) = (escape(&plot.question), escape(&plot.answer));
    let mut out = format!("<figure id=\"{id}\"><figcaption><h3>{question}</h3>");
    if !answer.is_empty() {
        out += &format!("<p>{answer}</p>");
    }
    out += "</figcaption>\n";
    if let Some((wide, narrow)) = &drawn.pictures {
        out += &svg(wide, Width::Wide, plot, id);
        out += &svg(narrow, Width::Narrow, plot, id);
    }
    out += drawn.table.as_deref().unwrap_or_default();
    for note in &drawn.notes {
        out += &format!("<p class=\"note\">{}</p>", escape(note));
    }
    out + "</figure>\n"
}

fn svg(picture: &Picture, width: Width, plot: &Plot, id: &str) -> String {
    let id = format!("{id}{}", width.letter());
    let class = match width {
        Width::Wide => "wide",
        Width::Narrow => "narrow",
    };
    let size = format!("0 0 {} {}", picture.width, picture.height.ceil());
    let words = escape(&format!("{} {}", plot.answer, described(&plot.kind)));
    format!(
        "<svg class=\"{class}\" viewBox=\"{size}\" role=\"img\" aria-labelledby=\"{id}-t\" \
         aria-describedby=\"{id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{words}\
         </desc>{}</svg>\n",
        escape(&plot.question),
        picture.body
    )
}

/// What a plot shows, for somebody who does not see it.
fn described(kind: &Kind) -> String {
    let list = |names: Vec<&str>| names.join(", ");
    match kind {
        Kind::Cdf(cdf) => {
            let names = list(cdf.curves.iter().map(|curve| curve.name.as_str()).collect());
            format!("Curves of the {} over {}: {names}.", cdf.y, cdf.x.label)
        }
        Kind::TimeSeries(series) => {
            let names = list(series.lines.iter().map(|line| line.name.as_str()).collect());
            format!(
                "Lines of {} over {}: {names}.",
                series.y.label, series.x.label
            )
        }
        Kind::Bars(bars) => {
            let names = list(
                bars.bars
                    .iter()
                    .map(|bar| bar.label.as_str())
                    .take(40)
                    .collect(),
            );
            format!("Bars of {}: {names}.", bars.axis.label)
        }
        Kind::Histogram(histogram) => {
            format!("Histogram: {} by {}.", histogram.y, histogram.x.label)
        }
        Kind::Timeline(timeline) => {
            let names = list(
                timeline
                    .rows
                    .iter()
                    .map(|row| row.name.as_str())
                    .take(40)
                    .collect(),
            );
            format!("Spans over {}: {names}.", timeline.x.label)
        }
        Kind::Scatter(scatter) => {
            let names = list(
                scatter
                    .groups
                    .iter()
                    .map(|group| group.name.as_str())
                    .collect(),
            );
            format!(
                "Points by {} and {}: {names}.",
                scatter.x.label, scatter.y.label
            )
        }
        Kind::Table(_) => String::new(),
    }
}

fn replay(replay: &Replay) -> String {
    format!(
        "<footer><h2>Replay</h2><p>Seed <code>{}</code></p>\
         <pre class=\"command\"><code>{}</code></pre>\
         <h3>Scenario</h3><pre><code>{}</code></pre></footer>\n",
        replay.seed,
        escape(&replay.command),
        escape(&replay.scenario)
    )
}
